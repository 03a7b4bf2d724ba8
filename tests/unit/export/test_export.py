"""Export and its proof, over a ledger held in memory."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from memory_reader import MemoryReader

from harvester._version import __version__
from harvester.config import ExportSettings
from harvester.errors import ConfigError, ExportIncomplete, LedgerDamaged, StorageUnavailable
from harvester.export import Manifest, check_published, export
from harvester.export.counters import Counters
from harvester.export.formats.json_responses import json_file, json_gzip_file
from harvester.export.manifest import from_json, to_json, without_secrets
from harvester.export.storage.local_draft import FileDraft
from harvester.ledger.records import LoadRecord
from harvester.model import EVERYTHING, Body, StoredResponse, VideoState

NOW = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
FETCHED_AT = NOW - timedelta(hours=1)


def body_text(number: int, videos: int = 2) -> bytes:
    items = [{"kind": "youtube#video", "id": f"video{number:03}-{v}", "title": "ñ 🎵 \r"} for v in range(videos)]
    # Spelled as no serialiser here would: what comes out must be what came in.
    text = json.dumps({"kind": "youtube#videoListResponse", "items": items}, ensure_ascii=False, indent=1)
    return text.encode().replace(b'"kind"', b'"kind" ')


def stored(number: int, raw: bytes | None = None, *, encoding: str = "gzip", videos: int = 2) -> StoredResponse:
    raw = body_text(number, videos) if raw is None else raw
    data = gzip.compress(raw, mtime=number) if encoding == "gzip" else raw
    body = Body(data, encoding, len(raw), hashlib.sha256(data).digest(), videos)
    return StoredResponse(number, number * 50, body, FETCHED_AT)


def damaged(response: StoredResponse, **changes: Any) -> StoredResponse:
    return response._replace(body=response.body._replace(**changes))


@pytest.fixture
def reader() -> MemoryReader:
    responses = [stored(1), stored(2, encoding="identity"), stored(3, videos=0), stored(4)]
    return MemoryReader(responses, missing=3, invalid=1)


def settings_for(path: Path, compression: Any = "none") -> ExportSettings:
    return ExportSettings(uri=str(path), compression=compression)


def go(reader: MemoryReader, path: Path, compression: str = "none", **options: Any) -> Manifest:
    return export(reader, settings_for(path, compression), ledger_name="harvest.db", now=NOW, **options)  # type: ignore[arg-type]


def manifest_of(path: Path) -> Path:
    return path.with_name(path.name + ".manifest.json")


def json_array(responses: list[StoredResponse]) -> Iterator[bytes]:
    return json_file(SimpleNamespace(responses=lambda _: responses), EVERYTHING, Counters())  # type: ignore[arg-type]


def json_array_gzip(responses: list[StoredResponse]) -> Iterator[bytes]:
    return json_gzip_file(SimpleNamespace(responses=lambda _: responses), EVERYTHING, Counters())  # type: ignore[arg-type]


class TestJson:
    def test_it_opens_as_the_list_that_the_course_worked_with(self, reader: MemoryReader, tmp_path: Path) -> None:
        go(reader, tmp_path / "songs.json")
        with (tmp_path / "songs.json").open(encoding="utf-8") as file:
            assert json.load(file)[0]["items"][0]["id"] == "video001-0"

    def test_bodies_are_verbatim_and_in_load_order(self, reader: MemoryReader, tmp_path: Path) -> None:
        go(reader, tmp_path / "songs.json")
        expected = b"[" + b",".join((body_text(1), body_text(2), body_text(3, 0), body_text(4))) + b"]\n"
        assert (tmp_path / "songs.json").read_bytes() == expected

    def test_an_empty_ledger_is_an_empty_list(self) -> None:
        assert b"".join(json_array([])) == b"[]\n"
        assert gzip.decompress(b"".join(json_array_gzip([]))) == b"[]\n"

    def test_a_body_of_several_members_is_one_body(self) -> None:
        raw = body_text(1)
        data = gzip.compress(raw[:20]) + gzip.compress(raw[20:])
        response = damaged(stored(1), data=data, sha256=hashlib.sha256(data).digest())
        assert b"".join(json_array([response])) == b"[" + raw + b"]\n"
        assert gzip.decompress(b"".join(json_array_gzip([response]))) == b"[" + raw + b"]\n"

    @pytest.mark.parametrize("compression", ["none", "gzip"])
    def test_the_same_ledger_gives_the_same_bytes(self, reader: MemoryReader, tmp_path: Path, compression: str) -> None:
        first = go(reader, tmp_path / "first.json", compression)
        second = go(reader, tmp_path / "second.json", compression)
        assert (tmp_path / "first.json").read_bytes() == (tmp_path / "second.json").read_bytes()
        assert first.sha256 == second.sha256


class TestGzip:
    @pytest.fixture
    def published(self, reader: MemoryReader, tmp_path: Path) -> Path:
        go(reader, tmp_path / "songs.json.gz", "gzip")
        return tmp_path / "songs.json.gz"

    def test_it_holds_the_bytes_of_the_plain_export(self, reader: MemoryReader, published: Path) -> None:
        with gzip.open(published) as file:
            assert file.read() == b"".join(json_array(reader.stored))

    def test_bodies_are_copied_and_not_compressed_again(self, reader: MemoryReader, published: Path) -> None:
        content = published.read_bytes()
        assert all(r.body.data in content for r in reader.stored if r.body.encoding == "gzip")

    def test_zcat_reads_all_members(self, reader: MemoryReader, published: Path) -> None:
        plain = subprocess.run(["zcat", str(published)], capture_output=True, check=True).stdout
        assert plain == b"".join(json_array(reader.stored))

    def test_pandas_reads_it_by_its_name(self, published: Path) -> None:
        frame = pd.read_json(published)
        assert len(frame) == 4
        assert frame["items"][0][0]["id"] == "video001-0"

    def test_pandas_reads_it_under_another_name_when_told(self, reader: MemoryReader, tmp_path: Path) -> None:
        go(reader, tmp_path / "songs.json", "gzip")
        assert len(pd.read_json(tmp_path / "songs.json", compression="gzip")) == 4

    def test_its_own_members_are_the_same_on_every_machine(self) -> None:
        # mtime 0 and an unknown operating system; gzip.compress writes 3 or 255 there, by the Python.
        content = b"".join(json_array_gzip([]))
        assert content[:10] == bytes.fromhex("1f8b08000000000000ff")


class TestDamage:
    @pytest.mark.parametrize("assemble", [json_array, json_array_gzip])
    @pytest.mark.parametrize(
        "spoil",
        [
            lambda r: damaged(r, data=r.body.data[:-9] + b"x" + r.body.data[-8:]),
            lambda r: damaged(r, sha256=bytes(32)),
            lambda r: damaged(r, encoding="zstd"),
        ],
        ids=["flipped", "other checksum", "unknown encoding"],
    )
    def test_a_body_that_is_not_what_was_stored_is_never_published(
        self, assemble: Callable[..., Iterator[bytes]], spoil: Callable[[StoredResponse], StoredResponse]
    ) -> None:
        with pytest.raises(LedgerDamaged, match="call 7"):
            b"".join(assemble([stored(6), spoil(stored(7))]))

    @pytest.mark.parametrize("off_by", [-1, 1])
    @pytest.mark.parametrize("encoding", ["gzip", "identity"])
    def test_a_wrong_length_is_damage(self, encoding: str, off_by: int) -> None:
        response = stored(7, encoding=encoding)
        with pytest.raises(LedgerDamaged, match="call 7"):
            b"".join(json_array([damaged(response, raw_bytes=response.body.raw_bytes + off_by)]))

    def test_a_bomb_is_not_unpacked(self) -> None:
        bomb = gzip.compress(bytes(20_000_000))
        response = damaged(stored(7), data=bomb, sha256=hashlib.sha256(bomb).digest(), raw_bytes=1000)
        with pytest.raises(LedgerDamaged):
            b"".join(json_array([response]))

    @pytest.mark.parametrize("compression", ["none", "gzip"])
    def test_nothing_is_published_and_the_old_export_stays(
        self, reader: MemoryReader, tmp_path: Path, compression: str
    ) -> None:
        path = tmp_path / "songs.json"
        go(reader, path, compression)
        before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
        reader.stored.append(damaged(stored(9), sha256=bytes(32)))
        with pytest.raises(LedgerDamaged, match="call 9"):
            go(reader, path, compression)
        assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


class TestManifest:
    def test_it_says_what_was_published(self, reader: MemoryReader, tmp_path: Path) -> None:
        reader.videos[VideoState.PENDING] = 5
        at = datetime(2026, 11, 20, 9, tzinfo=UTC)
        reader.loaded = [
            LoadRecord(1, "s3://bucket/ids.csv", at, 20, 15, 1, 2, at),
            LoadRecord(2, "/data/none new.csv", at, 9, 0, 0, 0, at),
        ]
        manifest = go(reader, tmp_path / "songs.json")
        content = (tmp_path / "songs.json").read_bytes()
        assert json.loads(manifest_of(tmp_path / "songs.json").read_bytes()) == {
            "file": "songs.json",
            "format": "json",
            "compression": "none",
            "complete": False,
            "counts": {
                "total": 15,
                "pending": 5,
                "claimed": 0,
                "fetched": 6,
                "missing": 3,
                "failed": 0,
                "invalid": 1,
            },
            "responses": 4,
            "videos": 6,
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "exported_at": "2026-11-23T10:30:00Z",
            "ledger": "harvest.db",
            "source": "s3://bucket/ids.csv",
            "harvester": __version__,
            "loads": [
                {
                    "source": "s3://bucket/ids.csv",
                    "loaded_at": "2026-11-20T09:00:00Z",
                    "rows": 20,
                    "new": 15,
                    "removed": 2,
                    "finished": True,
                }
            ],
            "asked_for": [{"parts": ["snippet", "statistics"], "responses": 4}],
        }
        assert from_json(to_json(manifest)) == manifest

    @pytest.mark.parametrize(("state", "complete"), [("pending", False), ("claimed", False), ("failed", True)])
    def test_complete_means_that_nothing_is_left_to_ask(self, tmp_path: Path, state: str, complete: bool) -> None:
        assert go(MemoryReader([stored(1)], **{state: 1}), tmp_path / "songs.json").complete is complete

    @pytest.mark.parametrize(
        ("address", "shown"),
        [
            ("/home/someone/crawl/harvest.db", "harvest.db"),
            ("sqlite:////home/someone/harvest.db", "harvest.db"),
            ("C:\\Users\\someone\\ids.csv", "ids.csv"),
            ("s3://bucket/folder/ids.csv", "s3://bucket/folder/ids.csv"),
            ("https://me:word@host:81/ids.csv?X-Amz-Signature=abc#x", "https://host:81/ids.csv"),
            ("postgresql://me:word@host/harvest", "harvest"),
            ("-", "-"),
        ],
    )
    def test_addresses_lose_what_is_not_for_others(self, address: str, shown: str) -> None:
        assert without_secrets(address) == shown

    def test_it_comes_last(self, reader: MemoryReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        seen = []
        replace_target = FileDraft.replace_target

        def watched(self: FileDraft) -> None:
            seen.append(visible(tmp_path))
            replace_target(self)

        monkeypatch.setattr(FileDraft, "replace_target", watched)
        go(reader, tmp_path / "songs.json")
        assert seen == [[], ["songs.json"]]
        assert visible(tmp_path) == ["songs.json", "songs.json.manifest.json"]

    def test_where_none_can_be_put_nothing_is_published(self, reader: MemoryReader, tmp_path: Path) -> None:
        manifest_of(tmp_path / "songs.json").mkdir()
        with pytest.raises(ConfigError, match="not a file"):
            go(reader, tmp_path / "songs.json")
        assert not (tmp_path / "songs.json").exists()

    def test_one_that_fails_at_the_last_moment_says_that_the_data_is_there(
        self, reader: MemoryReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        replace_target = FileDraft.replace_target

        def failing(self: FileDraft) -> None:
            if visible(tmp_path):
                raise OSError(5, "Input/output error")
            replace_target(self)

        monkeypatch.setattr(FileDraft, "replace_target", failing)
        with pytest.raises(StorageUnavailable) as caught:
            go(reader, tmp_path / "songs.json")
        assert "The data is published" in str(caught.value)
        assert visible(tmp_path) == ["songs.json"]


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


class TestRefusals:
    @pytest.mark.parametrize("left", [{"pending": 1}, {"claimed": 1}])
    def test_require_complete_refuses_before_writing(self, tmp_path: Path, left: dict[str, int]) -> None:
        with pytest.raises(ExportIncomplete) as caught:
            go(MemoryReader([stored(1)], **left), tmp_path / "songs.json", require_complete=True)
        assert caught.value.exit_code == 5
        assert not list(tmp_path.iterdir())

    def test_require_complete_lets_a_complete_ledger_pass(self, reader: MemoryReader, tmp_path: Path) -> None:
        assert go(reader, tmp_path / "songs.json", require_complete=True).complete

    def test_a_name_that_would_mislead_readers(self, reader: MemoryReader, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"export\.compression"):
            go(reader, tmp_path / "songs.json.gz", "none")
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("uri", ["-", "", "ftp://host/songs.json", "s3://bucket", "s3://bucket/", "s3://b/f/"])
    def test_places_that_are_none(self, reader: MemoryReader, uri: str) -> None:
        with pytest.raises(ConfigError):
            export(reader, ExportSettings(uri=uri), ledger_name="harvest.db", now=NOW)  # type: ignore[arg-type]


class TestCheck:
    @pytest.fixture
    def path(self, reader: MemoryReader, tmp_path: Path) -> Path:
        go(reader, tmp_path / "songs.json")
        return tmp_path / "songs.json"

    @pytest.mark.parametrize("compression", ["none", "gzip"])
    def test_a_fresh_export_is_fine(self, reader: MemoryReader, tmp_path: Path, compression: str) -> None:
        go(reader, tmp_path / "songs.json", compression)
        assert check_published(str(tmp_path / "songs.json"), reader, ExportSettings()) == []  # type: ignore[arg-type]

    def check(self, path: Path, reader: MemoryReader) -> str:
        return "\n".join(check_published(str(path), reader, ExportSettings()))  # type: ignore[arg-type]

    def test_it_writes_nothing(self, path: Path, reader: MemoryReader) -> None:
        before = {file.name: file.stat().st_mtime_ns for file in path.parent.iterdir()}
        self.check(path, reader)
        assert {file.name: file.stat().st_mtime_ns for file in path.parent.iterdir()} == before

    def test_no_manifest(self, path: Path, reader: MemoryReader) -> None:
        manifest_of(path).unlink()
        assert "There is no manifest" in self.check(path, reader)

    def test_no_file(self, path: Path, reader: MemoryReader) -> None:
        path.unlink()
        with pytest.raises(ConfigError, match="no file"):
            self.check(path, reader)

    @pytest.mark.parametrize("text", [b"", b"{}", b"[1]", b'{"file": 3}', b"\xff", b" " * (1 << 21)])
    def test_a_manifest_that_is_none(self, path: Path, reader: MemoryReader, text: bytes) -> None:
        manifest_of(path).write_bytes(text)
        assert "manifest" in self.check(path, reader)

    def test_a_manifest_without_a_time_zone(self, path: Path, reader: MemoryReader) -> None:
        manifest_of(path).write_bytes(manifest_of(path).read_bytes().replace(b":00Z", b":00"))
        assert "time zone" in self.check(path, reader)

    def test_a_cut_file(self, path: Path, reader: MemoryReader) -> None:
        path.write_bytes(path.read_bytes()[:-1])
        assert "bytes, its manifest says" in self.check(path, reader)

    def test_a_changed_byte(self, path: Path, reader: MemoryReader) -> None:
        path.write_bytes(path.read_bytes().replace(b"video001", b"video009"))
        assert "is not the file that its manifest speaks of" in self.check(path, reader)

    def test_a_new_file_beside_the_manifest_of_the_one_before(self, path: Path, reader: MemoryReader) -> None:
        old = manifest_of(path).read_bytes()
        reader.stored.append(stored(5))
        go(reader, path)
        manifest_of(path).write_bytes(old)
        assert "cut off before its manifest" in self.check(path, reader)

    def test_a_format_that_this_version_does_not_know(self, path: Path, reader: MemoryReader) -> None:
        manifest = replace(from_json(manifest_of(path).read_bytes()), format="avro")
        manifest_of(path).write_bytes(to_json(manifest))
        assert "avro" in self.check(path, reader)

    def test_complete_that_contradicts_the_counts(self, path: Path, reader: MemoryReader) -> None:
        manifest_of(path).write_bytes(manifest_of(path).read_bytes().replace(b"true", b"false"))
        assert "contradicts" in self.check(path, reader)

    def test_a_ledger_that_lost_a_response(self, path: Path, reader: MemoryReader) -> None:
        reader.stored.pop()
        assert "made of 4 responses, the ledger holds 3" in self.check(path, reader)

    def test_a_ledger_whose_bodies_were_changed(self, path: Path, reader: MemoryReader) -> None:
        reader.stored[0] = stored(1, body_text(1).replace(b"title", b"other"))
        assert "gives other bytes" in self.check(path, reader)

    def test_a_ledger_that_fetched_other_ids(self, path: Path, reader: MemoryReader) -> None:
        reader.stored[0] = stored(1, body_text(1).replace(b"001", b"009"))
        assert "published ids are not the ledger's fetched ids" in self.check(path, reader)

    def test_a_ledger_that_is_damaged(self, path: Path, reader: MemoryReader) -> None:
        reader.stored[0] = damaged(reader.stored[0], sha256=bytes(32))
        assert "call 1 is damaged" in self.check(path, reader)

    def test_a_ledger_that_moved_on_is_no_fault(self, path: Path, reader: MemoryReader) -> None:
        reader.stored.append(stored(5))
        reader.videos[VideoState.FETCHED] += 2
        assert self.check(path, reader) == ""

    def test_a_refreshed_response_is_no_fault(self, path: Path, reader: MemoryReader) -> None:
        fresh = stored(9, body_text(1).replace(b"001", b"002"))
        reader.stored[0] = fresh._replace(fetched_at=NOW + timedelta(days=25))
        assert self.check(path, reader) == ""

    def test_a_moved_ledger_does_not_excuse_the_file(self, path: Path, reader: MemoryReader) -> None:
        reader.videos[VideoState.FETCHED] += 2
        path.write_bytes(b"[]\n")
        assert "is not the file" in self.check(path, reader)


def test_a_full_disk_is_worth_another_try(
    reader: MemoryReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go(reader, tmp_path / "songs.json")
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    class FullDisk(io.FileIO):
        def write(self, data: Any, /) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("harvester.export.storage.local_draft.os.fdopen", lambda fd, *_, **__: FullDisk(fd, "wb"))
    with pytest.raises(StorageUnavailable, match="No space left") as caught:
        go(reader, tmp_path / "songs.json")
    assert caught.value.exit_code == 4
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
