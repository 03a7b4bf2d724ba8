"""Write a file that an option names, atomically, with clear errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harvester.errors import DISK_FULL, ConfigError, DestinationRefused, OutsideError
from harvester.protected_files import Protected
from harvester.support.atomic_write import replace_file
from harvester.support.sanitize import shown

_HEAD_BYTES = 1 << 16


def write_whole(path: Path, data: bytes, *, mark: bytes, protected: Protected, force: bool) -> None:
    """Replace the file.

    Raises what `check` raises; ConfigError if it can't be written, OutsideError if the disk is full or fails.
    """
    check(path, mark=mark, protected=protected, force=force)
    with explained(path):
        replace_file(path, data)


def check(path: Path, *, mark: bytes, protected: Protected, force: bool) -> None:
    """Raise DestinationRefused if there is a file without `mark` near its beginning, unless `force`, or if the path is
    protected."""
    protected.refuse(str(path))
    if force:
        return
    head = b""
    with explained(path), suppress(FileNotFoundError), path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head or mark in head:
        return
    raise DestinationRefused(
        f"Can't write to {shown(str(path))}: harvester did not write what stands there.",
        state="Nothing was written.",
        next_step="Choose another place, or add --force to replace it.",
    )


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Translate OSError to an error about that file."""
    try:
        yield
    except OSError as error:
        what = f"{shown(str(path))} can't be written: {error.strerror}."
        state = "What stands there is whole, if perhaps the old one; the ledger was only read."
        if error.errno in DISK_FULL:
            raise OutsideError(what, state=state, next_step="Make room on the disk, then run it again.") from None
        raise ConfigError(what, state=state, next_step="Name a file in a folder that this user may write to.") from None
