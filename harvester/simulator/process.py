"""The simulator as a child process, which also ends when its parent is gone."""

import json
import os
import subprocess
import sys
from contextlib import closing
from datetime import datetime
from http.client import HTTPConnection
from typing import Any, Self
from urllib.parse import urlsplit

from .settings import SimulatorSettings

VALID_KEY_VARIABLE = "SIMULATOR_VALID_KEY"
_CONTROL_TIMEOUT_SECONDS = 10.0
_STOP_TIMEOUT_SECONDS = 5.0


class SimulatorProcess:
    """`with SimulatorProcess(settings) as simulator: simulator.base_url`."""

    def __init__(self, settings: SimulatorSettings | None = None) -> None:
        self.settings = settings or SimulatorSettings()
        self.base_url = ""
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The child's process id."""
        assert self._child is not None, "not started"
        return self._child.pid

    def start(self) -> None:
        """Start the child and wait until it serves. Raises RuntimeError if it ends instead."""
        # keep the key, even a simulated one, out of the process list
        given = vars(self.settings).copy()
        key = given.pop("valid_key")
        environment = {name: value for name, value in os.environ.items() if name != VALID_KEY_VARIABLE}
        environment |= {VALID_KEY_VARIABLE: key} if key else {}
        self._child = self._spawn([json.dumps(given, default=datetime.isoformat)], environment)
        assert self._child.stdout is not None
        self.base_url = self._child.stdout.readline().decode().strip()
        if not self.base_url:
            self.stop()
            raise RuntimeError("the simulator ended before it served")

    def _spawn(self, arguments: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        line = [sys.executable, "-m", "harvester.simulator", *arguments]
        return subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)  # noqa: S603  (arguments of our own making)

    def stop(self) -> None:
        """End the child: terminate, wait, and kill if that was not enough. Safe to repeat."""
        child, self._child = self._child, None
        if child is None:
            return
        child.terminate()
        try:
            child.wait(_STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()

    def report(self) -> dict[str, Any]:
        """Return the simulator's counts."""
        report: dict[str, Any] = self._ask("GET", "report")
        return report

    def delivered(self, more: int = 0) -> list[str]:
        """Return up to 1,000 ids that were in more than `more` good answers."""
        ids: list[str] = self._ask("GET", f"delivered?more={more}")
        return ids

    def jump_clock(self, now: datetime) -> None:
        """Move the simulator's clock ahead. Raises ValueError if that would be backward."""
        self._ask("POST", "clock", {"now": now.isoformat()})

    def spend(self, units: int) -> None:
        """Spend units of the current day as another user of the key."""
        self._ask("POST", "quota", {"spend": units})

    def script(self, *names: str) -> None:
        """Answer the next calls with these faults. Raises ValueError for an unknown one."""
        self._ask("POST", "faults", {"next": names})

    def set_level(self, level: str) -> None:
        """Change the level of faults. Raises ValueError for an unknown one."""
        self._ask("POST", "faults", {"level": level})

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        address = urlsplit(self.base_url).netloc
        with closing(HTTPConnection(address, timeout=_CONTROL_TIMEOUT_SECONDS)) as connection:
            connection.request(method, f"/_simulator/{path}", None if body is None else json.dumps(body))
            response = connection.getresponse()
            answer = json.loads(response.read())
        if response.status != 200:
            raise ValueError(answer["error"])
        return answer

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
