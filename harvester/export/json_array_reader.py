"""Read a published JSON array entry by entry: parsers read whole documents only.

msgspec and the standard library parse the entries; this module finds where an entry ends.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn, TextIO

import msgspec

STEP_CHARACTERS = 1 << 20
MAX_ENTRY_CHARACTERS = 1 << 26
"""As many as the largest accepted body has bytes. A longer entry is an error."""

_SPACE = re.compile(r"[ \t\n\r]*")
# Within a string its quotes would be escaped.
_KIND = '"youtube#videoListResponse"'
# If the text so far ends within a token, the decoder's error is at most this far before its end.
_LONGEST_TOKEN = 16


class Unreadable(ValueError):
    """The file is not of its format; the message says why."""


class _Item(msgspec.Struct):
    id: str


class _Page(msgspec.Struct):
    items: list[_Item]


_page = msgspec.json.Decoder(_Page)


def _refuse_constant(name: str) -> NoReturn:
    raise Unreadable(f"{name} is no JSON")


# Python refuses very long integers.
_decoder = json.JSONDecoder(parse_int=float, parse_constant=_refuse_constant)


def array_entries(text: TextIO) -> Iterator[list[str]]:
    """Yield the ids of each response of a JSON array. Raises Unreadable, or what `text` raises.

    White space, order of keys and escapes may be any. Memory: one response, and twice STEP_CHARACTERS.
    """
    window = _Window(text)
    if window.peek() != "[":
        mark = window.peek() == "\ufeff"
        raise Unreadable("it begins with a byte order mark, which is no JSON" if mark else "it is no JSON array")
    window.place += 1
    empty = window.peek() == "]"
    while not empty:
        yield window.entry()
        if window.peek() not in ("]", ","):
            raise Unreadable("its entries are not separated by commas")
        window.place += 1
        if window.held[window.place - 1] == "]":
            break
    window.place += empty
    if window.peek():
        raise Unreadable("something stands after its end")


class _Window:
    """The part of the text in memory, and the position up to which it was read."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self.held = ""
        self.place = 0

    def peek(self) -> str:
        """Return the next character after white space; empty at the end."""
        while True:
            space = _SPACE.match(self.held, self.place)
            self.place = space.end() if space else self.place
            if self.place < len(self.held) or not self._read(STEP_CHARACTERS):
                return self.held[self.place : self.place + 1]

    def entry(self) -> list[str]:
        """Return the ids of the response that begins here."""
        ids = self._quick_entry()
        if ids is None and len(self.held) - self.place < STEP_CHARACTERS and self._read(STEP_CHARACTERS):
            ids = self._quick_entry()
        return self._any_entry() if ids is None else ids

    def _read(self, characters: int) -> bool:
        more = self._text.read(characters)
        self.held, self.place = self.held[self.place :] + more, 0
        return bool(more)

    def _quick_entry(self) -> list[str] | None:
        """Return the ids of the response, if the kind of the next one is in memory.

        It ends before the comma in front of the next one. Parsing confirms this: no object is a prefix of another.
        """
        own = self.held.find(_KIND, self.place)
        following = self.held.find(_KIND, own + 1) if own >= 0 else -1
        end = self.held.rfind(",", self.place, self.held.rfind("{", self.place, following)) if following >= 0 else -1
        if end < 0:
            return None
        try:
            page = _page.decode(self.held[self.place : end])
        except (msgspec.DecodeError, RecursionError):
            return None
        self.place = end
        return [item.id for item in page.items]

    def _any_entry(self) -> list[str]:
        """The same for any response that Python can parse."""
        self.peek()
        step = STEP_CHARACTERS
        while True:
            try:
                entry, self.place = _decoder.raw_decode(self.held, self.place)
                return _ids_of(entry)
            except RecursionError:
                raise Unreadable("it is nested too deeply") from None
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated string") or error.pos > len(self.held) - _LONGEST_TOKEN
                if not cut or len(self.held) - self.place > MAX_ENTRY_CHARACTERS or not self._read(step):
                    raise
                # Each attempt starts again with twice as much, so that all attempts cost twice the last one.
                step *= 2


def _ids_of(entry: Any) -> list[str]:
    items = entry.get("items") if isinstance(entry, dict) else None
    if not isinstance(items, list):
        raise Unreadable("an entry of it has no items")
    ids: list[Any] = [item.get("id") if isinstance(item, dict) else None for item in items]
    if not all(isinstance(video_id, str) for video_id in ids):
        raise Unreadable("a video in it has no id")
    return ids
