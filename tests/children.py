"""The program: in real processes, started, watched and ended by their own pid, or quicker in this one."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from click.testing import CliRunner
from forks import run, start
from waiting import LIMIT_SECONDS, wait_until  # noqa: F401 (some import it from here)

from harvester.cli.program import main
from harvester.simulator import SimulatorProcess

Simulate = Callable[..., SimulatorProcess]
"""The fixture `simulate`: starts a simulated API with these settings."""

STRICT = "error,ignore:Creating scratch directories:UserWarning"
"""Warnings are errors, but for one of Dask's that says that the machine is busy."""


class ForkedSimulator(SimulatorProcess):
    """It starts in a tenth of the time."""

    assert hasattr(SimulatorProcess, "_spawn"), "what is overridden here is called by another name"

    def _spawn(self, arguments: list[str], env: dict[str, str]) -> Any:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        return start("harvester.simulator", arguments, folder=Path.cwd(), env=env, **pipes)


@contextmanager
def logging_and_signals_as_they_were() -> Iterator[None]:
    """Afterwards; the command line sets both for its process, which may be the tests' own."""
    logger = logging.getLogger("harvester")
    before = logger.handlers[:], logger.level, logger.propagate
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    last = logging.lastResort
    formatter = last.formatter if last is not None else None
    try:
        yield
    finally:
        logger.handlers[:], logger.level, logger.propagate = before
        if last is not None:
            last.setFormatter(formatter)
        for number, handler in handlers.items():
            signal.signal(number, handler)


class Child:
    """A harvester process under way; what it says goes to files, so that no pipe fills up."""

    def __init__(self, module: str, arguments: Sequence[str], folder: Path, env: Mapping[str, str], stdin: int) -> None:
        number = len(list(folder.glob("child-*.err")))
        self._out, self._err = folder / f"child-{number}.out", folder / f"child-{number}.err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = start(module, arguments, folder=folder, env=env, stdin=stdin, stdout=out, stderr=err)

    @property
    def stdout(self) -> str:
        return self._out.read_text(encoding="utf-8")

    @property
    def stderr(self) -> str:
        return self._err.read_text(encoding="utf-8")

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self, timeout: float = LIMIT_SECONDS) -> int:
        return self.process.wait(timeout)

    def kill(self) -> None:
        """kill -9, and reap."""
        self.process.kill()
        self.process.wait(LIMIT_SECONDS)
        if self.process.stdin is not None:
            self.process.stdin.close()


class Program:
    """The real `harvester` in a folder of its own; `env` is what its processes get on top of a clean environment."""

    module = "harvester"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env: dict[str, str] = {}
        self._children: list[Child] = []

    def run(self, *arguments: str, stdin: bytes = b"", timeout: float = LIMIT_SECONDS) -> CompletedProcess[str]:
        """Run it to its end."""
        return run(self.module, arguments, folder=self.folder, env=self.environment(), stdin=stdin, timeout=timeout)

    def here(self, *arguments: str, stdin: bytes = b"") -> CompletedProcess[str]:
        """The same in this process: ten times quicker, where a process of its own is not what is proved."""
        with chdir(self.folder), logging_and_signals_as_they_were():
            env = {"NO_PROXY": "127.0.0.1"} | self.env
            done = CliRunner(env=env).invoke(main, arguments, input=stdin, prog_name="harvester")
        # As bytes: click's texts have lost their carriage returns.
        return CompletedProcess(arguments, done.exit_code, done.stdout_bytes.decode(), done.stderr_bytes.decode())

    def start(self, *arguments: str, stdin: int = subprocess.DEVNULL, module: str | None = None) -> Child:
        """Start it, or a module of its folder; whatever still runs when the test ends is killed."""
        child = Child(module or self.module, arguments, self.folder, self.environment(), stdin)
        self._children.append(child)
        return child

    def end_all(self) -> None:
        for child in self._children:
            child.kill()

    def environment(self) -> dict[str, str]:
        """Of its processes. A warning in one of them would be lost otherwise."""
        return os.environ | {"PYTHONWARNINGS": STRICT, "NO_PROXY": "127.0.0.1"} | self.env
