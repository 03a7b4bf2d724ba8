"""The program with distinctive secrets in its environment, all retries short."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from children import Program
from secrets_kit import API_KEY, AWS, Guarded


@pytest.fixture(scope="session")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger of ten ids."""
    folder = tmp_path_factory.mktemp("loaded")
    ids = "\n".join(f"{number:010}A" for number in range(10))
    assert Program(folder).here("load", "-", stdin=f"song\n{ids}\n".encode()).returncode == 0
    return folder / "harvest.db"


@pytest.fixture
def guarded(tmp_path: Path, loaded: Path) -> Iterator[Guarded]:
    """`harvester` in an empty folder with a key, AWS secrets and ten ids, so impatient that failures come at once."""
    folder = tmp_path / "crawl"
    folder.mkdir()
    shutil.copy(loaded, folder)
    harvester = Guarded(folder)
    harvester.env |= AWS | {
        "YOUTUBE_API_KEY": API_KEY,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_DEFAULT_REGION": "eu-west-3",
        "AWS_MAX_ATTEMPTS": "1",
        "HARVESTER_RUN__PATIENCE_SECONDS": "0",
        "HARVESTER_RUN__MAX_ATTEMPTS": "1",
    }
    yield harvester
    harvester.end_all()
