"""Durable, atomic replacement of files."""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Sync a folder's entries to disk: only then is a rename durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def followed(path: Path) -> Path:
    """Resolve a path. Raises OSError for a link that another user made.

    In a folder that others may write to, such a link could have a file written anywhere.
    """
    if path.is_symlink() and path.lstat().st_uid not in (os.geteuid(), 0):
        raise OSError(errno.ELOOP, "it is a link that another user made, which is not followed")
    return Path(os.path.realpath(path))


def replace_file(path: Path, data: bytes) -> None:
    """Replace the content of `path` by `data`, atomically: a reader sees the old file or the new one.

    Of a symbolic link, the target is replaced: see `followed`. Raises OSError, and leaves nothing behind.
    """
    place = followed(path)
    # Hidden and with another suffix, so that readers of the folder ignore a draft.
    draft = place.with_name(f".{place.name}.{secrets.token_hex(6)}.draft")
    try:
        # Readable for others as far as the umask allows: node_exporter and web servers are other users.
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
