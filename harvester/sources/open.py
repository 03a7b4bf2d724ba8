"""Open a local file, an S3 object, a web address or standard input, and explain its failures."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import BinaryIO

from harvester.errors import ConfigError, HarvesterError, SourceUnavailable
from harvester.sources.source import STANDARD_INPUT, Source, opened
from harvester.support.addresses import path_of

FAILURES = (OSError, ValueError)


def open_source(uri: str, *, anonymous: bool, stdin: BinaryIO | None) -> AbstractContextManager[Source]:
    """Open a source, for use as a context manager. Raises ConfigError, CredentialsError or SourceUnavailable."""
    scheme, separator, _ = uri.partition("://")
    scheme = scheme.lower() if separator else ""
    if uri == "-":
        if stdin is None and sys.stdin is None:
            raise ConfigError("Standard input is closed: there is nothing to read.", next_step=NAME_IT)
        explain = partial(_explain, shown=STANDARD_INPUT)
        return nullcontext(Source(STANDARD_INPUT, "", stdin or sys.stdin.buffer, FAILURES, explain))
    if scheme == "s3":
        # s3fs takes half a second to import
        from harvester.sources.s3 import open_s3

        return open_s3(uri, anonymous=anonymous)
    if scheme in ("http", "https"):
        from harvester.sources.web import open_web

        return open_web(uri)
    if scheme in ("", "file"):
        path = path_of(uri) if scheme else Path(uri).expanduser()
        shown = str(path)
        return opened(shown, shown, lambda: path.open("rb"), FAILURES, partial(_explain, shown=shown))
    raise ConfigError(
        f"A source cannot be read from {scheme}://.",
        next_step="Name a local path, s3://, https://, or - for standard input.",
    )


NAME_IT = "Name the source: harvester load SOURCE, or set source.uri."


def _explain(error: Exception, shown: str) -> HarvesterError:
    if isinstance(error, FileNotFoundError):
        return ConfigError(f"There is no file {shown}.", next_step=NAME_IT)
    if isinstance(error, IsADirectoryError):
        return ConfigError(f"{shown} is a folder.", next_step="Name one file in it.")
    if isinstance(error, PermissionError):
        return ConfigError(f"{shown} may not be read by this user.", next_step="Give this user the right to read it.")
    if isinstance(error, ValueError):
        return ConfigError(f"{shown} cannot be read: {error}.", next_step=NAME_IT)
    reason = error.strerror if isinstance(error, OSError) else error
    return SourceUnavailable(f"{shown} cannot be read: {reason}.", next_step="Look at the disk, then load again.")
