"""The real `harvester` on a terminal of its own, which can be read while it runs."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import termios
from pathlib import Path
from typing import Self

from forks import start
from waiting import LIMIT_SECONDS


class Terminal:
    """`with Terminal(folder, "status") as terminal: terminal.until("100.0%")`."""

    def __init__(self, folder: Path, *line: str, columns: int = 80, rows: int = 24, **env: str) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        inherited = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        env = inherited | {"TERM": "xterm-256color", "PYTHONWARNINGS": "error"} | env
        with os.fdopen(theirs, "r+b", buffering=0) as screen:
            streams = dict.fromkeys(("stdin", "stdout", "stderr"), screen)
            self.process = start("harvester", line, folder=folder, env=env, **streams)
        self.raw = ""

    @property
    def output(self) -> str:
        """Without what moves and colours."""
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.raw)

    def until(self, text: str) -> None:
        """Read on until the program has written it, after what was read before."""
        seen = len(self.output)
        while text not in self.output[seen:]:
            assert self._read(), f"ended without {text!r}: {self.output}"

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def ended(self) -> int:
        """Read on to the end; the exit code."""
        while self._read():
            pass
        return self.process.wait(LIMIT_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(LIMIT_SECONDS)
        os.close(self._ours)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._ours], [], [], LIMIT_SECONDS)
        assert ready, f"silent for {LIMIT_SECONDS:.0f} s after: {self.output}"
        try:
            block = os.read(self._ours, 65536)
        except OSError:  # the other side is closed
            return False
        self.raw += block.decode(errors="replace")
        return bool(block)
