"""The channels and playlists that a user names, one by one or in a file."""

from __future__ import annotations

import os.path
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import BinaryIO

from harvester.errors import ConfigError, HarvesterError
from harvester.listing_types import Target
from harvester.sources.listing_address import LOAD, NotATarget, read_target
from harvester.sources.open import open_source
from harvester.support.sanitize import count, escaped

MAX_FILE_BYTES = 16 << 20
"""Some 300,000 channels. A larger file holds something else."""
_EXAMPLES = 5
_SHOWN_CHARACTERS = 100


def read_targets(
    texts: Sequence[str], files: Sequence[str] = (), *, anonymous: bool = False, stdin: BinaryIO | None = None
) -> list[Target]:
    """Return the distinct channels and playlists of `texts`, and of `files`, which have one a line.

    A file is named as those of `harvester load`. Of a table with commas, the first column is read, without its heading.
    Blank lines and lines that begin with `#` are skipped. Raises ConfigError, which names those that are wrong, and
    SourceUnavailable.
    """
    found: dict[Target, None] = {}
    wrong = []
    lines = chain.from_iterable(_lines(file, anonymous, stdin) for file in files)
    named = [*(("", text) for text in texts), *lines]
    for where, text in named:
        try:
            found[read_target(text)] = None
        except NotATarget as error:
            reason = "is a file: name it with --from" if not where and os.path.isfile(text) else error  # noqa: PTH113  (any text)
            wrong.append(f"  {where}{escaped(text, _SHOWN_CHARACTERS)} {reason}")
    if wrong:
        raise _refusal(wrong, len(named))
    if not found:
        raise ConfigError("No channel and no playlist is named in it.", state="Nothing was stored.")
    return list(found)


def _refusal(wrong: Sequence[str], number: int) -> ConfigError:
    more = [f"  and {len(wrong) - _EXAMPLES:,} more"] if len(wrong) > _EXAMPLES else []
    what = "This can't be listed:" if number == 1 else f"{len(wrong):,} of {count(number, 'text')} can't be listed:"
    next_step = "Name channels (@handle, UC…), playlists (PL…) or their addresses: harvester discover @handle"
    if sum(LOAD in line for line in wrong) == number:
        next_step = "Load videos: harvester load FILE"
    return ConfigError("\n".join([what, *wrong[:_EXAMPLES], *more]), state="Nothing was stored.", next_step=next_step)


def _lines(file: str, anonymous: bool, stdin: BinaryIO | None) -> Iterator[tuple[str, str]]:
    """Yield the texts of a file, each with where it stands."""
    try:
        with open_source(file, anonymous=anonymous, stdin=stdin) as source:
            data = source.read(MAX_FILE_BYTES + 1)
            if file != "-":
                source.read(1)  # raises if a download was cut off
    except HarvesterError as error:
        error.state, error.next_step = "Nothing was stored.", _of_discover(error.next_step)
        raise
    if len(data) > MAX_FILE_BYTES:
        what = f"{source.shown} is too long to be a list of channels."
        raise ConfigError(what, state="Nothing was stored.", next_step="Load ids of videos: harvester load FILE")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{source.shown} is no UTF-8 text.", state="Nothing was stored.") from error
    yield from _first_column(source.shown, text.splitlines())


def _of_discover(step: str) -> str:
    """What to do about a file that can't be read, which is told for `harvester load`."""
    if not step or "source.uri" in step:
        return "Name the file: harvester discover --from FILE"
    step = step.replace("harvester load -", "harvester discover --from -")
    return step.replace("harvester load", "harvester discover")


def _first_column(shown: str, lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines, 1):
        cell, comma, _ = line.partition(",")
        if number == 1 and comma and not _is_target(cell):
            continue  # a heading
        if cell.strip() and not cell.lstrip().startswith("#"):
            yield f"{shown}, line {number:,}: ", cell


def _is_target(text: str) -> bool:
    try:
        read_target(text)
    except NotATarget:
        return False
    return True
