"""What is published is exact: every video field by field, and nothing of it lost."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from memory_reader import MemoryReader
from published import EVERY_FORMAT, FETCHED_AT, files_of, page_of, pages_of, publish, reader_of, some_parts, unpacked
from reference import FIELDS, expected, parsed, plain_row, restored, typed, types

from harvester.config import ExportSettings
from harvester.export import check_published

Row = dict[str, Any]
IN_PARTS = pytest.mark.parametrize("in_parts", [False, True], ids=["file", "parts"])


def rows_of(place: Path) -> list[Row]:
    return [row for file in files_of(place) for row in pq.ParquetFile(file).read().to_pylist()]


def split_row(row: Row) -> tuple[Row, Row]:
    """The columns of the video that are not null, and its leftovers."""
    assert row.pop("fetched_at") == FETCHED_AT
    other = row.pop("other_json")
    return plain_row(row), parsed(other) if other is not None else {}


class TestParquet:
    @IN_PARTS
    def test_every_column_of_every_video(
        self, reader: MemoryReader, videos: list[bytes], tmp_path: Path, in_parts: bool
    ) -> None:
        rows = rows_of(
            publish(reader, tmp_path, "parquet", part_bytes=some_parts(reader, "parquet") if in_parts else None)
        )
        assert len(rows) == len(videos)
        for raw, row in zip(videos, rows, strict=True):
            assert split_row(row) == expected(raw), raw[:300]

    def test_columns_and_leftovers_put_together_are_the_video(
        self, reader: MemoryReader, videos: list[bytes], tmp_path: Path
    ) -> None:
        for raw, row in zip(videos, rows_of(publish(reader, tmp_path, "parquet")), strict=True):
            assert typed(restored(*split_row(row))) == typed(parsed(raw)), raw[:300]

    def test_the_types(self, reader: MemoryReader, tmp_path: Path) -> None:
        schema = pq.read_schema(publish(reader, tmp_path, "parquet"))
        found = {field.name: field.type for field in schema}
        assert found.pop("contentDetails_duration") == pa.int64()
        assert found.pop("contentDetails_duration_iso") == pa.string()
        assert found.pop("other_json") == pa.string()
        assert found.pop("fetched_at") == pa.timestamp("us", tz="UTC")
        wanted = types()
        del wanted["contentDetails_duration"]
        assert found == wanted

    def test_every_part_has_the_same_columns(self, real_videos: list[bytes], tmp_path: Path) -> None:
        reader = reader_of(pages_of(real_videos))
        files = files_of(publish(reader, tmp_path, "parquet", part_bytes=some_parts(reader, "parquet")))
        assert len(files) > 1
        assert len({pq.read_schema(file).to_string() for file in files}) == 1

    def test_leftovers_are_as_they_were_sent(self, tmp_path: Path) -> None:
        odd = b'{"a" :1.10, "b": [ 1E5,-0 ,"\\u00e9\\/"]}'
        rows = rows_of(publish(reader_of([page_of([b'{"id": "x", "odd": %s}' % odd])]), tmp_path, "parquet"))
        assert rows[0]["other_json"].encode() == b'{"odd":%s}' % odd

    def test_depth_is_no_matter(self, tmp_path: Path) -> None:
        deep = b'{"id": "deep", "x": %b1%b, "snippet": {"title": %b%b}}' % (
            b'{"a":' * 400,
            b"}" * 400,
            b"[" * 400,
            b"]" * 400,
        )
        reader = reader_of([page_of([deep])])
        [row] = rows_of(publish(reader, tmp_path, "parquet"))
        assert split_row(row) == expected(deep)
        assert publish(reader, tmp_path, "jsonl").read_bytes() == deep + b"\n"


class TestJson:
    @pytest.mark.parametrize("packing", ["none", "gzip", "zstd"])
    @IN_PARTS
    def test_lines_are_the_resources_byte_for_byte(
        self, reader: MemoryReader, videos: list[bytes], tmp_path: Path, packing: str, in_parts: bool
    ) -> None:
        place = publish(reader, tmp_path, "jsonl", packing, some_parts(reader, "jsonl", packing) if in_parts else None)
        assert b"".join(map(unpacked, files_of(place))) == b"".join(video + b"\n" for video in videos)

    @pytest.mark.parametrize("packing", ["none", "gzip", "zstd"])
    def test_the_array_holds_the_bodies_verbatim(
        self, reader: MemoryReader, pages: list[bytes], tmp_path: Path, packing: str
    ) -> None:
        [file] = files_of(publish(reader, tmp_path, "json", packing))
        assert unpacked(file) == b"[" + b",".join(pages) + b"]\n"

    @pytest.mark.parametrize("packing", ["none", "gzip", "zstd"])
    def test_parts_are_arrays_of_the_bodies(
        self, reader: MemoryReader, pages: list[bytes], tmp_path: Path, packing: str
    ) -> None:
        bodies = [
            unpacked(file)
            for file in files_of(publish(reader, tmp_path, "json", packing, some_parts(reader, "json", packing)))
        ]
        assert len(bodies) > 1
        assert all(body[:1] == b"[" and body[-2:] == b"]\n" for body in bodies)
        assert b",".join(body[1:-2] for body in bodies) == b",".join(pages)

    @pytest.mark.parametrize("breaks", ["\n", "\r\n"])
    def test_a_resource_over_several_lines_becomes_one(self, videos: list[bytes], tmp_path: Path, breaks: str) -> None:
        # Python would write 1E400 as Infinity.
        some = [video for video in videos if b"1E400" not in video and b"1e400" not in video][:100]
        broken = [json.dumps(json.loads(raw), indent=2, ensure_ascii=False).replace("\n", breaks) for raw in some]
        place = publish(reader_of(pages_of([text.encode() for text in broken])), tmp_path, "jsonl")
        lines = place.read_bytes().split(b"\n")
        assert lines.pop() == b""
        for line, raw in zip(lines, some, strict=True):
            assert line.decode() == json.dumps(json.loads(raw), ensure_ascii=False, separators=(",", ":"))


@pytest.mark.parametrize(("name", "packing"), EVERY_FORMAT)
@IN_PARTS
def test_exports_repeat_byte_for_byte(
    real_videos: list[bytes], tmp_path: Path, name: str, packing: str, in_parts: bool
) -> None:
    reader = reader_of(pages_of(real_videos[:400]))
    exports = []
    for folder in (tmp_path / "first", tmp_path / "second"):
        folder.mkdir()
        publish(reader, folder, name, packing, some_parts(reader, name, packing) if in_parts else None)
        exports.append(
            {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*.*") if file.is_file()}
        )
    assert exports[0] == exports[1]


@pytest.mark.parametrize("odd", [rb"\ud83d", rb"\udc00\ud800", rb"\uD83Dx", rb"\ud83d\ud83d\ude00", rb"\\\udfff"])
@pytest.mark.parametrize(("name", "packing"), EVERY_FORMAT)
def test_half_a_character_is_as_it_came_or_a_replacement(tmp_path: Path, odd: bytes, name: str, packing: str) -> None:
    """As it came in json, which is the bodies; U+FFFD where others' readers would refuse the whole file."""
    video = b'{"id": "y", "etag": "%b", "snippet": {"title": "%b"}, "new": ["%b"]}' % (odd, odd, odd)
    neighbour = rb'{"id": "x", "snippet": {"title": "caf\u00e9 \\ud83d \ud83d\ude00"}}'
    page = page_of([neighbour, video])
    reader = reader_of([page_of([b'{"id": "w"}']), page])
    place = publish(reader, tmp_path, name, packing)
    assert check_published(str(place), reader, ExportSettings()) == []  # type: ignore[arg-type]
    title = json.loads(b'"%b"' % odd).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if name == "json":
        assert page in unpacked(place)
        return
    if name == "jsonl":
        lines = unpacked(place).splitlines()
        assert lines[1] == neighbour
        assert json.loads(lines[2]) == {"id": "y", "etag": title, "snippet": {"title": title}, "new": [title]}
        return
    if name == "csv":
        rows = list(csv.DictReader(io.StringIO(unpacked(place).decode(), newline="")))
    else:
        rows = rows_of(place)
    assert rows[1]["snippet_title"] == "café \\ud83d 😀"
    assert (rows[2]["etag"], rows[2]["snippet_title"], json.loads(rows[2]["other_json"])) == (
        title,
        title,
        {"new": [title]},
    )


def _paths(fields: Row, above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for name, kind in fields.items():
        inner = kind if isinstance(kind, dict) else getattr(kind, "fields", None)
        found += [(*above, name), *(_paths(inner, (*above, name)) if inner else [])]
    return found


# Lone surrogates are no text; the rest of Unicode is. Fractions are left out: they come from the hostile videos.
_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ["12", "9223372036854775808", "true", "null", "2020-05-06T07:08:09Z", "2020-05-06T07:08:09.1234567+01:00", "PT1M"]
)
_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**66), 2**66) | _text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3),
    max_leaves=6,
)
_known_path = st.sampled_from([path for path in _paths(FIELDS) if path != ("id",)])
_unknown_path = st.tuples(st.sampled_from(["snippet", "x", "localizations", "statistics"]), _text.filter(bool))
_places = st.lists(st.tuples(_known_path | _unknown_path, _json), max_size=5)


def _placed(video: Row, path: tuple[str, ...], value: Any) -> None:
    for name in path[:-1]:
        inner = video.get(name)
        video = inner if isinstance(inner, dict) else video.setdefault(name, {}) if inner is None else {}
    video[path[-1]] = value


@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_places, min_size=8, max_size=16))
def test_nothing_is_lost_of_any_json_at_any_place(tmp_path: Path, wild: list[Any]) -> None:
    sources = []
    for number, places in enumerate(wild):
        video: Row = {"id": f"wild{number}"}
        for path, value in places:
            _placed(video, path, value)
        video["id"] = f"wild{number}"
        sources.append(json.dumps(video).encode())
    for raw, row in zip(sources, rows_of(publish(reader_of([page_of(sources)]), tmp_path, "parquet")), strict=True):
        columns, rest = split_row(row)
        assert (columns, rest) == expected(raw)
        assert typed(restored(columns, rest)) == typed(parsed(raw))
