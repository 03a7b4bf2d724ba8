"""Files that a command is told to write: whole or not at all, and a sentence where that can't be done."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def write_whole(path: Path, data: bytes) -> None:
    """Put it in place of what was there. Raises ConfigError, or OutsideError where the disk is full or fails."""
    from harvester.errors import ConfigError, OutsideError
    from harvester.files import replace_file
    from harvester.text import shown

    try:
        replace_file(path, data)
    except OSError as error:
        what = f"{shown(str(path))} can't be written: {error.strerror}."
        state = "What stands there is whole, if perhaps the old one; the ledger was only read."
        if error.errno in _FULL:
            raise OutsideError(what, state=state, next_step="Make room on the disk, then run it again.") from None
        raise ConfigError(what, state=state, next_step="Name a file in a folder that this user may write to.") from None
