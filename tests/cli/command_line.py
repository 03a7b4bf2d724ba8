"""The command line in process, in a folder of its own, and what it leads to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from harvester.cli.program import main
from harvester.simulator import SimulatorProcess, make_ids


@dataclass(frozen=True)
class CommandLine:
    """`cli("status", "--json").stdout`: runs in the current folder, which the fixture makes its own."""

    folder: Path

    def __call__(self, *arguments: str, stdin: str | bytes | None = None) -> Result:
        return CliRunner().invoke(main, arguments, input=stdin, prog_name="harvester")

    def ok(self, *arguments: str, stdin: str | bytes | None = None) -> str:
        """Run what must end well; what it printed."""
        result = self(*arguments, stdin=stdin)
        assert result.exit_code == 0, result.output
        return result.stdout

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = json.loads(self.ok("status", "--json"))
        return status

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def load(self, videos: int | Sequence[str]) -> list[str]:
        """Load so many ids of the simulated catalogue; the ids."""
        ids = list(make_ids(0, videos)) if isinstance(videos, int) else list(videos)
        self.write("songs.csv", "\n".join(["song", *ids, ""]))
        self.ok("-q", "load", "songs.csv")
        return ids


@dataclass(frozen=True)
class Api:
    """A simulated API that the environment leads to, with a key."""

    simulator: SimulatorProcess

    @property
    def calls(self) -> int:
        calls: int = self.simulator.report()["calls"]
        return calls
