"""Recorded data that is not part of the repository. Only the folder that HARVESTER_TEST_DATA names is looked into."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Read once, for no test sees the variables of this program.
_FOLDER = os.environ.get("HARVESTER_TEST_DATA")


def is_there(name: str) -> bool:
    return _FOLDER is not None and (Path(_FOLDER) / name).is_file()


def outside_data(name: str) -> Path:
    """The file of that name; without it the test is skipped."""
    if _FOLDER is None:
        pytest.skip(f"HARVESTER_TEST_DATA names no folder, in which {name} would be")
    path = Path(_FOLDER) / name
    if not path.is_file():
        pytest.skip(f"there is no {name} in the folder that HARVESTER_TEST_DATA names")
    return path
