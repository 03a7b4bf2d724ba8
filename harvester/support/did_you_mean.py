"""Suggest the known name nearest to a wrong one. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from harvester.support.sanitize import escaped

_MAX_CHARS = 100


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """` Did you mean 'song'?`, with the known name nearest to the wrong one; empty where none is near.

    Case is ignored.
    """
    import difflib  # for errors only

    names = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(wrong.casefold(), names, n=1)
    return f" Did you mean {escaped(names[near[0]], _MAX_CHARS)}?" if near else ""
