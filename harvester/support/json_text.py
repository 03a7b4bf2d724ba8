"""Parse JSON texts that hold lone surrogates, which some parsers refuse. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# Every escape of a JSON text, so that none is found within another; of surrogates, pairs first.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


def without_lone_surrogates(text: bytes) -> bytes:
    """Replace each escape of a lone surrogate in a JSON text, such as a cut emoji's `\\ud83d`, by U+FFFD.

    RFC 8259 allows them; Python, jq and JavaScript read them; simdjson, msgspec and Arrow refuse the whole text.
    """
    return _ESCAPE.sub(lambda escape: b"\\ufffd" if escape["lone"] else escape[0], text)


def parse_text(parse: Callable[..., T], *texts: bytes) -> T:
    """Parse JSON texts by `parse`, and again without lone surrogates if it refuses them.

    Raises what `parse` raises: ValueError or RecursionError for invalid JSON.
    """
    try:
        return parse(*texts)
    except (ValueError, RecursionError):
        fixed = tuple(map(without_lone_surrogates, texts))
        if fixed == texts:
            raise
        return parse(*fixed)
