"""What docs/export.md says of readers of a bucket is so, as it is written there."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec
import pytest
from children import Program

if TYPE_CHECKING:
    from conftest import S3

TEXT = (Path(__file__).parents[2] / "docs" / "export.md").read_text(encoding="utf-8")


def test_duckdb(s3: S3, crawled: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    place = f"s3://{s3.bucket}/youtube/songs"
    done = crawled.here("export", place, "--format", "parquet", "--max-part-bytes", "2000000")
    assert done.returncode == 0, done.stderr
    superseded = f"{place}/part-000000000001-0000000000000000.parquet"
    files = fsspec.filesystem("s3", skip_instance_cache=True)
    files.copy(min(files.ls(place)), superseded)
    code = re.search(r"```python\n(.*?)```", TEXT[TEXT.index("**DuckDB on S3.**") :], re.DOTALL)
    assert code is not None
    # One that an earlier test made has that test's address.
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    names: dict[str, Any] = {}
    exec(code[1].replace("s3://bucket/youtube/songs", place), names)
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    done = crawled.here("export", "songs.parquet")
    assert done.returncode == 0, done.stderr
    import pyarrow.parquet as pq

    titles = Counter(pq.read_table(crawled.folder / "songs.parquet")["snippet_channelTitle"].to_pylist())
    assert {title: number for title, number, _ in names["channels"]} == titles
