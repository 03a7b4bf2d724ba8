"""Processes of harvester's programs that have nothing to import: see `forking`."""

from __future__ import annotations

import atexit
import marshal
import os
import select
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO, Any, NamedTuple, TypeAlias

from waiting import LIMIT_SECONDS

Stream: TypeAlias = "IO[bytes] | int | None"


NOT_AT_START = ("PYTHONWARNINGS", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE")
"""The last two are often set around tests; a program opens its own streams, and what is forked has been compiled."""


def read_at_start(env: Mapping[str, str]) -> dict[str, str]:
    """What nobody looks at again who has imported all: where it is other than ours, a process begins from nothing."""
    return {name: value for name, value in env.items() if name.startswith("PYTHON") and name not in NOT_AT_START}


READ_AT_START = read_at_start(os.environ)
FORKING = Path(__file__).with_name("forking.py")
COMMAND = Path(__file__).with_name("forked_command.py")


class _Parent(NamedTuple):
    requests: socket.socket
    folder: Path
    """With the address of its listener, and commands that connect to that."""


@cache
def _the_parent() -> _Parent:
    """Started when it is first asked for; it ends with this process."""
    folder = TemporaryDirectory(prefix="forks-")
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with there, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(f"{folder.name}/socket")
        listener.listen(64)
        numbers = [there.fileno(), listener.fileno()]
        process = subprocess.Popen(
            [sys.executable, FORKING, *map(str, numbers)], pass_fds=numbers, stdin=subprocess.DEVNULL
        )

    def end() -> None:
        here.close()
        process.wait()
        folder.cleanup()

    atexit.register(end)
    return _Parent(here, Path(folder.name))


@cache
def commands() -> Path:
    """A folder for the path: its `harvester` is the program, forked, in the shell's folder and with its environment.

    It ends as the program does and passes signals on. With its end the program ends.
    """
    folder = _the_parent().folder
    line = shlex.join([sys.executable, "-IS", str(COMMAND), str(folder / "socket"), "harvester"])
    command = folder / "bin" / "harvester"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {line} "$@"\n')
    command.chmod(0o755)
    return command.parent


def start(
    program: str | Path, arguments: Sequence[str], *, folder: Path, env: Mapping[str, str], **streams: Any
) -> ForkedProcess | subprocess.Popen[bytes]:
    """`python -m program`, or `python program` where it is a path, with these arguments.

    In a session of its own, in that folder and with that environment alone. Its streams are files; `stdin` may be
    subprocess.PIPE or DEVNULL.
    """
    if read_at_start(env) != READ_AT_START:
        line = [sys.executable, *([program] if isinstance(program, Path) else ["-m", program]), *arguments]
        return subprocess.Popen(line, cwd=folder, env=env, start_new_session=True, **streams)
    return ForkedProcess(program, arguments, folder, env, **streams)


def run(
    program: str | Path,
    arguments: Sequence[str],
    *,
    folder: Path,
    env: Mapping[str, str],
    stdin: bytes = b"",
    timeout: float = LIMIT_SECONDS,
    open_files: int | None = None,
) -> subprocess.CompletedProcess[str]:
    """The same to its end; what it said, with line ends as they were. It may have so many files open."""
    with TemporaryFile() as out, TemporaryFile() as err:
        streams: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": out, "stderr": err}
        if open_files is not None:
            streams["open_files"] = open_files
        process = start(program, arguments, folder=folder, env=env, **streams)
        assert process.stdin is not None
        try:
            with suppress(BrokenPipeError), process.stdin:
                process.stdin.write(stdin)
            code = process.wait(timeout)
        finally:
            process.kill()
        output = [stream.seek(0) or stream.read().decode() for stream in (out, err)]
    return subprocess.CompletedProcess([str(program), *arguments], code, *output)


def _ends(stream: Stream, number: int) -> tuple[int, IO[bytes] | None]:
    """A descriptor for the child, and our end of the pipe where it is one."""
    if stream == subprocess.PIPE:
        reading, writing = os.pipe()
        return (reading, os.fdopen(writing, "wb", 0)) if number == 0 else (writing, os.fdopen(reading, "rb"))
    if stream == subprocess.DEVNULL:
        return os.open(os.devnull, os.O_RDWR), None
    return os.dup(stream.fileno() if hasattr(stream, "fileno") else number), None


class ForkedProcess:
    """What of `subprocess.Popen` the tests use. A stream is a file, subprocess.PIPE or DEVNULL; None is our own."""

    def __init__(
        self,
        program: str | Path,
        arguments: Sequence[str],
        folder: Path,
        env: Mapping[str, str],
        *,
        stdin: Stream = None,
        stdout: Stream = None,
        stderr: Stream = None,
        open_files: int | None = None,
    ) -> None:
        self.args = [str(program), *arguments]
        self.returncode: int | None = None
        kind = "file" if isinstance(program, Path) else "module"
        request: dict[str, Any] = {
            kind: str(program),
            "arguments": [*map(str, arguments)],
            "folder": str(folder),
            "env": dict(env),
        }
        if open_files is not None:
            request["open_files"] = (open_files, open_files)
        self._reported, telling = os.pipe()
        (reading, self.stdin), (writing, self.stdout), (complaining, self.stderr) = (
            _ends(stream, number) for number, stream in enumerate((stdin, stdout, stderr))
        )
        theirs = [reading, writing, complaining, telling]
        try:
            socket.send_fds(_the_parent().requests, [marshal.dumps(request)], theirs)
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        self.pid = self._line()

    def poll(self) -> int | None:
        if self.returncode is None and select.select([self._reported], [], [], 0)[0]:
            self._end()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._reported], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self._end()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            # It may have ended a moment ago, with the report of that still to come.
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def _end(self) -> None:
        self.returncode = os.waitstatus_to_exitcode(self._line())
        os.close(self._reported)

    def _line(self) -> int:
        line = b""
        while not line.endswith(b"\n"):
            got = os.read(self._reported, 1)
            assert got, "the process that forks is gone"
            line += got
        return int(line)
