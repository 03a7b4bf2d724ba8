"""How texts with a NUL are stored, which PostgreSQL cannot hold: no id has one, but an invalid text may."""

from __future__ import annotations

# A NUL is written as this character and a 0, and the character itself as twice that.
_ESCAPE = "\U0010fffd"


def escaped(text: str) -> str:
    """The text in the form in which it is stored."""
    if "\0" not in text and _ESCAPE not in text:
        return text
    return text.replace(_ESCAPE, 2 * _ESCAPE).replace("\0", f"{_ESCAPE}0")


def unescaped(text: str) -> str:
    """The text that is stored in the form of `escaped`."""
    if _ESCAPE not in text:
        return text
    return _ESCAPE.join(part.replace(f"{_ESCAPE}0", "\0") for part in text.split(2 * _ESCAPE))
