"""Folders of parts: none too large, together the whole, each made without the others, and nothing else there."""

from __future__ import annotations

import csv
import functools
import gzip
import io
import json
import operator
import stat
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import zstandard
from crawled_ledger import NOW, Calls, crawled_ledger, in_order, scattered
from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.config import ExportSettings
from harvester.errors import ConfigError, ExportIncomplete, LedgerDamaged
from harvester.export import Manifest, check_published, export
from harvester.export.counters import Counters
from harvester.export.cut_parts import MAX_PARTS, Cutter
from harvester.export.formats.registry import FORMATS, Format
from harvester.export.manifest import part_name
from harvester.export.part_writer import NextOrder, PartOrder, PartResult, make_here
from harvester.ledger.reader import LedgerReader
from harvester.ledger.sqlite.reader import SqliteReader
from harvester.model import EVERYTHING, Span
from harvester.support.progress_callback import Advance, ProgressCallback

VIDEOS = 250
LAYOUTS: dict[str, Calls] = {
    "in order": in_order(VIDEOS),
    "scattered": scattered(VIDEOS),
    "overlapping": [*scattered(150), *in_order(VIDEOS)[4:][::-1]],
}
IN_PARTS = [kind for kind, form in FORMATS.items() if not form.one_file]
every_format = pytest.mark.parametrize("kind", IN_PARTS, ids="-".join)
# What is cut is the same however it is compressed.
every_layout = pytest.mark.parametrize(
    ("kind", "layout"),
    [(kind, layout) for kind in IN_PARTS for layout in LAYOUTS if kind[1] == "none" or layout == "overlapping"],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)


@pytest.fixture(scope="module")
def ledgers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, SqliteReader]]:
    """Of every layout; two more hold nothing, and nothing but missing ids."""
    folder = tmp_path_factory.mktemp("ledgers")
    for name, calls in LAYOUTS.items():
        crawled_ledger(folder / name, VIDEOS, calls)
    crawled_ledger(folder / "empty", 0, [])
    crawled_ledger(folder / "all missing", 120, in_order(120), missing_share=1)
    crawled_ledger(folder / "half", 200, in_order(100))
    crawled_ledger(folder / "few in order", 40, in_order(40, 10))
    crawled_ledger(folder / "few scattered", 40, scattered(40, 10))
    reader = {path.name: SqliteReader(path) for path in folder.iterdir() if "-" not in path.name}
    yield reader
    for opened in reader.values():
        opened.close()


def go(reader: SqliteReader, folder: Path, kind: tuple[str, str], most: int, **options: Any) -> Manifest:
    chosen: dict[str, Any] = {"format": kind[0], "compression": kind[1], "max_part_bytes": most}
    return export(reader, ExportSettings(uri=str(folder), **chosen), ledger_name="l", now=NOW, **options)


def check(reader: SqliteReader, folder: Path) -> list[str]:
    return check_published(str(folder), reader, ExportSettings())


def whole(reader: SqliteReader, form: Format, span: Span = EVERYTHING) -> bytes:
    return b"".join(form.assemble(reader, span, Counters()))


def content(data: bytes, kind: tuple[str, str]) -> Any:
    """What a reader finds in a file: a list of responses, lines, a table, or a table's rows below their header."""
    if kind[1] == "gzip":
        data = gzip.decompress(data)
    if kind[1] == "zstd":
        data = zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read()
    if kind[0] == "parquet":
        return pq.read_table(io.BytesIO(data))
    if kind[0].startswith("csv"):
        return list(csv.reader(io.StringIO(data.decode(), newline=""), strict=True))[1:]
    return json.loads(data) if kind[0] == "json" else data


def joined(contents: list[Any]) -> Any:
    if isinstance(contents[0], pa.Table):
        return pa.concat_tables(contents)
    return functools.reduce(operator.add, contents)


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


class TestTheParts:
    @every_layout
    def test_none_is_too_large_and_together_they_are_the_whole(
        self, ledgers: dict[str, SqliteReader], tmp_path: Path, kind: tuple[str, str], layout: str
    ) -> None:
        reader = ledgers[layout]
        single = whole(reader, FORMATS[kind])
        most = max(len(single) // 3, 70_000)
        manifest = go(reader, tmp_path / "songs", kind, most)
        written = files(tmp_path / "songs")
        assert len(written) > 1
        assert [path.name for path in written] == [part.file for part in manifest.parts or ()]
        assert max(path.stat().st_size for path in written) <= most
        assert joined([content(path.read_bytes(), kind) for path in written]) == content(single, kind)
        assert check(reader, tmp_path / "songs") == []

    @every_format
    def test_each_can_be_made_alone(
        self, ledgers: dict[str, SqliteReader], tmp_path: Path, kind: tuple[str, str]
    ) -> None:
        reader = ledgers["overlapping"]
        manifest = go(reader, tmp_path / "songs", kind, 100_000)
        assert manifest.parts
        cutter = Cutter(reader, FORMATS[kind], 100_000)
        for part in reversed(manifest.parts):
            span = Span(part.first_position, part.last_position or EVERYTHING.last)
            assert part.file == part_name(span, cutter.inputs(span), FORMATS[kind].suffix)
            assert whole(reader, FORMATS[kind], span) == (tmp_path / "songs" / part.file).read_bytes()

    @settings(max_examples=20, deadline=None)
    @given(cuts=st.sets(st.integers(2, VIDEOS), max_size=6), layout=st.sampled_from(sorted(LAYOUTS)))
    def test_wherever_it_is_cut_the_pieces_are_the_whole(
        self, ledgers: dict[str, SqliteReader], cuts: set[int], layout: str
    ) -> None:
        firsts = [1, *sorted(cuts)]
        lasts = [first - 1 for first in firsts[1:]] + [EVERYTHING.last]
        for kind in (("jsonl", "none"), ("json", "none")):
            form = FORMATS[kind]
            pieces = [
                content(whole(ledgers[layout], form, Span(*ends)), kind) for ends in zip(firsts, lasts, strict=True)
            ]
            assert joined(pieces) == content(whole(ledgers[layout], form), kind)

    @pytest.mark.parametrize("layout", ["few in order", "few scattered"])
    def test_a_video_that_is_larger_has_a_part_of_its_own(
        self, ledgers: dict[str, SqliteReader], tmp_path: Path, layout: str
    ) -> None:
        reader = ledgers[layout]
        manifest = go(reader, tmp_path / "songs", ("jsonl", "none"), 5000)
        single = whole(reader, FORMATS["jsonl", "none"])
        assert max(map(len, single.splitlines())) > 5000
        assert b"".join(path.read_bytes() for path in files(tmp_path / "songs")) == single
        assert all(part.videos == 1 for part in manifest.parts or () if part.bytes > 5000)
        assert check(reader, tmp_path / "songs") == []

    def test_a_response_that_is_larger_has_a_part_of_its_own(
        self, ledgers: dict[str, SqliteReader], tmp_path: Path
    ) -> None:
        manifest = go(ledgers["few in order"], tmp_path / "songs", ("json", "none"), 1000)
        assert len(manifest.parts or ()) == 4
        assert check(ledgers["few in order"], tmp_path / "songs") == []

    @every_format
    @pytest.mark.parametrize(("ledger", "responses"), [("empty", 0), ("all missing", 3)])
    def test_no_video_at_all(
        self, ledgers: dict[str, SqliteReader], tmp_path: Path, kind: tuple[str, str], ledger: str, responses: int
    ) -> None:
        manifest = go(ledgers[ledger], tmp_path / "songs", kind, 1_000_000)
        assert (manifest.videos, manifest.responses, len(manifest.parts or ())) == (0, responses, 1)
        found = content(files(tmp_path / "songs")[0].read_bytes(), kind)
        assert len(found) == (responses if kind[0] == "json" else 0)
        assert check(ledgers[ledger], tmp_path / "songs") == []

    def test_what_came_out_too_large_is_let_go_before_smaller_parts_are_tried(
        self, ledgers: dict[str, SqliteReader], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each attempt holds responses: within one another they would fill the memory."""
        fetched, under_way, most, tried = SqliteReader.fetched, 0, 0, 0

        def counted(self: SqliteReader, span: Span, size: int) -> Iterator[Any]:
            nonlocal under_way, most, tried
            under_way, tried = under_way + 1, tried + 1
            most = max(most, under_way)
            try:
                yield from fetched(self, span, size)
            finally:
                under_way -= 1

        monkeypatch.setattr(SqliteReader, "fetched", counted)
        manifest = go(ledgers["scattered"], tmp_path / "songs", ("jsonl", "none"), 50_000)
        assert tried > len(manifest.parts or ()) + 10
        assert (most, under_way) == (1, 0)

    def test_progress_does_not_go_back_with_a_part_that_is_begun_anew(
        self, ledgers: dict[str, SqliteReader], tmp_path: Path
    ) -> None:
        """As one is that came out too large, or whose worker died."""

        def anew(
            reader: LedgerReader, next_order: NextOrder, watch: ProgressCallback
        ) -> Generator[tuple[PartOrder, PartResult | None], None, None]:
            for far in (700, 0):
                watch(Advance(far, bytes=10 * far))
            yield from make_here(reader, next_order, watch)

        seen: list[Advance] = []
        go(ledgers["scattered"], tmp_path / "songs", ("jsonl", "none"), 50_000, watch=seen.append, maker=anew)
        for reported in ([advance.done for advance in seen], [advance.bytes for advance in seen]):
            assert reported == sorted(reported)
            assert reported[-1] > 0


class TestReaders:
    @pytest.fixture
    def folder(self, ledgers: dict[str, SqliteReader], tmp_path: Path, request: pytest.FixtureRequest) -> Path:
        go(ledgers["scattered"], tmp_path / "songs", request.param, 100_000)
        assert len(files(tmp_path / "songs")) > 1
        return tmp_path / "songs"

    @pytest.fixture
    def ids(self, ledgers: dict[str, SqliteReader]) -> list[str]:
        return [video_id for chunk in ledgers["scattered"].fetched(EVERYTHING, 500) for video_id, _ in chunk]

    @pytest.mark.parametrize("folder", [("parquet", "none")], indirect=True)
    def test_parquet_is_one_table(self, folder: Path, ids: list[str]) -> None:
        assert ds.dataset(folder, format="parquet").to_table()["id"].to_pylist() == ids
        assert list(pd.read_parquet(folder)["id"]) == ids
        query = f"SELECT id FROM read_parquet('{folder}/*.parquet')"
        assert [row[0] for row in duckdb.sql(query).fetchall()] == ids

    @pytest.mark.parametrize(
        "folder", [("jsonl", "none"), ("jsonl", "gzip"), ("jsonl", "zstd")], indirect=True, ids="-".join
    )
    def test_jsonl_is_one_table(self, folder: Path, ids: list[str]) -> None:
        duckdb_reads = f"SELECT id FROM read_json('{folder}/*', format='newline_delimited')"
        assert [row[0] for row in duckdb.sql(duckdb_reads).fetchall()] == ids
        assert [v for path in files(folder) for v in pd.read_json(path, lines=True)["id"]] == ids

    @pytest.mark.parametrize("folder", [("jsonl", "none")], indirect=True)
    def test_arrow_reads_jsonl_as_one_dataset(self, folder: Path, ids: list[str]) -> None:
        schema = pa.schema([("id", pa.string())])
        assert ds.dataset(folder, format="json", schema=schema).to_table()["id"].to_pylist() == ids


class TestTheFolder:
    KIND = ("jsonl", "none")

    def test_fewer_parts_leave_no_old_one_behind(self, ledgers: dict[str, SqliteReader], tmp_path: Path) -> None:
        go(ledgers["in order"], tmp_path / "songs", self.KIND, 300_000)
        before = len(files(tmp_path / "songs"))
        go(ledgers["half"], tmp_path / "songs", self.KIND, 300_000)
        assert 0 < len(files(tmp_path / "songs")) < before
        assert check(ledgers["half"], tmp_path / "songs") == []
        assert sorted(path.name for path in tmp_path.iterdir()) == ["songs", "songs.manifest.json"]

    def test_another_format_takes_the_place_of_the_one_before(
        self, ledgers: dict[str, SqliteReader], tmp_path: Path
    ) -> None:
        go(ledgers["half"], tmp_path / "songs", ("json", "gzip"), 300_000)
        go(ledgers["half"], tmp_path / "songs", self.KIND, 300_000)
        assert {path.suffix for path in files(tmp_path / "songs")} == {".jsonl"}

    @pytest.mark.parametrize(
        "foreign", ["notes.txt", ".git", "_SUCCESS", ".bashrc", "part-1.jsonl", "part-000000000001.txt"]
    )
    def test_files_of_others_are_neither_lost_nor_mixed_in(
        self, ledgers: dict[str, SqliteReader], tmp_path: Path, foreign: str
    ) -> None:
        (tmp_path / "songs").mkdir()
        (tmp_path / "songs" / foreign).write_bytes(b"dear to somebody")
        with pytest.raises(ConfigError, match="no part of an export") as caught:
            go(ledgers["half"], tmp_path / "songs", self.KIND, 300_000)
        assert foreign in str(caught.value)
        assert [path.name for path in tmp_path.rglob("*")] == ["songs", foreign]
        assert (tmp_path / "songs" / foreign).read_bytes() == b"dear to somebody"

    def test_a_link_to_a_folder_stays_a_link(self, ledgers: dict[str, SqliteReader], tmp_path: Path) -> None:
        (tmp_path / "disk").mkdir()
        (tmp_path / "songs").symlink_to(tmp_path / "disk" / "real")
        for _ in range(2):
            go(ledgers["half"], tmp_path / "songs", self.KIND, 300_000)
        assert (tmp_path / "songs").is_symlink()
        assert [path.name for path in (tmp_path / "disk").iterdir()] == ["real"]
        assert check(ledgers["half"], tmp_path / "songs") == []

    def test_a_folder_that_was_closed_to_others_stays_so(
        self, ledgers: dict[str, SqliteReader], tmp_path: Path
    ) -> None:
        (tmp_path / "songs").mkdir(0o700)
        go(ledgers["half"], tmp_path / "songs", self.KIND, 300_000)
        assert stat.S_IMODE((tmp_path / "songs").stat().st_mode) == 0o700

    @pytest.mark.parametrize("place", ["file", "no/such/songs", "file/songs", "/"])
    def test_places_that_will_not_do(self, ledgers: dict[str, SqliteReader], tmp_path: Path, place: str) -> None:
        (tmp_path / "file").write_bytes(b"x")
        with pytest.raises(ConfigError) as caught:
            go(ledgers["half"], tmp_path / place, self.KIND, 300_000)
        assert (caught.value.exit_code, caught.value.state) == (3, "Nothing was written.")
        assert [path.name for path in tmp_path.iterdir()] == ["file"]

    @pytest.mark.parametrize(("kind", "most"), [(("parquet", "none"), 10_000), (("json", "gzip"), 20)])
    def test_parts_that_not_even_nothing_fits_are_refused(
        self, ledgers: dict[str, SqliteReader], tmp_path: Path, kind: tuple[str, str], most: int
    ) -> None:
        with pytest.raises(ConfigError, match=r"export\.max_part_bytes is too small"):
            go(ledgers["half"], tmp_path / "songs", kind, most)
        assert not list(tmp_path.iterdir())

    def test_more_parts_than_anyone_wants_are_refused(
        self, ledgers: dict[str, SqliteReader], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert MAX_PARTS == 10_000
        monkeypatch.setattr("harvester.export.cut_parts.MAX_PARTS", 3)
        with pytest.raises(ConfigError, match="more than 3 parts"):
            go(ledgers["in order"], tmp_path / "songs", self.KIND, 300_000)
        assert not list(tmp_path.iterdir())

    def test_a_crawl_under_way_is_exported_and_says_so(self, ledgers: dict[str, SqliteReader], tmp_path: Path) -> None:
        assert go(ledgers["half"], tmp_path / "songs", self.KIND, 300_000).complete is False
        with pytest.raises(ExportIncomplete) as caught:
            go(ledgers["half"], tmp_path / "other", self.KIND, 300_000, require_complete=True)
        assert caught.value.exit_code == 5
        assert not (tmp_path / "other").exists()

    def test_damage_found_in_a_later_part_changes_nothing(
        self, ledgers: dict[str, SqliteReader], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        go(ledgers["half"], tmp_path / "songs", self.KIND, 300_000)
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        bodies = SqliteReader.bodies

        def damaged_later(self: SqliteReader, call_ids: Any) -> Any:
            if 5 in call_ids:
                raise LedgerDamaged("call 5")
            return bodies(self, call_ids)

        monkeypatch.setattr(SqliteReader, "bodies", damaged_later)
        with pytest.raises(LedgerDamaged, match="call 5"):
            go(ledgers["in order"], tmp_path / "songs", self.KIND, 300_000)
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
