"""Standard streams that may be closed, on a full disk or a lost terminal, or in any encoding."""

from __future__ import annotations

import io
import os
import select
import sys
from typing import Any, TextIO

from harvester.errors import DISK_FULL, OutsideError

_STANDARD = 3
"""Descriptors 0, 1 and 2."""


def set_up_streams() -> None:
    """Make stdout and stderr of this process accept any text; those of a test are left alone."""
    if sys.stdout is not sys.__stdout__ or sys.stderr is not sys.__stderr__:
        return
    # The descriptor of a closed one would be given to the next file that is opened, for example the ledger.
    while (fd := os.open(os.devnull, os.O_RDWR)) < _STANDARD:
        pass
    os.close(fd)
    sys.stdout = _text(_Results(1, "wb", closefd=False), sys.stdout)
    sys.stderr = _text(_Messages(2, "wb", closefd=False), sys.stderr)


def _text(raw: io.FileIO, before: TextIO | None) -> TextIO:
    terminal = raw.isatty()
    stderr = isinstance(raw, _Messages)
    errors = getattr(before, "errors", "strict")
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=getattr(before, "encoding", None) or "utf-8",
        # A character that the encoding lacks must not fail a command after its work is done.
        errors=errors if errors != "strict" else "backslashreplace" if stderr else "replace",
        line_buffering=terminal or stderr,
    )


class _Results(io.FileIO):
    """stdout. A full disk is one error; output to a closed stream is dropped."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._terminal = self.isatty()
        self._failed = False

    def write(self, data: Any, /) -> int:
        while not self._failed:
            try:
                written = super().write(data)
            except BrokenPipeError:
                self._failed = True
                raise
            except OSError as error:
                self._failed = True
                if error.errno in DISK_FULL and not self._terminal:
                    raise OutsideError(
                        f"The result could not be written to standard output: {error.strerror}.",
                        state="What the command did is done; the ledger holds it.",
                        next_step="Make room where the output goes; harvester status shows how things stand.",
                    ) from None
                break
            if written is not None:
                return written
            select.select([], [self], [])  # it is non-blocking, and full for now
        return memoryview(data).nbytes


class _Messages(io.FileIO):
    """stderr. What it can't write is dropped."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes
