"""Runs of the command line that end by kill -9 at a named point of `mortal.py`."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from forks import run

from harvester.ledger.sqlite.reader import SqliteReader

PROGRAM = Path(__file__).with_name("mortal.py")

Rows = dict[str, list[tuple[Any, ...]]]


def run_mortal(folder: Path, death: dict[str, Any], *arguments: str) -> CompletedProcess[str]:
    """Run it to its end, whichever that is."""
    env = os.environ | {"PYTHONWARNINGS": "error"}
    return run(PROGRAM, [json.dumps(death), *arguments], folder=folder, env=env)


def dies(folder: Path, death: dict[str, Any], *arguments: str) -> None:
    done = run_mortal(folder, death, *arguments)
    assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr


def rows(path: Path, *tables: str) -> Rows:
    """What stands in these tables, in all of them where none is named."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        everything = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
        return {name: db.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall() for name in tables or names(everything)}


def names(found: list[tuple[str]]) -> list[str]:
    return [name for (name,) in found]


def assert_sound(path: Path) -> None:
    with SqliteReader(path) as reader:
        assert reader.findings() == []
