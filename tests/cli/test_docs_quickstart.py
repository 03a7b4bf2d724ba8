"""docs/quickstart.md works as written, and prints what it says."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from docs_kit import CHECKOUT, dead_links, run_as_written, snippets, text_of

PAGE = "quickstart.md"


@pytest.mark.skipif(
    not (CHECKOUT / ".git").exists() or shutil.which("git") is None, reason="this is no checkout of git's"
)
def test_the_clone_is_made_as_written(tmp_path: Path) -> None:
    run_as_written(snippets(PAGE)[0], tmp_path, ADDRESS=str(CHECKOUT), HOME=str(tmp_path))
    assert (tmp_path / "harvester" / "pyproject.toml").is_file()


def test_the_session_runs_as_written_and_says_what_is_told(tmp_path: Path) -> None:
    session = snippets(PAGE)[1:]
    assert len(session) == 6
    said = run_as_written("\n".join(session), tmp_path).stdout
    told = re.findall(r"```console\n(.*?)```", text_of(PAGE), re.DOTALL)
    assert len(told) == 3
    assert [lines for lines in told if lines not in said] == []
    assert (tmp_path / "crawl" / "songs.json.manifest.json").is_file()


def test_links_lead_somewhere() -> None:
    assert dead_links(PAGE) == []
