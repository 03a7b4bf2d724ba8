"""Make texts from outside safe to show; format counts; suggest names. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

# Cc: terminal escapes and newlines. Cf: bidi marks and other invisible characters. Cs, Co, Cn: nothing to see.
_UNSHOWABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Direction marks and overrides: shown as escapes, because they make a name misleading.
_REORDERING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_MAX_LINE_CHARS = 2000
_FEW_CHARACTERS = 2
# `user:password@`, with a scheme before it or without, and `token@` after one.
_USER_IN_ADDRESS = re.compile(r"(?<=://)[^\s/?#@'\"]+@|[^\s/:@'\"]+:[^\s/:@'\"]+@")


_PLURALS = {"is": "are", "was": "were", "has": "have", "holds": "hold", "stays": "stay", "shows": "show"}


def count(number: int, noun: str, verb: str = "") -> str:
    """`1 call`, `2 calls`; with a verb, which is given as of one: `1 call is`, `2 calls are`."""
    plural = "es" if noun.endswith("s") else "s"
    words = f"{number:,} {noun}{'' if number == 1 else plural}"
    return f"{words} {agree(number, verb)}" if verb else words


def agree(number: int, verb: str) -> str:
    """`is` of one, `are` of any other number."""
    return verb if number == 1 else _PLURALS[verb]


def is_unicode(text: str) -> bool:
    """Whether the text can be written as UTF-8: a lone surrogate stands for a byte of an argument that could not."""
    return not any("\ud800" <= char <= "\udfff" for char in text)


def shown(text: str, max_chars: int = 300) -> str:
    """Return one line of at most `max_chars` characters without control or direction characters."""
    plain = "".join(_plain(char) for char in text[: 2 * max_chars])
    line = " ".join(plain.split())
    return line if len(line) <= max_chars else line[: max_chars - 1] + "…"


def escaped(text: str, max_chars: int) -> str:
    """Return the text in quotes, with escapes for invisible characters, and for one or two characters among ASCII."""
    cut = text if len(text) <= max_chars else text[: max_chars - 1] + "…"
    hidden = sum(not char.isascii() for char in text) <= _FEW_CHARACTERS and " " not in text
    return ascii(text) if hidden and cut == text else repr(cut)


def _plain(char: str) -> str:
    if char in _REORDERING or "\ud800" <= char <= "\udfff":
        return char.encode("ascii", "backslashreplace").decode()
    return " " if unicodedata.category(char) in _UNSHOWABLE else char


def shown_lines(text: str) -> str:
    """The same, keeping lines and indentation, for errors and tracebacks."""
    lines = text.split("\n")
    return "\n".join(" " * (len(line) - len(line.lstrip(" "))) + shown(line, _MAX_LINE_CHARS) for line in lines)


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """Return the text without these values, and without what is before the `@` of an address."""
    for secret in secrets:
        text = text.replace(secret, "[hidden]")
    return _USER_IN_ADDRESS.sub("[hidden]@", text)


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """` Did you mean 'song'?`, with the known name nearest to the wrong one; empty where none is near.

    Case is ignored.
    """
    import difflib  # for errors only

    names = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(wrong.casefold(), names, n=1)
    return f" Did you mean {escaped(names[near[0]], 100)}?" if near else ""
