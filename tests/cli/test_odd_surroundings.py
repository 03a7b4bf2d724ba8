"""Names that are no UTF-8 or hold marks of direction, and a ledger's file that is taken away under a run."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest
from command_line import CommandLine

from harvester.errors import LedgerUnusable
from harvester.ledger.open import open_ledger
from harvester.simulator import make_ids
from harvester.support.sanitize import shown

ODD = os.fsdecode(b"caf\xe9")


def test_a_folder_and_files_whose_names_are_no_utf_8(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = cli.folder / ODD
    folder.mkdir()
    monkeypatch.chdir(folder)
    Path(f"{ODD}.csv").write_text("\n".join(["song", *make_ids(0, 10)]), encoding="utf-8")
    cli.ok("init")
    cli.ok("-q", "load", f"{ODD}.csv")
    assert json.loads(cli.ok("status", "--json"))["videos"]["pending"] == 10
    cli.ok("export", f"{ODD}.json")
    cli.ok("verify", "--export", f"{ODD}.json")
    manifest = json.loads(Path(f"{ODD}.json.manifest.json").read_text(encoding="utf-8"))
    assert manifest["videos"] == 0


@pytest.mark.parametrize(
    ("arguments", "exit_code", "says"),
    [
        (["retry", "--failed", "--reason", ODD], 2, "--reason is not UTF-8, so no reason equals it."),
        (["export", f"s3://bucket/{ODD}"], 3, "s3://bucket/caf\\udce9 names no object."),
        (["status", "--html", f"s3://bucket/{ODD}"], 3, "s3://bucket/caf\\udce9 names no object."),
    ],
)
def test_an_argument_that_is_no_utf_8_is_refused_where_it_must_be(
    cli: CommandLine, arguments: list[str], exit_code: int, says: str
) -> None:
    cli.load(10)
    result = cli(*arguments)
    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert says in result.stderr


def test_marks_of_direction_are_seen(cli: CommandLine) -> None:
    assert "There is no file bi\\u202edi.csv" in cli("load", "bi\u202edi.csv").stderr
    assert shown("a\u2066b\udce9") == "a\\u2066b\\udce9"


@pytest.mark.parametrize("by", ["removal", "replacement"])
def test_a_ledger_that_is_taken_away_takes_no_commit(cli: CommandLine, by: str) -> None:
    cli.load(10)
    asyncio.run(take_away(cli.folder / "harvest.db", by))


async def take_away(path: Path, by: str) -> None:
    async with open_ledger(f"sqlite:///{path}") as ledger:
        await ledger.add(list(make_ids(1, 5)), (), 0)
        path.rename(path.with_name("elsewhere.db"))
        if by == "replacement":
            path.write_bytes(b"another")
        with pytest.raises(LedgerUnusable, match="replaced or removed") as caught:
            await ledger.add(list(make_ids(2, 5)), (), 0)
    assert caught.value.exit_code == 3
    if by == "replacement":
        assert path.read_bytes() == b"another"
