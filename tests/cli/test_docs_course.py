"""docs/course.ipynb runs from its first cell to its last, against a simulated API and an S3 of its own."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from command_line import Api
from docs_kit import DOCS, dead_links
from waiting import LIMIT_SECONDS

PAGE = "course.ipynb"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """An empty bucket on moto's server, at which the environment points AWS's libraries, for children too."""
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
    name = f"test-{uuid.uuid4().hex}"
    client = boto3.session.Session().client("s3")
    try:
        client.create_bucket(Bucket=name)
        yield name
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
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        folder = tmp_path / "jupyter" / name.lower()
        folder.mkdir(parents=True)
        monkeypatch.setenv(name, str(folder))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")


@pytest.mark.usefixtures("kernels")
def test_every_cell_runs(notebook: Any, bucket: str, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nbclient import NotebookClient

    monkeypatch.setenv("HARVESTER_EXPORT__URI", f"s3://{bucket}/songs.parquet")
    ran = NotebookClient(
        notebook, timeout=int(LIMIT_SECONDS), resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    texts = ["".join(texts_of(cell)) for cell in ran.cells]
    output = "\n".join(texts)
    assert "youtube#videoListResponse" in output
    assert [text for text in texts if text.endswith("\nTrue")], "asked again, it was not the same"
    assert api.calls == 2
    assert "new            3" in output
    assert "Nothing left: 1 call" in output
    assert f"s3://{bucket}/songs.parquet is what its manifest says." in output

    songs = pd.read_parquet(f"s3://{bucket}/songs.parquet", dtype_backend="pyarrow")
    assert 3 <= len(songs) <= 6
    views = next(text for text in texts if "sum" in text and "std" in text)
    assert str(songs["statistics_viewCount"].max()) in views
    nulls = next(text for text in texts if "status_publishAt" in text)
    assert "dtype: int64" in nulls


def texts_of(cell: Any) -> Iterator[str]:
    """What a cell printed or showed."""
    for output in cell.get("outputs", []):
        yield output["text"] if output["output_type"] == "stream" else output["data"]["text/plain"]


def test_it_is_kept_without_outputs(notebook: Any) -> None:
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert [cell.source for cell in code if cell.outputs or cell.execution_count is not None] == []


def test_links_lead_somewhere() -> None:
    assert dead_links(PAGE) == []
