"""docs/operations.md says what is so: its commands run as written, one after another."""

from __future__ import annotations

import re
from pathlib import Path

from command_line import Api, CommandLine
from docs_kit import dead_links, run_as_written, snippets, text_of

from harvester import errors
from harvester.scheduling.notify import TIMEOUT_SECONDS, TRIES

PAGE = "operations.md"
TEXT = text_of(PAGE)


def test_the_commands_run_as_written(cli: CommandLine, api: Api) -> None:
    cli.ok("init")
    cli.load(120)
    cli.ok("-q", "run", "--max-calls", "1")
    scripts = snippets(PAGE)
    assert len(scripts) == 5
    done = run_as_written("\n".join(scripts), Path("/"), shell="sh", HOME=str(cli.folder.parent), typed="any\n")
    assert done.stderr == ""
    assert "The ledger is consistent: 120 ids, 1 call" in done.stdout
    assert re.search(r"^\d+ [\d,]+ \* \* \* cd ", done.stdout, re.MULTILINE)
    assert "ExecStart=" in done.stdout
    env_file = cli.folder / "harvester.env"
    assert (env_file.read_text(), env_file.stat().st_mode & 0o777) == ("YOUTUBE_API_KEY=any\n", 0o600)


def test_each_exit_code_is_explained() -> None:
    documented = {int(code) for code in re.findall(r"^\| (\d) \|", TEXT, re.MULTILINE)}
    kinds = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.HarvesterError)
    ]
    assert documented == {0, 2} | {kind.exit_code for kind in kinds}


def test_the_monitor_s_patience_is_as_it_is_told() -> None:
    assert (TIMEOUT_SECONDS, TRIES) == (4, 2)
    assert "within four seconds is tried once more" in " ".join(TEXT.split())


def test_links_lead_somewhere() -> None:
    assert dead_links(PAGE) == []
