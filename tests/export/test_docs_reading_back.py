"""What docs/export.md says of readers is so, as it is written there."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from children import Program
from crawled_ledger import crawled_ledger, in_order
from waiting import LIMIT_SECONDS

from harvester.export.formats.arrow_schema import schema

TEXT = (Path(__file__).parents[2] / "docs" / "export.md").read_text(encoding="utf-8")


def block(tool: str, language: str) -> str:
    """The first one of that language after the paragraph that names the tool."""
    found = re.search(rf"```{language}\n(.*?)```", TEXT[TEXT.index(f"**{tool}") :], re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def crawl(tmp_path: Path) -> Program:
    crawled_ledger(tmp_path / "harvest.db", 600, in_order(600))
    return Program(tmp_path)


def ok(crawl: Program, *arguments: str) -> None:
    done = crawl.here(*arguments)
    assert done.returncode == 0, done.stderr


def test_polars(crawl: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    ok(crawl, "export", "songs", "--format", "parquet", "--max-part-bytes", "200000")
    ok(crawl, "export", "songs.jsonl")
    superseded = min((crawl.folder / "songs").iterdir())
    shutil.copy(superseded, superseded.with_name("part-000000000001-0000000000000000.parquet"))
    monkeypatch.chdir(crawl.folder)
    names: dict[str, Any] = {}
    exec(block("polars", "python"), names)
    videos = [json.loads(line) for line in (crawl.folder / "songs.jsonl").read_bytes().splitlines()]
    years = Counter(int(video["snippet"]["publishedAt"][:4]) for video in videos)
    assert dict(names["by_year"].select("year", "videos").rows()) == years
    views = sum(int(video["statistics"].get("viewCount", 0)) for video in videos)
    assert names["by_year"]["views"].sum() == views
    assert names["lines"]["id"].to_list() == [video["id"] for video in videos]


def in_athena(kind: pa.DataType) -> str:
    """The type of Athena by which it reads a column of Parquet of this one."""
    plain = {pa.string(): "string", pa.int64(): "bigint", pa.bool_(): "boolean", pa.float64(): "double"}
    if pa.types.is_list(kind):
        return f"array<{in_athena(kind.value_type)}>"
    if pa.types.is_map(kind):
        return f"map<{in_athena(kind.key_type)}, {in_athena(kind.item_type)}>"
    if pa.types.is_struct(kind):
        return f"struct<{', '.join(f'{field.name.lower()}: {in_athena(field.type)}' for field in kind)}>"
    return "timestamp" if pa.types.is_timestamp(kind) else plain[kind]


def test_the_columns_of_athena_are_those_of_parquet() -> None:
    documented = re.findall(r"^  (\w+) (.+?),?$", block("Athena", "sql"), re.MULTILINE)
    columns = {field.name.lower(): in_athena(field.type) for field in schema()}
    assert len(documented) == 12
    assert [(name, columns[name]) for name, _ in documented] == documented


class TestDatasette:
    @pytest.fixture
    def published(self, crawl: Program) -> Program:
        for line in block("Datasette", "sh").splitlines():
            if line.startswith("harvester "):
                ok(crawl, *line.split()[1:])
        return crawl

    def get(self, crawl: Program, *arguments: str) -> Any:
        program = str(Path(sys.executable).with_name("datasette"))
        done = subprocess.run(
            [program, *arguments], cwd=crawl.folder, capture_output=True, timeout=LIMIT_SECONDS, check=True
        )
        return json.loads(done.stdout)

    def test_it_searches(self, published: Program) -> None:
        line = next(line for line in block("Datasette", "sh").splitlines() if line.startswith("datasette "))
        before = sorted(published.folder.iterdir())
        with closing(sqlite3.connect(published.folder / "songs.db")) as db:
            titles = " ".join(title for (title,) in db.execute("SELECT snippet_title FROM videos"))
        word = re.findall(r"\b[a-z]{4,}\b", titles.lower())[0]
        found = self.get(published, *line.replace("'", "").replace("live", word).split()[1:])
        assert 0 < len(found) <= 5
        assert all(word in (row["snippet_title"] + row["snippet_description"]).lower() for row in found)
        assert next(iter(found[0])) == "id"
        assert sorted(published.folder.iterdir()) == before

    def test_it_knows_keys_search_and_metadata(self, published: Program) -> None:
        options = ["songs.db", "--metadata", "songs.db.metadata.json", "--get"]
        tables = {table["name"]: table for table in self.get(published, *options, "/songs.json")["tables"]}
        assert {name for name, table in tables.items() if not table["hidden"]} == {"videos", "tags", "topics"}
        assert (tables["videos"]["primary_keys"], tables["videos"]["fts_table"]) == (["id"], "videos_fts")
        assert tables["tags"]["foreign_keys"]["outgoing"][0]["other_table"] == "videos"
        page = self.get(published, *options, "/songs/videos.json?_size=10&_extra=metadata")
        views = [row[page["columns"].index("statistics_viewCount")] for row in page["rows"]]
        assert views == sorted(views, key=lambda view: -view)
        described = json.loads((published.folder / "songs.db.metadata.json").read_bytes())
        columns = described["databases"]["songs"]["tables"]["videos"]["columns"]
        assert set(columns) <= set(page["columns"])

    def test_metadata_of_somebody_else_are_not_replaced(self, crawl: Program) -> None:
        beside = crawl.folder / "songs.db.metadata.json"
        beside.write_text("{}")
        refused = crawl.here("export", "songs.db", "--datasette-metadata")
        assert (refused.returncode, "add --force" in refused.stderr) == (3, True), refused.stderr
        assert (beside.read_text(), (crawl.folder / "songs.db").exists()) == ("{}", False)
        for options in (["--force"], []):
            ok(crawl, "export", "songs.db", "--datasette-metadata", *options)

    def test_they_are_of_a_database(self, crawl: Program) -> None:
        refused = crawl.here("export", "songs.json", "--datasette-metadata")
        assert (refused.returncode, "harvester export songs.db" in refused.stderr) == (3, True), refused.stderr
