"""remove as a person uses it, the list of loads by which one is named, and a ledger without one video id."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from command_line import Api, CommandLine
from terminal_kit import Terminal

from harvester.simulator import make_ids

IDS = list(make_ids(0, 70))


@pytest.fixture
def loaded(cli: CommandLine) -> CommandLine:
    """70 ids by the first load; 30 texts that are none, and 10 ids, by the second."""
    cli.load(IDS)
    cli.write("wrong.csv", "\n".join(["song", *(f"Title {number}" for number in range(30)), *make_ids(70, 10), ""]))
    cli.ok("-q", "load", "wrong.csv")
    return cli


def test_the_loads_are_listed_and_one_is_removed_by_its_number(loaded: CommandLine) -> None:
    lines = [line.split("\t") for line in loaded.ok("status", "--loads").splitlines()]
    assert [[line[0], *line[2:]] for line in lines] == [
        ["1", "70", "70", "0", "0", "songs.csv"],
        ["2", "40", "40", "30", "0", "wrong.csv"],
    ]
    listed = loaded.status()["loads"]
    assert [(load["id"], load["source"], load["new"]) for load in listed] == [
        (1, "songs.csv", 70),
        (2, "wrong.csv", 40),
    ]
    output = loaded.ok("remove", "--load", "2", "--yes")
    assert output.startswith("10 pending ids and 30 invalid ids that load 2 brought (wrong.csv, 20")
    assert output.endswith("would be removed.\nremoved         40\n")
    videos = loaded.status()["videos"]
    assert (videos["total"], videos["pending"], videos["invalid"]) == (70, 70, 0)
    assert loaded.status()["loads"][1]["removed"] == 40
    loaded.ok("verify")


def test_without_a_terminal_and_without_yes_nothing_is_removed(loaded: CommandLine) -> None:
    before = loaded.status()
    result = loaded("remove", "--invalid")
    assert result.exit_code == 2
    assert result.stdout == "30 invalid ids would be removed.\n"
    assert "--yes" in result.stderr
    assert loaded.status() == before
    assert loaded("remove").exit_code == 2
    assert loaded("remove", "--invalid", "--pending", "--yes").exit_code == 2
    assert loaded("remove", "--load", "7", "--yes").exit_code == 3
    assert loaded.status() == before
    assert loaded.ok("remove", "--invalid", "--yes").endswith("removed         30\n")
    assert loaded.ok("remove", "--invalid") == "No id would be removed.\n"


@pytest.mark.parametrize(("answer", "left"), [("n\n", 30), ("\n", 30), ("y\n", 0)])
def test_on_a_terminal_it_asks(loaded: CommandLine, answer: str, left: int) -> None:
    with Terminal(loaded.folder, "remove", "--invalid") as terminal:
        terminal.until("Remove them? [y/N]:")
        terminal.type(answer)
        assert terminal.ended() == 0
        assert "30 invalid ids would be removed." in terminal.output
        assert ("Nothing was removed." in terminal.output) is (left > 0)
    assert loaded.status()["videos"]["invalid"] == left


def test_what_was_asked_for_stays(loaded: CommandLine, api: Api) -> None:
    loaded.ok("-q", "run", "--max-calls", "1")
    output = loaded.ok("remove", "--load", "1", "--yes")
    assert "50 other ids of it stay: calls have asked for them." in output
    assert loaded.ok("remove", "--pending", "--yes").startswith("10 pending ids would be removed.")
    assert loaded.status()["videos"]["pending"] == 0
    loaded.ok("verify")
    loaded.ok("-q", "export", "songs.json", "--require-complete")
    loaded.ok("verify", "--export", "songs.json")


def test_a_ledger_without_one_video_id_is_neither_settled_nor_complete(cli: CommandLine, api: Api) -> None:
    cli.ok("init")
    cli.write("ids.txt", "".join(f"{video_id}\n" for video_id in IDS[:1]))
    cli.ok("-q", "load", "ids.txt")
    cli.ok("-q", "remove", "--pending", "--yes")
    _only_invalid(cli.folder / "harvest.db")
    for words in ("run", "run --dry-run"):
        result = cli(*words.split())
        assert result.exit_code == 3
        assert "There is no video id in the ledger: all 3 texts in it are invalid." in result.stderr
        assert "harvester remove --invalid" in result.stderr
    status = cli.ok("status")
    assert "There is no video id in the ledger" in status
    assert "settled" not in status
    findings = json.loads(cli("doctor", "--offline", "--json").stdout)["findings"]
    assert "There is no video id" in next(each["what"] for each in findings if each["check"] == "ledger")
    exported = cli.ok("export", "songs.json")
    assert "There is no video id in the ledger" in exported
    manifest = json.loads((cli.folder / "songs.json.manifest.json").read_text(encoding="utf-8"))
    assert manifest["complete"] is False
    result = cli("export", "other.json", "--require-complete")
    assert (result.exit_code, (cli.folder / "other.json").exists()) == (5, False)
    cli.ok("verify", "--export", "songs.json")
    assert api.calls == 0


def _only_invalid(path: Path) -> None:
    """As a load of an earlier version left it."""
    with closing(sqlite3.connect(path)) as db:
        db.executemany("INSERT INTO videos (video_id, state) VALUES (?, 5)", [("Heroes",), ("Low",), ("Lodger",)])
        db.execute("UPDATE video_states SET videos = 3 WHERE code = 5")
        db.commit()
