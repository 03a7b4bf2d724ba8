"""docs/export.md says what is so: its snippets run, its tables are those of the code."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import sqlite3
from contextlib import closing
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from command_line import Api, CommandLine
from docs_kit import dead_links, run_as_written, snippets, table, text_of

from harvester.config import ExportSettings
from harvester.export.formats.registry import FORMATS
from harvester.export.formats.unknown_fields import decode_video
from harvester.export.formats.video_columns import seconds
from harvester.export.formats.video_fields import MAX_COUNT

PAGE = "export.md"
TEXT = text_of(PAGE)


def snippet(language: str) -> str:
    """The first one."""
    return snippets(PAGE, language)[0]


@pytest.fixture
def crawl(cli: CommandLine, api: Api) -> CommandLine:
    cli.ok("init")
    cli.load(220)
    cli.ok("-q", "run")
    return cli


def as_far_as_possible(script: str) -> str:
    """The script, without jq where there is none."""
    if shutil.which("jq") is not None:
        return script
    return "\n".join(re.sub(r"\| jq .*", "", line) for line in script.splitlines() if not line.startswith("jq "))


def test_the_snippets_run_as_written(crawl: CommandLine) -> None:
    output = run_as_written(as_far_as_possible(snippet("sh")), crawl.folder).stdout
    assert "songs is what its manifest says." in output
    names: dict[str, Any] = {}
    exec(snippet("python"), names)

    videos = crawl.status()["videos"]["fetched"]
    responses = json.loads((crawl.folder / "songs.json").read_bytes())
    if shutil.which("jq"):
        assert responses[0]["items"][0]["snippet"]["title"] in output
        with gzip.open(crawl.folder / "songs.jsonl.gz") as file:
            assert json.loads(output[output.index("{") :]) == json.loads(file.readline())["statistics"]
    assert len(names["responses"]) == len(responses) == 5
    ids = list(names["lines"]["id"])
    assert len(ids) == videos
    assert ids == list(names["songs"]["id"]) == list(names["parts"]["id"])
    assert pd.ArrowDtype(pa.int64()) == names["songs"]["statistics_viewCount"].dtype

    counts = [int(item["statistics"].get("viewCount", 0)) for each in responses for item in each["items"]]
    assert sum(row[1] or 0 for row in names["views"]) == sum(counts)
    tagless = sum("tags" not in item["snippet"] for each in responses for item in each["items"])
    assert 0 < tagless == names["nulls"]["snippet_tags"]
    assert names["oldest"][0][0] == names["songs"]["fetched_at"].min()


def test_the_csv_commands_run_as_written(crawl: CommandLine) -> None:
    run_as_written(snippets(PAGE)[1], crawl.folder)
    whole = pd.read_csv(crawl.folder / "videos.csv", dtype=str)
    assert whole.equals(pd.read_csv(crawl.folder / "videos.csv.gz", dtype=str))
    assert len(whole) == crawl.status()["videos"]["fetched"]
    guarded = pd.read_csv(crawl.folder / "spreadsheet.csv", dtype=str)
    assert list(guarded["id"].str.removeprefix("'")) == list(whole["id"])
    assert guarded["id"].str.startswith("'").sum() == whole["id"].str.startswith("-").sum()
    crawl.ok("verify", "--export", "spreadsheet.csv")
    refused = crawl("export", "songs.parquet", "--format", "parquet", "--csv-safe")
    assert refused.exit_code == 2
    assert "--csv-safe is for csv" in refused.stderr


def test_the_sql_runs_as_written(crawl: CommandLine) -> None:
    crawl.ok("export", "songs.db")
    with closing(sqlite3.connect(crawl.folder / "songs.db")) as db:
        db.execute("UPDATE tags SET tag = 'music' WHERE position = 0")
        db.execute("INSERT INTO videos_fts (rowid, snippet_title) VALUES (1, 'a concert, live')")
        viewed, found, topics = (db.execute(statement).fetchall() for statement in snippet("sql").split(";")[:3])
        assert len(viewed) == 10
        assert [views for *_, views in viewed] == sorted((views for *_, views in viewed), reverse=True)
        assert found[0] == db.execute("SELECT id, snippet_title FROM videos WHERE rowid = 1").fetchone()
        assert sum(number for _, number in topics) == db.execute("SELECT count(*) FROM topics").fetchone()[0] > 0


def test_growth_is_told_by_one_statement(crawl: CommandLine) -> None:
    with closing(sqlite3.connect(crawl.folder / "harvest.db")) as db:
        db.execute("UPDATE responses SET fetched_at = '2026-11-01T00:00:00.000000Z'")
        db.commit()
    crawl.ok("-q", "refresh", "--statistics-only")
    output = run_as_written(snippets(PAGE)[2], crawl.folder).stdout
    columns = re.findall(
        r"`(\w+)`", TEXT.partition("The columns are `id`, `fetched_at`")[2].partition(", as in Parquet")[0]
    )
    assert output.splitlines()[-3].split(",") == ["id", "fetched_at", *columns]
    statement = snippets(PAGE, "sql")[1]
    with closing(sqlite3.connect(crawl.folder / "statistics.db")) as db:
        rows = db.execute(statement).fetchall()
    file = crawl.folder / "statistics.parquet"
    assert duckdb.sql(statement.replace("FROM statistics", f"FROM '{file}'")).fetchall() == rows
    assert len(rows) == 2 * crawl.status()["videos"]["fetched"]
    for (video_id, first_day, views, nothing), (same_id, _, later_views, growth) in zip(
        rows[::2], rows[1::2], strict=True
    ):
        assert (video_id, first_day, nothing) == (same_id, "2026-11-01", None)
        assert growth == (None if views is None else later_views - views)


def test_the_formats_are_those_that_there_are() -> None:
    documented = {}
    for name, packings, suffixes, _, stable in table(PAGE, "format"):
        each = zip(*(cell.split(", ") for cell in (packings, suffixes, stable)), strict=True)
        documented |= {(name, packing): (suffix, same) for packing, suffix, same in each}
    assert documented == {key: (form.suffix, "yes" if form.stable else "no") for key, form in FORMATS.items()}


def test_a_count_that_no_column_holds_is_kept_as_it_is_told() -> None:
    documented = re.search(r'`(\{"statistics".*?\})`', TEXT)
    assert documented is not None
    too_many = json.loads(documented[1])["statistics"]["viewCount"]
    assert int(too_many) == MAX_COUNT + 1
    assert f"{MAX_COUNT:,}" in TEXT
    video, rest = decode_video(b'{"id":"x","statistics":{"viewCount":"%s"}}' % too_many.encode())
    assert (video.statistics.viewCount, rest) == (None, documented[1])


def test_durations_are_as_they_are_told() -> None:
    documented = re.search(r"`(PT\w+)` is (\d+)\.", TEXT)
    assert documented is not None
    assert seconds(documented[1]) == int(documented[2])
    assert seconds("P1M") is None


def test_the_settings_of_s3_are_all_there() -> None:
    for name in set(ExportSettings.__struct_fields__) - {"uri", "format", "compression", "max_part_bytes", "table"}:
        assert f"`{name}`" in TEXT


def test_links_lead_somewhere() -> None:
    assert dead_links(PAGE) == []
