"""Texts from outside, made safe to show. Pure."""

from __future__ import annotations

import unicodedata

# Cc: terminal escapes and newlines. Cf: bidi marks and other invisible characters. Cs, Co, Cn: nothing to see.
_UNSHOWABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def shown(text: str, most: int = 300) -> str:
    """One line of at most `most` characters, in which nothing acts on a terminal or reorders what stands beside it."""
    plain = "".join(" " if unicodedata.category(char) in _UNSHOWABLE else char for char in text[: 2 * most])
    line = " ".join(plain.split())
    return line if len(line) <= most else line[: most - 1] + "…"
