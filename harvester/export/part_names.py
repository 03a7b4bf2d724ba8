"""Names of parts, and which files a folder of parts may hold."""

from __future__ import annotations

import re
from collections.abc import Iterable

from harvester.errors import ConfigError
from harvester.model import EVERYTHING, Span
from harvester.support.sanitize import shown

_PART = re.compile(r"part-[0-9]{12}(-[0-9a-f]{16})?\.(json|jsonl|parquet|csv)(\.gz|\.zst)?")
"""Parts of earlier versions have no digest in their names."""


def last_position(span: Span) -> int | None:
    """Return the last position as in a manifest."""
    return span.last if span.last < EVERYTHING.last else None


def part_name(span: Span, inputs: str, suffix: str) -> str:
    """Return the name of a part: its first load position and a digest of its inputs, so that a file of that name never
    changes."""
    return f"part-{span.first:012}-{inputs[:16]}{suffix}"


def is_part(name: str) -> bool:
    """Whether a name is that of a part."""
    return _PART.fullmatch(name) is not None


def refuse_foreign_files(uri: str, names: Iterable[str]) -> None:
    """Raise ConfigError if a folder holds other files: readers take a folder for one table."""
    foreign = next((name for name in names if not is_part(name)), None)
    if foreign is not None:
        raise ConfigError(
            f"Can't export to {shown(uri)}: it holds {shown(foreign, 100)!r}, which is no part of an export.",
            state="Nothing was written.",
            next_step="Choose a folder of its own for the export: --force does not remove other files.",
        )
