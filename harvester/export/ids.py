"""The ids in a published file, read back as the people downstream would."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, TextIO, cast

import msgspec
from isal import igzip

from harvester.errors import HarvesterError

_STEP_CHARACTERS = 1 << 20


class Unreadable(ValueError):
    """The file is not of its format; the text says why."""


# Inside a text its quotes would be escaped.
_KIND = '"youtube#videoListResponse"'


class _Item(msgspec.Struct):
    id: str


class _Page(msgspec.Struct):
    items: list[_Item]


_page = msgspec.json.Decoder(_Page)


def ids_in(file: BinaryIO, name: str, compression: str) -> Iterator[str]:
    """Every video's id, in the order of the file; memory does not grow with it. Raises Unreadable."""
    try:
        yield from _READERS[name](_unpacked(file, compression))
    except (Unreadable, HarvesterError):
        raise
    except Exception as error:  # zlib's, zstandard's and Arrow's errors have no base in common
        raise Unreadable(str(error) or type(error).__name__) from error


def _unpacked(file: BinaryIO, compression: str) -> BinaryIO:
    if compression == "gzip":
        return cast(BinaryIO, igzip.GzipFile(fileobj=file))  # type: ignore[no-untyped-call]
    if compression == "zstd":
        import zstandard

        return io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(file, closefd=False), _STEP_CHARACTERS)
    return file


def _of_json(file: BinaryIO) -> Iterator[str]:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    try:
        for ids in _array_entries(text):
            yield from ids
    finally:
        text.detach()  # the file is closed by who opened it


def _id_of(item: Any) -> str:
    if not isinstance(item, dict) or not isinstance(item.get("id"), str):
        raise Unreadable("a video in it has no id")
    video_id: str = item["id"]
    return video_id


def _array_entries(text: TextIO) -> Iterator[list[str]]:
    """The ids of each entry of a JSON array, one by one: parsers read whole documents only."""
    decoder = json.JSONDecoder()
    held = text.read(_STEP_CHARACTERS)
    if not held.startswith("["):
        raise Unreadable("it is no JSON array")
    place, separator = 1, ""
    while True:
        held, place = _at_least(text, held, place, 2)
        if held[place : place + 1] == "]":
            break
        if separator and held[place : place + 1] != ",":
            raise Unreadable("its entries are not separated by commas")
        place += len(separator)
        separator = ","
        quick = _quick_entry(held, place)
        if quick is None and (more := text.read(_STEP_CHARACTERS)):
            held, place = held[place:] + more, 0
            quick = _quick_entry(held, place)
        if quick is not None:
            ids, place = quick
        else:
            entry, held, place = _entry(decoder, text, held, place)
            ids = [_id_of(item) for item in entry["items"]]
        yield ids
    if held[place + 1 :].strip() or text.read(1).strip():
        raise Unreadable("something stands after its end")


def _quick_entry(held: str, place: int) -> tuple[list[str], int] | None:
    """The ids of the entry that begins at `place`, and its end, where that of the next is in sight.

    It ends before the comma in front of the next. That is a guess until it was parsed: no object is the beginning of a
    longer one.
    """
    own = held.find(_KIND, place)
    following = held.find(_KIND, own + 1) if own >= 0 else -1
    end = held.rfind(",", place, held.rfind("{", place, following)) if following >= 0 else -1
    if end < 0:
        return None
    try:
        page = _page.decode(held[place:end])
    except msgspec.DecodeError:
        return None
    return [item.id for item in page.items], end


def _entry(decoder: json.JSONDecoder, text: TextIO, held: str, place: int) -> tuple[Any, str, int]:
    """The entry that begins at `place`, with as much more of the text as it needs."""
    step = _STEP_CHARACTERS
    while True:
        try:
            entry, place = decoder.raw_decode(held, place)
            return entry, held, place
        except ValueError:
            more = text.read(step)
            if not more:
                raise
            held, place = held[place:] + more, 0
            # Each try begins anew: twice as much each time, so that all tries together cost twice the last one.
            step *= 2


def _at_least(text: TextIO, held: str, place: int, characters: int) -> tuple[str, int]:
    if len(held) - place >= characters:
        return held, place
    return held[place:] + text.read(_STEP_CHARACTERS), 0


def _of_jsonl(file: BinaryIO) -> Iterator[str]:
    decoder = msgspec.json.Decoder(_Item)
    for line in file:
        if not line.endswith(b"\n"):
            raise Unreadable("its last line is cut")
        yield decoder.decode(line).id


def _of_parquet(file: BinaryIO) -> Iterator[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(file, pre_buffer=False) as table:
        for batch in table.iter_batches(columns=["id"]):
            if not batch.num_columns or not pa.types.is_string(batch.schema.field(0).type):
                raise Unreadable("it has no column of ids")
            for video_id in batch.column(0).to_pylist():
                if video_id is None:
                    raise Unreadable("a video in it has no id")
                yield video_id


_READERS: dict[str, Callable[[BinaryIO], Iterator[str]]] = {
    "json": _of_json,
    "jsonl": _of_jsonl,
    "parquet": _of_parquet,
}
