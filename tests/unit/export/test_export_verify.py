"""The proof of a folder of parts: whatever was done to it, or to its manifest, is said in a sentence."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from crawled_ledger import NOW, crawled_ledger, in_order

from harvester.cli.program import main
from harvester.config import ExportSettings
from harvester.errors import ConfigError
from harvester.export import check_published, export
from harvester.ledger.sqlite.reader import SqliteReader
from harvester.support.progress_callback import Advance

MOST = {"json": 60_000, "jsonl": 60_000, "parquet": 60_000}


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ledger") / "harvest.db"
    crawled_ledger(path, 60, in_order(60, 10))
    return path


@pytest.fixture(scope="module")
def reader(ledger: Path) -> Iterator[SqliteReader]:
    with SqliteReader(ledger) as reader:
        yield reader


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, reader: SqliteReader) -> Path:
    """A folder `jsonl`, `json`, `parquet` and `jsonl.gz` each with its manifest."""
    folder = tmp_path_factory.mktemp("published")
    for name, form, compression in (
        ("json", "json", "none"),
        ("jsonl", "jsonl", "none"),
        ("parquet", "parquet", "none"),
        ("jsonl.gz", "jsonl", "gzip"),
    ):
        chosen: dict[str, Any] = {"format": form, "compression": compression, "max_part_bytes": MOST[form]}
        if compression == "gzip":
            chosen["max_part_bytes"] = 8000
        export(reader, ExportSettings(uri=str(folder / name), **chosen), ledger_name="l", now=NOW)
    return folder


class Folder:
    """A copy of a published folder, to be spoilt."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest = path.with_name(f"{path.name}.manifest.json")

    @property
    def files(self) -> list[Path]:
        return sorted(self.path.iterdir())

    def contents(self) -> dict[str, Any]:
        contents: dict[str, Any] = json.loads(self.manifest.read_bytes())
        return contents

    def say(self, **changes: Any) -> None:
        self.manifest.write_text(json.dumps(self.contents() | changes))

    def forge(self, number: int, data: bytes, videos: int | None = None) -> None:
        """Replace a part, and let the manifest agree with it in all sums."""
        self.files[number].write_bytes(data)
        parts = self.contents()["parts"]
        parts[number] |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        if videos is not None:
            parts[number]["videos"] = videos
        self.say_parts(parts)

    def say_parts(self, parts: list[dict[str, Any]]) -> None:
        sums = {name: sum(part[name] for part in parts) for name in ("bytes", "videos")}
        sha256 = hashlib.sha256(b"".join(bytes.fromhex(part["sha256"]) for part in parts)).hexdigest()
        self.say(parts=parts, sha256=sha256, **sums)


@pytest.fixture
def folder(published: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Folder:
    name = getattr(request, "param", "jsonl")
    shutil.copytree(published / name, tmp_path / name)
    shutil.copy(published / f"{name}.manifest.json", tmp_path)
    assert len(list((tmp_path / name).iterdir())) > 2
    return Folder(tmp_path / name)


every_kind = pytest.mark.parametrize("folder", ["json", "jsonl", "parquet", "jsonl.gz"], indirect=True)


def check(folder: Folder, reader: SqliteReader) -> str:
    return "\n".join(check_published(str(folder.path), reader, ExportSettings()))


@every_kind
def test_as_it_was_published(folder: Folder, reader: SqliteReader) -> None:
    assert check(folder, reader) == ""


def lose(folder: Folder) -> None:
    folder.files[1].unlink()


def change(folder: Folder) -> None:
    data = bytearray(folder.files[1].read_bytes())
    data[len(data) // 2] ^= 1
    folder.files[1].write_bytes(data)


def cut(folder: Folder) -> None:
    folder.files[-1].write_bytes(folder.files[-1].read_bytes()[:-1])


def swap(folder: Folder) -> None:
    first, second = folder.files[:2]
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)


def add(folder: Folder) -> None:
    name = folder.files[0].name.replace("000000000001", "000000000999")
    shutil.copy(folder.files[0], folder.path / name)


SPOILT: list[tuple[Callable[[Folder], None], str]] = [
    (lose, "no file at"),
    (change, "is not the file that its manifest speaks of"),
    (cut, "bytes, its manifest says"),
    (swap, "is not the file that its manifest speaks of"),
    (add, "of which its manifest does not speak"),
]


@every_kind
@pytest.mark.parametrize(("spoil", "sentence"), SPOILT, ids=[spoil.__name__ for spoil, _ in SPOILT])
def test_a_part_that_is_not_what_was_published(
    folder: Folder, reader: SqliteReader, spoil: Callable[[Folder], None], sentence: str
) -> None:
    spoil(folder)
    assert sentence in check(folder, reader)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"bytes": 1}, "sums contradict"),
        ({"videos": 1}, "sums contradict"),
        ({"sha256": "0" * 64}, "sums contradict"),
        ({"sha256": "no hash"}, "is no manifest"),
        ({"videos": -1}, "is no manifest"),
        ({"complete": False}, "contradicts its own counts"),
        ({"responses": 99}, "made of 99 responses, the ledger holds 6"),
        ({"parts": []}, "does not speak"),
        ({"parts": None}, "is a folder, its manifest speaks of one file"),
        ({"parts": [{}]}, "is no manifest"),
        ({"format": "xml"}, "There is no export of 'xml'"),
        ({"format": "parquet"}, "can't be read as parquet"),
        ({"format": "json"}, "can't be read as json"),
        ({"compression": "gzip"}, "can't be read as jsonl"),
        ({"compression": "zstd"}, "can't be read as jsonl"),
    ],
    ids=str,
)
def test_a_manifest_that_was_edited(
    folder: Folder, reader: SqliteReader, changes: dict[str, Any], sentence: str
) -> None:
    folder.say(**changes)
    assert sentence in check(folder, reader)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"file": "../secret"}, "does not name numbered parts"),
        ({"file": "/etc/hostname"}, "does not name numbered parts"),
        ({"file": "part-000000000000.jsonl"}, "does not name numbered parts"),
        ({"sha256": "a" * 63}, "is no manifest"),
        ({"first_position": 2**80}, "is no manifest"),
        ({"last_position": -1}, "is no manifest"),
        ({"first_position": 2**62}, "gives other bytes"),
        ({"last_position": 12}, "gives other bytes"),
    ],
    ids=str,
)
def test_a_part_of_the_manifest_that_was_edited(
    folder: Folder, reader: SqliteReader, changes: dict[str, Any], sentence: str
) -> None:
    parts = folder.contents()["parts"]
    parts[1] |= changes
    folder.say(parts=parts)
    assert sentence in check(folder, reader)


class TestForgedWithItsManifest:
    def test_a_video_published_twice(self, folder: Folder, reader: SqliteReader) -> None:
        lines = folder.files[0].read_bytes().splitlines(keepends=True)
        lines[1] = lines[0]
        folder.forge(0, b"".join(lines))
        assert "not the ledger's fetched ids" in check(folder, reader)

    def test_a_video_left_out(self, folder: Folder, reader: SqliteReader) -> None:
        lines = folder.files[0].read_bytes().splitlines(keepends=True)[1:]
        folder.forge(0, b"".join(lines), videos=len(lines))
        assert "not the ledger's fetched ids" in check(folder, reader)

    def test_a_video_left_out_and_still_counted(self, folder: Folder, reader: SqliteReader) -> None:
        folder.forge(0, b"".join(folder.files[0].read_bytes().splitlines(keepends=True)[1:]))
        assert "videos, its manifest says" in check(folder, reader)

    def test_a_part_left_out(self, folder: Folder, reader: SqliteReader) -> None:
        parts = folder.contents()["parts"]
        folder.files[-1].unlink()
        folder.say_parts(parts[:-1])
        assert "not the ledger's fetched ids" in check(folder, reader)

    @pytest.mark.parametrize("folder", ["jsonl.gz"], indirect=True)
    def test_in_a_compressed_part(self, folder: Folder, reader: SqliteReader) -> None:
        lines = gzip.decompress(folder.files[0].read_bytes()).splitlines(keepends=True)
        folder.forge(0, gzip.compress(b"".join([*lines[1:], lines[1]])))
        assert "not the ledger's fetched ids" in check(folder, reader)

    @pytest.mark.parametrize("folder", ["parquet"], indirect=True)
    def test_in_a_table(self, folder: Folder, reader: SqliteReader) -> None:
        table = pq.read_table(folder.files[0])
        pq.write_table(pa.concat_tables([table.slice(1), table.slice(1, 1)]), folder.files[0])
        folder.forge(0, folder.files[0].read_bytes())
        assert "not the ledger's fetched ids" in check(folder, reader)

    def test_a_title(self, folder: Folder, reader: SqliteReader) -> None:
        folder.forge(0, folder.files[0].read_bytes().replace(b'"title":"', b'"title":"not ', 1))
        assert "gives other bytes" in check(folder, reader)

    @pytest.mark.parametrize(
        "data",
        [
            b"nonsense\n",
            b'{"id": 5}\n',
            b'{"id": null}\n',
            b"[]\n",
            b'{"id": "' + b"\xff" + b'"}\n',
            b'{"id": "no end"}',
            b'{"x":' * 5000 + b"1" + b"}" * 5000 + b"\n",
        ],
        ids=lambda data: repr(data[:20]),
    )
    def test_what_is_no_jsonl(self, folder: Folder, reader: SqliteReader, data: bytes) -> None:
        folder.forge(1, data)
        assert "can't be read as jsonl" in check(folder, reader)

    @pytest.mark.parametrize("folder", ["json"], indirect=True)
    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"{}",
            b"[1]",
            b'[{"items": [5]}]',
            b'[{"items": [{"id": 5}]}]',
            b"[{}]",
            b"[{} {}]",
            b"[{}",
            b"[]]",
            b"[" * 100_000,
            b'["\xff"]',
        ],
        ids=lambda data: repr(data[:30]),
    )
    def test_what_is_no_json(self, folder: Folder, reader: SqliteReader, data: bytes) -> None:
        folder.forge(1, data)
        assert "can't be read as json" in check(folder, reader)

    @pytest.mark.parametrize("folder", ["json"], indirect=True)
    def test_an_id_that_no_encoding_can_spell(self, folder: Folder, reader: SqliteReader) -> None:
        folder.forge(1, b'[{"items": [{"id": "\\ud800"}]}]', videos=1)
        assert "not the ledger's fetched ids" in check(folder, reader)

    @pytest.mark.parametrize("folder", ["jsonl.gz"], indirect=True)
    @pytest.mark.parametrize(
        "spoil",
        [
            lambda data: data[:-30],
            lambda data: data[:200] + b"\xff" * 40 + data[240:],
            lambda data: data[:-8] + bytes(8),
            lambda data: b"no gzip",
        ],
        ids=["cut", "no deflate", "other checksum", "no gzip"],
    )
    def test_what_is_no_gzip(self, folder: Folder, reader: SqliteReader, spoil: Callable[[bytes], bytes]) -> None:
        folder.forge(1, spoil(folder.files[1].read_bytes()))
        assert "can't be read as jsonl" in check(folder, reader)

    @pytest.mark.parametrize("folder", ["parquet"], indirect=True)
    @pytest.mark.parametrize(
        "table",
        [
            pa.table({"other": ["x"]}),
            pa.table({"id": [5]}),
            pa.table({"id": pa.array([None], pa.string())}),
            pa.table({"id": [["x"]]}),
        ],
        ids=["no ids", "numbers", "null", "lists"],
    )
    def test_a_table_without_ids(self, folder: Folder, reader: SqliteReader, table: pa.Table) -> None:
        pq.write_table(table, folder.files[1])
        folder.forge(1, folder.files[1].read_bytes())
        assert "can't be read as parquet" in check(folder, reader)

    @pytest.mark.parametrize("folder", ["parquet"], indirect=True)
    def test_what_is_no_parquet(self, folder: Folder, reader: SqliteReader) -> None:
        for data in (b"", b"PAR1", folder.files[1].read_bytes()[:-5000] + bytes(5000)):
            folder.forge(1, data)
            assert "can't be read as parquet" in check(folder, reader)


def test_one_file_where_the_manifest_speaks_of_a_folder(folder: Folder, reader: SqliteReader) -> None:
    shutil.rmtree(folder.path)
    folder.path.write_bytes(b"")
    assert "is one file, its manifest speaks of a folder" in check(folder, reader)


def test_no_folder_at_all(folder: Folder, reader: SqliteReader) -> None:
    shutil.rmtree(folder.path)
    with pytest.raises(ConfigError, match="no file at") as caught:
        check(folder, reader)
    assert "manifest.json is there" in caught.value.state


def test_no_manifest(folder: Folder, reader: SqliteReader) -> None:
    folder.manifest.unlink()
    assert "There is no manifest" in check(folder, reader)


@every_kind
def test_it_says_how_far_it_is(folder: Folder, reader: SqliteReader) -> None:
    seen: list[Advance] = []
    assert check_published(str(folder.path), reader, ExportSettings(), watch=seen.append) == []
    done, contents = [advance.done for advance in seen], folder.contents()
    assert done == sorted(done)
    assert done[0] < done[len(done) // 2] <= done[-1] == contents["videos"]
    assert {advance.total for advance in seen} == {contents["videos"]}
    assert seen[-1].bytes >= 2 * contents["bytes"] - len(seen)


def test_the_command_ends_with_5(folder: Folder, ledger: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HARVESTER_LEDGER__URL", f"sqlite:///{ledger}")
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(main, ["verify", "--export", "jsonl/"]).exit_code == 0
    swap(folder)
    result = CliRunner().invoke(main, ["verify", "--export", "jsonl"])
    assert (result.exit_code, result.stdout) == (5, "")
    assert f"{folder.files[0].name} is not the file that its manifest speaks of" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_folder_one_stands_in(folder: Folder, reader: SqliteReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.path)
    assert check_published(".", reader, ExportSettings()) == []


@pytest.mark.parametrize("name", ["jsonl", "songs.json", "no/such/folder/songs.json"])
def test_a_name_at_which_nothing_is(ledger: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    monkeypatch.setenv("HARVESTER_LEDGER__URL", f"sqlite:///{ledger}")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["verify", "--export", name])
    assert (result.exit_code, result.stdout) == (3, "")
    assert f"There is no file at {name}" in result.stderr
    assert "balance" not in result.stderr


class TestOfAnotherLedger:
    """As many videos, the same counts: only the ids tell that it is another crawl's."""

    @pytest.fixture
    def other(self, tmp_path: Path) -> Iterator[SqliteReader]:
        crawled_ledger(tmp_path / "other.db", 60, in_order(60, 10), skip=60)
        with SqliteReader(tmp_path / "other.db") as reader:
            yield reader

    @every_kind
    def test_that_stands_where_it_stood(self, folder: Folder, other: SqliteReader) -> None:
        assert "exported from another ledger, 'l'" in check(folder, other)

    def test_that_moved_on(self, folder: Folder, tmp_path: Path) -> None:
        crawled_ledger(tmp_path / "larger.db", 80, in_order(80, 10), skip=60)
        with SqliteReader(tmp_path / "larger.db") as reader:
            assert "exported from another ledger, 'l'" in check(folder, reader)
        crawled_ledger(tmp_path / "later.db", 80, in_order(80, 10))
        with SqliteReader(tmp_path / "later.db") as reader:
            assert check(folder, reader) == ""
