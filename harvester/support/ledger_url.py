"""What the address of a ledger or a source says, and how it is shown: without user and password. Pure."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from harvester.errors import ConfigError
from harvester.support.sanitize import shown

_SQLITE = "sqlite:///"
_SERVER = re.compile(
    r"""postgres(ql)?://
    ([^\s:@/?\#]* (:[^\s:@/?\#]*)? @)?       # user and password
    [\w.\-:,%\[\]]*                          # hosts and ports
    (/[^\s@/?\#]*)?                          # database
    (\?[^\s@\#]*)?                           # libpq's parameters
    """,
    re.VERBOSE | re.ASCII,
)


WANTED = (
    "name a file, as in sqlite:///harvest.db, or a server, as in postgresql://user@host/database, "
    "with %40 for an @ in a password and the like"
)


def is_known(url: str) -> bool:
    """Whether it is one of the addresses below, written so that no part of a password can be taken for another part."""
    if not _SERVER.fullmatch(url):
        return url.startswith(_SQLITE) and url != _SQLITE
    try:
        urlsplit(url)
    except ValueError:  # half a pair of brackets
        return False
    return True


def file_of(url: str) -> Path | None:
    """The file of a SQLite ledger; None where it is on a server."""
    return Path(url.removeprefix(_SQLITE)) if url.startswith(_SQLITE) else None


def name_of(url: str) -> str:
    """For people: a file's name, or server and database."""
    if (file := file_of(url)) is not None:
        return shown(file.name)
    parts = urlsplit(url)
    return shown(f"postgresql://{parts.netloc.rpartition('@')[2]}{parts.path}")


def source_name(uri: str) -> str:
    """A source of ids for people: without user, password and query."""
    if uri == "-":
        return "standard input"
    try:
        parts = urlsplit(uri)
    except ValueError:
        # Where the password would stand in it can't be told.
        scheme, separator, _ = uri.partition("://")
        return shown(f"{scheme}://..." if separator else uri)
    if parts.scheme in ("http", "https"):
        return shown(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}")
    return shown(uri)


def path_of(uri: str) -> Path:
    """What a file:// address names. Raises ConfigError where it is none."""
    try:
        return Path(unquote(urlsplit(uri).path))
    except ValueError as error:
        what = f"{shown(uri)} is no address: {error}."
        raise ConfigError(what, state="Nothing was changed.", next_step="Name the path alone.") from None


def has_password(url: str) -> bool:
    """Whether one stands in it."""
    parts = urlsplit(url)
    return parts.password is not None or "password" in parse_qs(parts.query)
