"""Well-formed, distinct video ids."""

import base64
import re
from collections.abc import Iterator

WELL_FORMED = re.compile(r"[A-Za-z0-9_-]{11}", re.ASCII)

_MASK = (1 << 64) - 1
_NUMBER_LIKE = re.compile(rb"-?[0-9]+(E[0-9]+)?")
_NUMBER_LIKE_EVERY = 500
_NUMBERS = 3 * 10**9


def make_ids(seed: int, count: int, start: int = 0) -> Iterator[str]:
    """Yield `count` distinct video ids of this seed, from the `start`-th on.

    The same seed always gives the same sequence. One in 500 looks like a number to a spreadsheet
    (leading zero, minus sign, exponent); one in 32 begins with `-` or `_`.
    """
    for index in range(start, start + count):
        if index % _NUMBER_LIKE_EVERY == _NUMBER_LIKE_EVERY - 1:
            yield _number_like(seed, index // _NUMBER_LIKE_EVERY)
        else:
            yield _ordinary(seed, index)


def _ordinary(seed: int, index: int) -> str:
    # 64 bits are exactly ten characters and the sixteen that YouTube ends an id with, so a bijection
    # of the counter never repeats; mixing again steps over the number-like ids and keeps it one.
    value = _mix(index, seed)
    while _NUMBER_LIKE.fullmatch(encoded := base64.urlsafe_b64encode(value.to_bytes(8, "big"))[:11]):
        value = _mix(value, seed)
    return encoded.decode()


def _mix(value: int, seed: int) -> int:
    """Shuffle 64-bit integers by xor-shifts and odd multiplications, which are invertible."""
    value = (value + seed * 0x9E3779B97F4A7C15 + 0x632BE59BD9B4E019) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


def _number_like(seed: int, index: int) -> str:
    # the multiplier shares no factor with 3e9, so no value comes twice
    value = (index * 1_234_567_891 + seed * 7_919) % _NUMBERS
    digits, last = f"{value // 3:09d}", "048"[value % 3]
    match index % 3:
        case 0:
            return f"0{digits}{last}"
        case 1:
            return f"-{digits}{last}"
        case _:
            return f"{digits[:7]}E{digits[7:]}{last}"
