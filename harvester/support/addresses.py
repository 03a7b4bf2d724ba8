"""Parse the addresses of ledgers and sources, and show them without user and password. Pure."""

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
    """Whether a URL is one of those below, without a character that would make a part of the password look like
    another part."""
    if not _SERVER.fullmatch(url):
        return url.startswith(_SQLITE) and url != _SQLITE
    try:
        urlsplit(url)
    except ValueError:  # a bracket without its other half
        return False
    return True


def file_of(url: str) -> Path | None:
    """The file of a SQLite ledger; None if the ledger is on a server."""
    return Path(url.removeprefix(_SQLITE)) if url.startswith(_SQLITE) else None


def name_of(url: str) -> str:
    """The ledger's name for people: that of the file, or server and database."""
    if (file := file_of(url)) is not None:
        return shown(file.name)
    parts = urlsplit(url)
    return shown(f"postgresql://{parts.netloc.rpartition('@')[2]}{parts.path}")


def source_name(uri: str) -> str:
    """A source's name for people, without user, password and query."""
    if uri == "-":
        return "standard input"
    try:
        parts = urlsplit(uri)
    except ValueError:
        # Where its password would be is unknown.
        scheme, separator, _ = uri.partition("://")
        return shown(f"{scheme}://..." if separator else uri)
    if parts.scheme in ("http", "https"):
        return shown(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}")
    return shown(uri)


def path_of(uri: str) -> Path:
    """The path of a file:// URL. Raises ConfigError if it is none."""
    try:
        return Path(unquote(urlsplit(uri).path))
    except ValueError as error:
        what = f"{shown(uri)} is no address: {error}."
        raise ConfigError(what, state="Nothing was changed.", next_step="Name the path alone.") from None


def has_password(url: str) -> bool:
    """Whether the URL holds a password."""
    parts = urlsplit(url)
    return parts.password is not None or "password" in parse_qs(parts.query)
