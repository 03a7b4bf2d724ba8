"""docs/quickstart.md works as written, and prints what it says."""

from __future__ import annotations

import re
from pathlib import Path

from docs_kit import dead_links, run_as_written, snippets, text_of

PAGE = "quickstart.md"


def test_the_session_runs_as_written_and_says_what_is_told(tmp_path: Path) -> None:
    session = snippets(PAGE)
    assert len(session) == 6
    output = run_as_written("\n".join(session), tmp_path, HOME=str(tmp_path)).stdout
    documented = re.findall(r"```console\n(.*?)```", text_of(PAGE), re.DOTALL)
    assert len(documented) == 3
    assert [lines for lines in documented if lines not in output] == []
    assert (tmp_path / "harvester-demo" / "songs.json.manifest.json").is_file()


def test_links_lead_somewhere() -> None:
    assert dead_links(PAGE) == []
