"""Plain CSV is read by numpy and the rest row by row: what comes out is the same, wherever the one hands over."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harvester.errors import ConfigError
from harvester.simulator import make_ids
from harvester.sources import IdChunk, classify_ids, is_video_id, read_ids
from harvester.sources.classify_ids import Texts, are_known, make_chunk
from harvester.sources.formats import csv_fast, line_blocks
from harvester.sources.header import Header
from harvester.sources.video_id import KNOWN_ID

A, B = "dQw4w9WgXcQ", "-0000000000"
NAMES = ["a", "b", "c"]

FIELDS = st.one_of(
    st.sampled_from([*make_ids(1, 20), A, B, "", "1446336000", "nan"]),
    st.sampled_from(
        [" " * 11, f" {A}", f"{A}\t", "\ufeff" + A, "dQw4w9WgXcB", "\u2028", "é" * 5 + "e", "\x0b\x85", "a\nb", "a\rb"]
    ),
    st.text(st.characters(exclude_characters=',\t;|"\r\n\0', exclude_categories=["Cs"]), max_size=12),
).map(str.encode) | st.binary(max_size=12)
ODDITIES = st.sampled_from(
    [
        b"\n",
        b" \n",
        b"\t\n",
        b"\r\n",
        b"\r",
        b'"',
        b'""',
        b'"x\n,y"',
        b",",
        b"\0",
        b"\xff",
        b"\xef\xbb\xbf",
        b"x,\n",
        b" ",
    ]
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[bytes, Header]:
    """Rows as the header says, and sometimes an oddity among them."""
    width = draw(st.integers(1, 3))
    delimiter = draw(st.sampled_from(",\t;"))
    rows = draw(st.lists(st.lists(FIELDS, min_size=width, max_size=width), max_size=30))
    lines = [delimiter.encode().join(row) + b"\n" for row in rows]
    for _ in range(draw(st.integers(0, 2))):
        lines.insert(draw(st.integers(0, len(lines))), draw(ODDITIES))
    content = b"".join(lines)
    return content.removesuffix(b"\n") if draw(st.booleans()) else content, Header(
        delimiter, width, draw(st.integers(0, width - 1)), 0
    )


def in_blocks(content: bytes, size: int) -> Iterator[bytes]:
    return (content[start : start + size] for start in range(0, len(content), size))


Result = tuple[int, list[str], frozenset[str]] | str


def read_all(read: Iterator[Texts]) -> Result:
    """Rows, distinct ids in first-seen order and the invalid ones, or the error; by one rule from either reader."""
    earlier = set()
    try:
        chunks = [make_chunk(texts, earlier) for texts in read]
    except ConfigError:
        return "broken"
    found = dict.fromkeys(chain.from_iterable(chunk.ids for chunk in chunks))
    return sum(chunk.rows for chunk in chunks), list(found), frozenset().union(*(chunk.invalid for chunk in chunks))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    table=tables(),
    block_bytes=st.sampled_from([1, 7, 64, 4096]),
    piece_bytes=st.sampled_from([1, 16, 40, 200, 1 << 20]),
    chunk_rows=st.sampled_from([1, 2, 5, 1000]),
    every_row=st.booleans(),
)
@example((f"1,{A}\n2,{A}\n\ufeff3,{B}\n4,5,6\n\ufeff7,{A}\n".encode(), Header(",", 2, 0, 0)), 7, 16, 2, False)
@example((f'1,{A}\n\n""'.encode(), Header(",", 2, 1, 0)), 1, 16, 1, False)
@example((f"{A}\n           \n{B}\n".encode(), Header(",", 1, 0, 0)), 4096, 16, 1000, False)
def test_numpy_and_the_reader_of_all_else_agree(
    table: tuple[bytes, Header], block_bytes: int, piece_bytes: int, chunk_rows: int, every_row: bool
) -> None:
    content, header = table
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_blocks, "PIECE_BYTES", piece_bytes)
        blocks = in_blocks(content, block_bytes)
        ours = read_all(csv_fast.plain_texts(blocks, header, "it", chunk_rows, every_row=every_row))
        patch.undo()
        patch.setattr(csv_fast, "find_column", lambda *_: None)
        theirs = read_all(csv_fast.plain_texts(iter([content]), header, "it", chunk_rows, every_row=True))
    assert ours == theirs


def test_texts_are_left_out_only_where_they_may_be() -> None:
    content = f"1,{A}\n2,x\n3,{A}\n4,x\n".encode()

    def texts(every_row: bool) -> list[Texts]:
        return list(csv_fast.plain_texts(iter([content]), Header(",", 2, 1, 0), "it", 1, every_row=every_row))

    assert texts(every_row=True) == [Texts(1, [text]) for text in (A, "x", A, "x")]
    assert texts(every_row=False) == [Texts(1, [A]), Texts(1, ["x"]), Texts(1, []), Texts(1, ["x"])]


def test_a_plain_table_needs_no_pandas(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"1,song\n1,{A}\n2,{B}", encoding="ascii")
    code = (
        "import sys; from harvester.sources import read_ids; "
        "print([chunk.ids for chunk in read_ids('a.csv', column='song')], 'pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert done.stdout == f"[['{A}', '{B}']] False\n"


def test_rows_before_and_after_the_one_that_is_not_plain_are_counted_once() -> None:
    texts = list(make_ids(1, 60_000))
    lines = [f"{number},{text}\n".encode() for number, text in enumerate(texts)]
    lines[50_000] = b'"50,\n000",' + texts[50_000].encode() + b"\n"
    chunks = load(b"n,song\n" + b"".join(lines), chunk_rows=7_000)
    assert sum(chunk.rows for chunk in chunks) == 60_000
    assert list(chain.from_iterable(chunk.ids for chunk in chunks)) == texts


@pytest.mark.parametrize("last", ["3", "3,4", '"3"', "\ufeff3,4"])
def test_a_last_row_that_was_cut_off_is_an_invalid_one(last: str) -> None:
    (chunk,) = load(f"n,m,song\n1,2,{A}\n{last}".encode())
    assert (chunk.rows, chunk.ids, chunk.invalid) == (2, [A, ""], frozenset({""}))


def test_an_error_after_the_handover_counts_the_rows_before_it() -> None:
    lines = b"".join(b"%d,%011d\n" % (number, number) for number in range(200_000))
    with pytest.raises(ConfigError, match=r"after row (1\d\d,\d{3}|200,000) of its data"):
        load(b"n,song\n" + lines + b'1,"open\n')


def test_a_row_longer_than_a_piece() -> None:
    wide = b"w" * (3 * line_blocks.PIECE_BYTES)
    chunks = load(b"x,song\n1,%s\n%s,%s\n2,%s\n" % (A.encode(), wide, B.encode(), A.encode()))
    assert [(chunk.rows, chunk.ids) for chunk in chunks] == [(3, [A, B])]


def test_long_texts_end_a_chunk_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_fast, "CHUNK_CHARACTERS", 1 << 20)
    chunks = load(b"song\n" + b"".join(b"%s%06d\n" % (b"w" * 10_000, number) for number in range(1_000)))
    assert sum(chunk.rows for chunk in chunks) == 1_000
    assert max(chunk.rows for chunk in chunks) <= 310


class TestRecent:
    """Only what came before is held back, however few the slots."""

    @settings(max_examples=50, deadline=None)
    @given(
        pieces=st.lists(
            st.lists(st.sampled_from([*make_ids(1, 30), "\x01" * 11, "aaaaaaaaaaa"]), min_size=1), min_size=1
        ),
        slot_bits=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    )
    def test_nothing_new_is_held_back(self, pieces: list[list[str]], slot_bits: tuple[int, int]) -> None:
        recent = csv_fast.RecentIds(*slot_bits)
        before: set[str] = set()
        for texts in pieces:
            unseen = recent.unseen("".join(texts).encode(), np.arange(len(texts)) * 11).tolist()
            assert {text for number, text in enumerate(texts) if number not in unseen} <= before
            before.update(texts)

    def test_what_came_before_is_held_back(self) -> None:
        texts = list(make_ids(1, 5_000))
        piece, starts = "".join(texts).encode(), np.arange(5_000) * 11
        recent = csv_fast.RecentIds()
        assert recent.unseen(piece, starts).tolist() == list(range(5_000))
        # two that want the same slot at the same moment
        assert len(recent.unseen(piece, starts)) < 5

    def test_texts_that_differ_in_any_one_byte_are_told_apart(self) -> None:
        texts = ["a" * place + "b" + "a" * (10 - place) for place in range(11)]
        recent = csv_fast.RecentIds(1, 1)
        for text in texts:
            assert recent.unseen(text.encode(), np.array([0])).tolist() == [0]
            assert recent.unseen(text.encode(), np.array([0])).tolist() == []


class TestEarlier:
    def test_known_ids_come_once_and_other_texts_again(self) -> None:
        earlier = set()
        first = make_chunk(Texts(4, [A, "no id", B, A]), earlier)
        assert (first.rows, first.ids) == (4, [A, "no id", B])
        second = make_chunk(Texts(4, [B, "no id", f" {A} ", "dQw4w9WgXcB"]), earlier)
        assert second == IdChunk(4, ["no id", "dQw4w9WgXcB"], frozenset({"no id"}), ("dQw4w9WgXcB",))

    def test_its_memory_is_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(classify_ids, "REMEMBERED_IDS", 2)
        earlier = set()
        texts = list(make_ids(1, 3))
        assert make_chunk(Texts(3, texts), earlier).ids == texts
        assert make_chunk(Texts(3, texts), earlier).ids == texts[2:]

    @given(st.lists(st.one_of(st.sampled_from([A, B, f"{A}\n{B}", f"{A}\n", "", "\n", A[:-1], A + "a"]), st.text())))
    def test_known_or_not_in_one_go(self, texts: list[str]) -> None:
        assert are_known(texts) == all(KNOWN_ID.fullmatch(text) and is_video_id(text) for text in texts)


def load(content: bytes, **options: int) -> list[IdChunk]:
    return list(read_ids("-", column="song", stdin=io.BytesIO(content), **options))
