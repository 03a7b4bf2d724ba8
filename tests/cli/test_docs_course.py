"""docs/course.ipynb runs from its first cell to its last, against a simulated API and an S3, as its outputs show."""

from __future__ import annotations

import os
import re
import socket
import sys
from base64 import b64decode, b64encode
from collections.abc import Iterator
from copy import deepcopy
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from command_line import Api
from docs_kit import DOCS, dead_links
from forks import commands
from waiting import LIMIT_SECONDS

PAGE = "course.ipynb"
BUCKET = "your-bucket"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The notebook's bucket, on moto's server, at which the environment points AWS's libraries, for children too."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret-only-a-test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": str(tmp_path / "no-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "no-credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.session.Session().client("s3")
    try:
        client.create_bucket(Bucket=BUCKET)
        yield
    finally:
        client.close()
        server.stop()


@pytest.fixture
def notebook() -> Any:
    import nbformat  # half a second, for each of the workers that collect this

    return nbformat.read(DOCS / PAGE, as_version=4)


@pytest.fixture
def kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels start from this environment and leave nothing in the user's folders."""
    path = (commands(), Path(sys.executable).parent, os.environ["PATH"])
    monkeypatch.setenv("PATH", os.pathsep.join(map(str, path)))
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "MPLCONFIGDIR"):
        folder = tmp_path / "jupyter" / name.lower()
        folder.mkdir(parents=True)
        monkeypatch.setenv(name, str(folder))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")


@pytest.mark.usefixtures("kernels", "bucket")
def test_every_cell_runs_and_gives_what_is_stored(
    notebook: Any, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To store new outputs: `REMAKE_NOTEBOOK=1 pytest tests/cli/test_docs_course.py`."""
    from nbclient import NotebookClient

    monkeypatch.setenv("SONGS", f"s3://{BUCKET}/youtube")
    monkeypatch.setenv("TZ", "UTC")
    stored = deepcopy(notebook)
    how = {"timeout": int(LIMIT_SECONDS), "record_timing": False, "coalesce_streams": True}
    NotebookClient(notebook, resources={"metadata": {"path": str(tmp_path)}}, **how).execute()
    if os.environ.get("REMAKE_NOTEBOOK"):
        remake(notebook)
    ran = [outputs_of(cell) for cell in notebook.cells]
    output = "\n".join(text for outputs in ran for text in outputs.values())
    assert any(outputs.get("text/plain") == "True\n" for outputs in ran), "asked again, it was not the same"
    assert "5,000 of 5,000 videos, 100 calls" in output
    assert api.calls == 1 + 100 + 2
    assert re.search(r"new +100\n", output)
    assert f"s3://{BUCKET}/youtube/songs.parquet is what its manifest says." in output
    songs = pd.read_parquet(f"s3://{BUCKET}/youtube/songs.parquet")
    assert f"{len(songs):,} videos of 103 responses" in output
    assert sum("image/png" in outputs for outputs in ran) == 4
    fetches = pd.read_csv(tmp_path / "statistics.csv", parse_dates=["fetched_at"]).groupby("id")
    assert set(fetches.size()) == {4}
    assert fetches["fetched_at"].diff().min() >= pd.Timedelta(days=1)
    assert (fetches["viewCount"].last() > fetches["viewCount"].first()).any()
    for cell, before, after in zip(stored.cells, map(outputs_of, stored.cells), ran, strict=True):
        assert {kind: alike(text) for kind, text in before.items()} == {
            kind: alike(text) for kind, text in after.items()
        }, cell.source


def outputs_of(cell: Any) -> dict[str, str]:
    """What a cell printed or showed, by kind; of pictures nothing."""
    found: dict[str, str] = {}
    for output in cell.get("outputs", []):
        shown = {output["name"]: output["text"]} if output["output_type"] == "stream" else output["data"]
        for kind, text in shown.items():
            found[kind] = found.get(kind, "") + ("" if kind.startswith("image/") else f"{text}\n")
    return found


def alike(text: str) -> str:
    """Without what differs from run to run: checksums, times, rates, and the room for them."""
    return re.sub(r"[0-9a-f]{16}…|[\d.,:]+|\s+", " ", text)


def remake(notebook: Any) -> None:
    import nbformat

    notebook.metadata["language_info"] = {"name": "python"}
    for output in (output for cell in notebook.cells for output in cell.get("outputs", [])):
        if "image/png" in output.get("data", {}):
            output.data["image/png"] = smaller(output.data["image/png"])
    nbformat.write(notebook, DOCS / PAGE)


def smaller(png: str) -> str:
    """The plot with a palette, which takes less than half the room."""
    from PIL import Image

    file = BytesIO()
    plot = Image.open(BytesIO(b64decode(png))).convert("RGB")
    plot.quantize(64, Image.Quantize.MAXCOVERAGE).save(file, "PNG", optimize=True)
    return b64encode(file.getvalue()).decode()


def test_the_outputs_are_small_and_tell_nothing_of_the_machine(notebook: Any) -> None:
    text = (DOCS / PAGE).read_text(encoding="utf-8")
    assert len(text) < 120_000
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    output = "\n".join(text for cell in code for text in outputs_of(cell).values())
    assert re.findall(r"(?:^|[\s'\"=(])/(?:\w+/)+\w*|127\.0\.0\.1|localhost", output) == []
    assert socket.gethostname() not in output or len(socket.gethostname()) < 4


def test_links_lead_somewhere() -> None:
    assert dead_links(PAGE) == []
