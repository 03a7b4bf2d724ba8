"""Durable, atomic replacement of files."""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Put on disk which names the folder holds: a rename is durable only then."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def followed(path: Path) -> Path:
    """Where that path leads. Raises OSError where it is a link that another user made.

    In a folder that others may write to, such a link would have a file made wherever its maker wants one.
    """
    if path.is_symlink() and path.lstat().st_uid not in (os.geteuid(), 0):
        raise OSError(errno.ELOOP, "it is a link that another user made, which is not followed")
    return Path(os.path.realpath(path))


def replace_file(path: Path, data: bytes) -> None:
    """Put `data` in place of what `path` holds, all of it or none: a reader sees the old file or the new one.

    Where `path` is a symbolic link, the file that it leads to is replaced: see `followed`. Raises OSError, and leaves
    nothing behind.
    """
    place = followed(path)
    # Another suffix, and hidden: what reads a folder of such files takes a draft for none.
    draft = place.with_name(f".{place.name}.{secrets.token_hex(6)}.draft")
    try:
        # Others may read it, as far as the umask lets them: node_exporter and web servers are other users.
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(place)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(place.parent)
