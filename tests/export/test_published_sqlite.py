"""The SQLite database: every row of every table is what was sent, and other programs can use it."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from memory_reader import MemoryReader
from published import FETCHED_AT, NOW, pages_of, publish, reader_of
from reference import expected, parsed, types

from harvester.config import ExportSettings
from harvester.errors import ConfigError, DestinationRefused, StorageUnavailable
from harvester.export import check_published, export
from harvester.export.storage.ownership import SQLITE_EXPORT_ID

TABLES = {"tags": ("tag", "snippet_tags"), "topics": ("topic", "topicDetails_topicCategories")}
Row = dict[str, Any]


def database(place: Path) -> sqlite3.Connection:
    db = sqlite3.connect(f"file:{place}?mode=ro&immutable=1", uri=True)
    db.row_factory = sqlite3.Row
    return db


def rows_of(db: sqlite3.Connection, table: str) -> list[Row]:
    return [dict(row) for row in db.execute(f"SELECT * FROM {table} ORDER BY rowid")]


def findings(place: Path, reader: MemoryReader) -> list[str]:
    return check_published(str(place), reader, ExportSettings())  # type: ignore[arg-type]


def as_stored(value: Any) -> Any:
    """As a column of SQLite holds it."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, list):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return value


@pytest.fixture
def place(reader: MemoryReader, tmp_path: Path) -> Path:
    return publish(reader, tmp_path, "sqlite")


class TestRows:
    def test_every_column_of_every_video(self, place: Path, videos: list[bytes]) -> None:
        with closing(database(place)) as db:
            rows = rows_of(db, "videos")
        assert len(rows) == len(videos)
        for raw, row in zip(videos, rows, strict=True):
            assert row.pop("fetched_at") == as_stored(FETCHED_AT)
            other = row.pop("other_json")
            wanted, rest = expected(raw)
            assert (parsed(other) if other is not None else {}) == rest
            assert {name: value for name, value in row.items() if value is not None} == {
                name: as_stored(value) for name, value in wanted.items() if name in row
            }

    @pytest.mark.parametrize("table", TABLES)
    def test_every_entry_of_a_list(self, place: Path, videos: list[bytes], table: str) -> None:
        entry, column = TABLES[table]
        wanted = [
            {"video_id": row["id"], "position": position, entry: value}
            for row, _ in map(expected, videos)
            for position, value in enumerate(row.get(column, ()))
        ]
        with closing(database(place)) as db:
            assert rows_of(db, table) == wanted

    def test_the_columns_are_those_of_parquet(self, place: Path) -> None:
        """Scalar ones, and lists of texts that have no table of their own; their types are SQLite's."""
        with closing(database(place)) as db:
            found = {row["name"]: row["type"] for row in db.execute("PRAGMA table_info(videos)")}
        assert found.pop("contentDetails_duration") == "INTEGER"
        assert [found.pop(name) for name in ("contentDetails_duration_iso", "other_json", "fetched_at")] == ["TEXT"] * 3
        kinds = {name: kind for name, kind in types().items() if name != "contentDetails_duration"}
        lists = {column for _, column in TABLES.values()}
        assert set(found) == {
            name
            for name, kind in kinds.items()
            if name not in lists and (not pa.types.is_nested(kind) or kind == pa.list_(pa.string()))
        }
        for name, kind in found.items():
            number = {pa.int64(): "INTEGER", pa.bool_(): "INTEGER", pa.float64(): "REAL"}
            assert kind == number.get(kinds[name], "TEXT")

    def test_a_fraction_of_a_second_is_kept(self, tmp_path: Path) -> None:
        moments = ["2010-05-01T12:00:00Z", "2010-05-01T12:00:00.25Z", "2010-05-01T12:00:00+02:00"]
        videos = [b'{"id": "%d", "snippet": {"publishedAt": "%s"}}' % (n, m.encode()) for n, m in enumerate(moments)]
        with closing(database(publish(reader_of(pages_of(videos)), tmp_path, "sqlite"))) as db:
            found = [row["snippet_publishedAt"] for row in rows_of(db, "videos")]
            assert found == ["2010-05-01T12:00:00Z", "2010-05-01T12:00:00.250000Z", "2010-05-01T10:00:00Z"]
            (days,) = db.execute(
                "SELECT max(julianday(snippet_publishedAt)) - min(julianday('2010-05-01')) FROM videos"
            )
            assert days[0] == pytest.approx(0.5, abs=1e-4)

    def test_nothing_stored_is_a_database_without_rows(self, tmp_path: Path) -> None:
        reader = MemoryReader([])
        place = publish(reader, tmp_path, "sqlite")
        with closing(database(place)) as db:
            assert [rows_of(db, table) for table in ("videos", *TABLES)] == [[], [], []]
        assert findings(place, reader) == []


class TestUse:
    def test_sqlite_finds_it_sound(self, place: Path) -> None:
        with closing(database(place)) as db:
            assert [tuple(row) for row in db.execute("PRAGMA integrity_check")] == [("ok",)]
            assert list(db.execute("PRAGMA foreign_key_check")) == []
            assert db.execute("PRAGMA application_id").fetchone()[0] == SQLITE_EXPORT_ID

    def test_full_text_search_agrees_with_its_table(self, place: Path, tmp_path: Path) -> None:
        """FTS5's own check takes a database that may be written to."""
        copy = tmp_path / "copy.db"
        copy.write_bytes(place.read_bytes())
        with closing(sqlite3.connect(copy)) as db:
            db.execute("INSERT INTO videos_fts (videos_fts, rank) VALUES ('integrity-check', 1)")

    def test_words_are_found_without_their_accents_in_any_case(self, tmp_path: Path) -> None:
        titles = ["Ünïcode résumé", "RESUME of a day", "nothing"]
        videos = [
            json.dumps({"id": str(n), "snippet": {"title": title, "description": "the End"}}).encode()
            for n, title in enumerate(titles)
        ]
        with closing(database(publish(reader_of(pages_of(videos)), tmp_path, "sqlite"))) as db:

            def found(words: str) -> list[str]:
                search = (
                    "SELECT id FROM videos JOIN videos_fts ON videos.rowid = videos_fts.rowid "
                    "WHERE videos_fts MATCH ? ORDER BY id"
                )
                return [row["id"] for row in db.execute(search, [words])]

            assert found("resume") == ["0", "1"]
            assert found("snippet_description: end") == ["0", "1", "2"]
            assert found('"of a day"') == ["1"]

    @pytest.mark.parametrize(
        ("query", "index"),
        [
            ("SELECT * FROM videos WHERE id = ?", "sqlite_autoindex_videos_1"),
            ("SELECT * FROM videos WHERE snippet_channelId = ?", "videos_by_snippet_channelId"),
            ("SELECT * FROM videos WHERE snippet_channelTitle = ?", "videos_by_snippet_channelTitle"),
            ("SELECT * FROM videos WHERE snippet_publishedAt > ?", "videos_by_snippet_publishedAt"),
            ("SELECT * FROM videos WHERE 0 < ? ORDER BY statistics_viewCount DESC", "videos_by_statistics_viewCount"),
            ("SELECT * FROM tags WHERE tag = ?", "tags_by_tag"),
            ("SELECT * FROM tags WHERE video_id = ?", "tags_by_video"),
            ("SELECT * FROM topics WHERE topic = ?", "topics_by_topic"),
            ("SELECT * FROM topics WHERE video_id = ?", "topics_by_video"),
        ],
    )
    def test_each_index_serves_its_query(self, tmp_path: Path, query: str, index: str) -> None:
        with closing(database(publish(MemoryReader([]), tmp_path, "sqlite"))) as db:
            plan = [row["detail"] for row in db.execute(f"EXPLAIN QUERY PLAN {query}", ["x"])]
        assert any(f"USING INDEX {index}" in step for step in plan), plan


class TestBytes:
    def test_they_are_the_same_again_and_for_other_responses(self, real_videos: list[bytes], tmp_path: Path) -> None:
        contents = set()
        for number, per_page in enumerate((50, 50, 7)):
            (tmp_path / str(number)).mkdir()
            reader = reader_of(pages_of(real_videos, per_page))
            contents.add(publish(reader, tmp_path / str(number), "sqlite").read_bytes())
        assert len(contents) == 1

    def test_the_manifest_names_the_version_of_sqlite(self, place: Path) -> None:
        manifest = json.loads(place.with_name(f"{place.name}.manifest.json").read_bytes())
        assert manifest["made_with"] == f"SQLite {sqlite3.sqlite_version}"
        assert int.from_bytes(place.read_bytes()[96:100]) == sqlite3.sqlite_version_info[0] * 1_000_000 + (
            sqlite3.sqlite_version_info[1] * 1000 + sqlite3.sqlite_version_info[2]
        )

    def test_it_is_replaced_by_the_next_one_alone(self, reader: MemoryReader, tmp_path: Path) -> None:
        for _ in range(2):
            publish(reader, tmp_path, "sqlite")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["songs.sqlite", "songs.sqlite.manifest.json"]


CHANGES = {
    "videos": "UPDATE videos SET statistics_viewCount = statistics_viewCount + 1 WHERE rowid = 7",
    "tags": "DELETE FROM tags WHERE rowid = (SELECT max(rowid) FROM tags)",
    "topics": "INSERT INTO topics SELECT video_id, 99, topic FROM topics WHERE rowid = (SELECT max(rowid) FROM topics)",
}


class TestProof:
    def test_of_what_was_published(self, place: Path, reader: MemoryReader) -> None:
        assert findings(place, reader) == []

    @pytest.mark.parametrize("table", CHANGES)
    def test_a_row_that_is_another_is_found_though_the_manifest_fits(
        self, real_videos: list[bytes], tmp_path: Path, table: str
    ) -> None:
        reader = reader_of(pages_of(real_videos))
        place = publish(reader, tmp_path, "sqlite")
        with closing(sqlite3.connect(place)) as db:
            db.execute(CHANGES[table])
            db.commit()
        fit_manifest(place)
        [reported] = findings(place, reader)
        assert f"table {table} " in reported
        assert "the video " in reported

    def test_damage_is_found_by_sqlite(self, place: Path, reader: MemoryReader) -> None:
        content = bytearray(place.read_bytes())
        content[4096 * 3 : 4096 * 3 + 200] = bytes(200)
        place.write_bytes(content)
        fit_manifest(place)
        [reported] = findings(place, reader)
        assert "can't be read as sqlite" in reported


def fit_manifest(place: Path) -> None:
    beside = place.with_name(f"{place.name}.manifest.json")
    manifest = json.loads(beside.read_bytes())
    content = place.read_bytes()
    manifest |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    beside.write_text(json.dumps(manifest))


class TestRefusals:
    def test_parts(self) -> None:
        with pytest.raises(ValueError, match="a SQLite database is one file"):
            ExportSettings(format="sqlite", max_part_bytes=1_000_000)

    @pytest.mark.parametrize("suffix", ["-wal", "-journal"])
    def test_a_database_that_another_program_writes_to(
        self, reader: MemoryReader, place: Path, tmp_path: Path, suffix: str
    ) -> None:
        """SQLite would apply what lies there to the new file, and damage it."""
        before = place.read_bytes()
        beside = place.with_name(place.name + suffix)
        beside.write_bytes(b"not empty")
        with pytest.raises(ConfigError, match=f"songs.sqlite{suffix}"):
            publish(reader, tmp_path, "sqlite")
        assert place.read_bytes() == before
        beside.write_bytes(b"")
        publish(reader, tmp_path, "sqlite")

    def test_one_that_was_changed_is_replaced_with_force(
        self, reader: MemoryReader, place: Path, tmp_path: Path
    ) -> None:
        """Ledgers, which are databases too, are not."""
        before = place.read_bytes()
        with closing(sqlite3.connect(place)) as db:
            db.execute("CREATE TABLE mine AS SELECT * FROM videos")
        wanted = ExportSettings(uri=str(place), format="sqlite")
        with pytest.raises(DestinationRefused, match="add --force"):
            export(reader, wanted, ledger_name="l", now=NOW)  # type: ignore[arg-type]
        export(reader, wanted, ledger_name="l", now=NOW, force=True)  # type: ignore[arg-type]
        assert place.read_bytes() == before

    @pytest.fixture
    def full(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
        """A folder for temporary files that is there, and where none can be made larger."""
        folder = tmp_path / "temporary"
        folder.mkdir()
        monkeypatch.setenv("SQLITE_TMPDIR", str(folder))
        monkeypatch.setattr(
            "harvester.export.formats.sqlite.write_database._PRAGMAS",
            "PRAGMA journal_mode=OFF; PRAGMA max_page_count=9;",
        )
        yield folder
        assert list(folder.iterdir()) == []

    def test_a_full_disk(self, reader: MemoryReader, tmp_path: Path, full: Path) -> None:
        wanted = ExportSettings(uri=str(tmp_path / "songs.db"), format="sqlite")
        with pytest.raises(StorageUnavailable, match="database or disk is full") as caught:
            export(reader, wanted, ledger_name="l", now=NOW)  # type: ignore[arg-type]
        assert str(full) in str(caught.value)
        assert [path.name for path in tmp_path.iterdir()] == ["temporary"]
