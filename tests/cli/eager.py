"""`harvester` on a terminal of its own, whose bar and log lines come more often than a short command would see them."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path

from waiting import LIMIT_SECONDS

EAGER = """
import sys
from harvester.cli import beside, main, progress
progress.DRAW_SECONDS, progress.LINE_SECONDS, beside.LOOK_SECONDS = 0.005, 0.0, 0.02
main(sys.argv[1:], prog_name="harvester")
"""
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def on_a_terminal(
    folder: Path, *line: str, stop_at: str = "", raw: bool = False, stdin: bytes = b"", **env: str
) -> tuple[str, str]:
    """What `harvester` writes to stdout, a pipe, and to stderr, a terminal. It gets SIGINT once `stop_at` is shown."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-c", EAGER, *line],
        cwd=folder,
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "160", "PYTHONWARNINGS": "error"} | env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=theirs,
    )
    os.close(theirs)
    written = b""
    feeding = threading.Thread(target=_feed, args=(child, stdin))
    feeding.start()
    with child:
        while select.select([ours], [], [], LIMIT_SECONDS)[0]:
            try:
                block = os.read(ours, 65536)
            except OSError:
                break
            written += block
            if stop_at and stop_at in written.decode(errors="replace"):
                child.send_signal(signal.SIGINT)
                stop_at = ""
        assert child.stdout is not None
        out = child.stdout.read().decode()
    feeding.join()
    os.close(ours)
    assert child.returncode == 0, written.decode()
    return out, written.decode() if raw else ESCAPES.sub("", written.decode())


def _feed(child: subprocess.Popen[bytes], data: bytes) -> None:
    assert child.stdin is not None
    with child.stdin as file:
        file.write(data)


def piped(folder: Path, *line: str) -> subprocess.CompletedProcess[str]:
    """The same without a terminal."""
    return subprocess.run([sys.executable, "-c", EAGER, *line], cwd=folder, capture_output=True, text=True, check=True)
