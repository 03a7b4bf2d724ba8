"""Reading bodies without trusting their size."""

from __future__ import annotations

import gzip
import hashlib
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.model import Body
from harvester.support.gzip_body import MAX_MEMBERS, BodyError, decompress, unpack


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=5))
def test_members_end_to_end_are_one_body(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    assert decompress(b"".join(gzip.compress(piece) for piece in pieces), "gzip", len(whole)) == whole


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=5))
def test_what_was_unpacked_before_is_unpacked_again(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    members = b"".join(gzip.compress(piece) for piece in pieces)
    assert unpack(members, "gzip", len(whole)) == whole == unpack(whole, "identity", len(whole))
    for broken in (members[:-1], members + b"x"):
        with pytest.raises(BodyError):
            unpack(broken, "gzip", len(whole) + 1)


def test_a_trailer_that_lies_is_not_believed() -> None:
    raw = b'{"items": []}' * 20
    data = gzip.compress(raw)
    for reported in (0, len(raw) - 1, len(raw) + 1, 2**32 - 1):
        with pytest.raises(BodyError):
            decompress(data[:-4] + reported.to_bytes(4, "little"), "gzip", 10_000)


def test_two_members_of_one_length_are_both_read() -> None:
    one, two = (gzip.compress(piece) for piece in (b"[1,2]", b"[3,4]"))
    assert decompress(one + two, "gzip", 100) == b"[1,2][3,4]"
    assert decompress(one + one, "gzip", 100) == b"[1,2][1,2]"


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_a_body_over_the_bound_is_refused(encoding: str) -> None:
    body = b"x" * 1001
    data = gzip.compress(body) if encoding == "gzip" else body
    assert decompress(data, encoding, 1001) == body
    with pytest.raises(BodyError) as refusal:
        decompress(data, encoding, 1000)
    assert refusal.value.reason == "body_too_large"


def test_a_compressed_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = gzip.compress(b"\0" * 200_000_000, 1)
    tracemalloc.start()
    try:
        with pytest.raises(BodyError):
            decompress(bomb, "gzip", 1_000_000)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_a_cut_body_and_a_broken_one_are_told_apart() -> None:
    data = gzip.compress(b"hello" * 100)
    for broken, reason in ((data[:-9], "cut_body"), (b"no gzip", "bad_gzip"), (data + b"rest", "bad_gzip")):
        with pytest.raises(BodyError) as refusal:
            decompress(broken, "gzip", 10_000)
        assert refusal.value.reason == reason


def test_a_body_of_countless_members_is_refused() -> None:
    member = gzip.compress(b"")
    assert decompress(member * MAX_MEMBERS, "gzip", 10) == b""
    with pytest.raises(BodyError, match="members"):
        decompress(member * 100_000, "gzip", 10)


def test_a_stored_body_is_given_back_only_whole() -> None:
    raw = b'{"items": []}'
    data = gzip.compress(raw)
    body = Body(data, "gzip", len(raw), hashlib.sha256(data).digest(), 0)
    assert body.raw() == raw
    damaged = Body(data[:-1] + b"\1", "gzip", len(raw), body.sha256, 0)
    with pytest.raises(BodyError, match="checksum"):
        damaged.raw()
    short = Body(data, "gzip", len(raw) + 1, body.sha256, 0)
    with pytest.raises(BodyError, match="bytes long"):
        short.raw()
