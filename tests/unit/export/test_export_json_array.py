"""The ids of a published JSON array: every form that JSON allows is read, in bounded memory, and nothing else is."""

from __future__ import annotations

import io
import json
import random
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.export import json_array_reader
from harvester.export.json_array_reader import Unreadable, array_entries

KIND = "youtube#videoListResponse"


def ids_of(text: str) -> list[str]:
    return [video_id for ids in array_entries(io.StringIO(text)) for video_id in ids]


def response(*ids: str, **more: Any) -> dict[str, Any]:
    items = [{"kind": "youtube#video", "id": video_id, "snippet": {"title": 'a "},{" b'}} for video_id in ids]
    return {"kind": KIND, "etag": "e", "items": items, "pageInfo": {}} | more


class Spelling:
    """Writes JSON as a seed has it: white space, order of keys, escapes."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.spaces = self.rng.choice(["", " ", "\n", "\r\n", "\t", " \n\t\r"])

    def space(self) -> str:
        return self.spaces if self.rng.random() < 0.5 else ""

    def text(self, text: str) -> str:
        spelled = json.dumps(text, ensure_ascii=self.rng.random() < 0.5)
        if self.rng.random() < 0.3:
            spelled = spelled.replace("/", "\\/").replace("#", "\\u0023").replace("i", "\\u0069")
        return spelled

    def value(self, value: Any) -> str:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            fields = list(value.items())
            self.rng.shuffle(fields)
            inner = [f"{self.text(k)}{self.space()}:{self.space()}{self.value(v)}" for k, v in fields]
            return self.around("{", inner, "}")
        if isinstance(value, list):
            return self.around("[", [self.value(entry) for entry in value], "]")
        return json.dumps(value)

    def around(self, opening: str, inner: list[str], closing: str) -> str:
        parts = f"{self.space()},{self.space()}".join(inner)
        return f"{opening}{self.space()}{parts}{self.space()}{closing}"


PAGES = st.lists(st.lists(st.text(min_size=1, max_size=11), max_size=5), max_size=6)


@settings(deadline=None)
@given(pages=PAGES, seed=st.integers(0, 10**6), step=st.sampled_from([1, 7, 64, 1 << 20]))
def test_every_spelling_of_it_is_read(pages: list[list[str]], seed: int, step: int) -> None:
    spelling = Spelling(seed)
    text = spelling.space() + spelling.value([response(*ids, etag="é😀/" * 3) for ids in pages]) + spelling.space()
    assert json.loads(text) is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_array_reader, "STEP_CHARACTERS", step)
        assert ids_of(text) == [video_id for ids in pages for video_id in ids]


def test_bodies_that_end_in_a_line_break() -> None:
    bodies = [json.dumps(response(f"video-{number}"), indent=2) + "\n" for number in range(50)]
    assert ids_of("[" + ",".join(bodies) + "]\n") == [f"video-{number}" for number in range(50)]


@pytest.mark.parametrize("number", ["9" * 5000, "-0", "1e400", "1" + "0" * 400 + ".5e-5"])
def test_numbers_of_any_length(number: str) -> None:
    text = json.dumps([response("a", n="N"), response("b", n="N")]).replace('"N"', number)
    assert ids_of(text) == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("\ufeff[]", "byte order mark"),
        ("", "no JSON array"),
        ("\xa0[]", "no JSON array"),
        ("[\xa0]", "Expecting value"),
        ("[,]", "Expecting value"),
        ('[{"items":[]},]', "Expecting value"),
        ('[{"items":[]} {"items":[]}]', "separated by commas"),
        ("[]x", "after its end"),
        ("[] []", "after its end"),
        ('[{"items":[]}', "separated by commas"),
        ('[{"items":null}]', "no items"),
        ("[5]", "no items"),
        ('[{"items":[{"id":5}]}]', "no id"),
        ('[{"items":[],"n":NaN}]', "NaN is no JSON"),
        ('[{"items":[],"n":"\n"}]', "control character"),
        ('[{"items":' + "[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_such_array(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        ids_of(text)


def test_what_is_broken_is_not_read_to_its_end() -> None:
    class Text(io.StringIO):
        characters = 0

        def read(self, size: int | None = -1, /) -> str:
            self.characters += size or 0
            return super().read(size)

    text = Text('[{"items": [}' + " " * (8 << 20))
    with pytest.raises(ValueError, match="Expecting value"):
        list(array_entries(text))
    assert text.characters <= 4 << 20


def test_an_entry_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_array_reader, "STEP_CHARACTERS", 1 << 10)
    monkeypatch.setattr(json_array_reader, "MAX_ENTRY_CHARACTERS", 1 << 14)
    text = io.StringIO('[{"etag":"' + "x" * (1 << 20))
    with pytest.raises(ValueError, match="Unterminated string"):
        list(array_entries(text))
    assert text.tell() < 1 << 17


def test_memory_does_not_grow_with_the_file() -> None:
    class Endless(io.TextIOBase):
        """Responses of which the reader sees no kind in front, so that it takes the slow way through all of them."""

        def __init__(self, entries: int) -> None:
            entry = json.dumps({"items": response("x" * 11, etag="e" * 10_000)["items"], "more": "y" * 10_000}) + ",\n"
            self.left = [entry] * entries + ['{"items": []}]']
            self.held = "["

        def read(self, size: int | None = -1, /) -> str:
            assert size
            while len(self.held) < size and self.left:
                self.held += self.left.pop(0)
            text, self.held = self.held[:size], self.held[size:]
            return text

    tracemalloc.start()
    try:
        assert sum(len(ids) for ids in array_entries(Endless(2_000))) == 2_000
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_unreadable_is_a_value_error() -> None:
    assert issubclass(Unreadable, ValueError)
