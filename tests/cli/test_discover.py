"""discover as a person uses it, and what status says of channels and playlists before a run has read them."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Api, CommandLine

LIST = "PLMC9KNkIncKtPzgY-5rmhvj7fax8fdxoj"


def figures(output: str) -> dict[str, int]:
    lines = [line.split() for line in output.splitlines()[:3]]
    return {" ".join(words): int(number) for *words, number in lines}


def test_channels_and_playlists_are_added_once(cli: CommandLine) -> None:
    output = cli.ok("discover", "@one", f"https://www.youtube.com/playlist?list={LIST}")
    assert figures(output) == {"new": 2, "known": 0, "read again": 0}
    assert output.endswith("Next: harvester run\n")
    cli.write("more.txt", "# mine\n@ONE\n@two\n")
    output = cli.ok("discover", "--from", "more.txt", "--from", "-", stdin="@three\n")
    assert figures(output) == {"new": 2, "known": 1, "read again": 0}
    assert "in known ones: harvester discover --again. Next: harvester run" in output
    listed = [line.split("\t")[:2] for line in cli.ok("status", "--listings").splitlines()]
    assert listed == [["1", "@one"], ["2", LIST], ["3", "@two"], ["4", "@three"]]
    assert figures(cli.ok("discover", "--again")) == {"new": 0, "known": 0, "read again": 0}
    cli.ok("verify")


def test_status_shows_what_is_to_be_read(cli: CommandLine) -> None:
    cli.ok("discover", "@one", "@two", "@three", LIST)
    screen = cli.ok("status")
    assert "4: 0 read, 4 to read; 0 pages, at least 4 to come; 0 ids found, 0 new" in screen
    assert "@one not read yet" in screen
    assert "and 1 more: harvester status --listings" in screen
    assert screen.endswith("Next: harvester run\n")
    listings = cli.status()["listings"]
    each = listings.pop("each")
    assert listings == dict.fromkeys(listings, 0) | {"total": 4, "unfinished": 4, "pages_left": 4}
    assert [(one["id"], one["target"], one["state"]) for one in each][:2] == [
        (1, "@one", "pending"),
        (2, "@two", "pending"),
    ]
    cli.ok("status", "--prometheus", "crawl.prom", "--html", "crawl.html")
    assert 'harvester_listings{state="pending"} 4.0' in (cli.folder / "crawl.prom").read_text()
    page = (cli.folder / "crawl.html").read_text()
    assert "The next run looks for videos in 4 listings." in page
    assert "https://www.youtube.com/@three" in page


def test_plan_and_dry_run_and_doctor_tell_of_what_comes_first(cli: CommandLine) -> None:
    cli.ok("discover", "@one", "@two")
    first = "First, 2 listings are to be read, at least 2 pages, whose videos are not counted here."
    assert first in cli.ok("plan")
    assert first not in cli.ok("plan", "--videos", "50")
    assert f"{first}\nNo id is pending yet." in cli.ok("run", "--dry-run")
    assert "0 ids, 0 left to ask for; 2 listings to read" in cli("doctor", "--offline").stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["@one", "dQw4w9WgXcQ"], "1 of 2 texts can't be listed:\n  'dQw4w9WgXcQ' is a video; harvester load adds"),
        (["https://www.youtube.com/c/Google"], "take the @handle that the page shows"),
        (["@one", str(Path(__file__))], "is a file: name it with --from"),
        (["@one", "--from", "missing.txt"], "There is no file missing.txt"),
    ],
)
def test_if_one_is_wrong_nothing_is_stored(cli: CommandLine, arguments: list[str], told: str) -> None:
    result = cli("discover", *arguments)
    assert result.exit_code == 3
    assert told in result.stderr
    assert "Nothing was stored." in result.stderr
    assert list(cli.folder.iterdir()) == []


def test_a_wrong_one_is_removed_with_the_ids_that_were_not_asked_for(cli: CommandLine, api: Api) -> None:
    cli.ok("discover", "@songs-120", "@wrong-70")
    assert cli.ok("remove", "--listing", "2", "--yes").startswith("Listing 2 (@wrong-70) would be removed.\n")
    cli.ok("discover", "@other-220")
    # channels.list twice, 3 and 5 pages, then 4 of 7 calls for videos
    cli.ok("run", "--max-calls", "14")
    told = cli.ok("remove", "--listing", "3", "--yes")
    assert told.startswith("Listing 3 (@other-220) and ")
    assert " that load 2 brought (https://www.youtube.com/@other-220," in told
    assert "stay: calls have asked for them.\nremoved " in told
    removed = int(told.split()[-1])
    status = cli.status()
    assert 0 < removed < 220
    assert (status["videos"]["total"], status["listings"]["total"], status["listings"]["failed"]) == (
        340 - removed,
        1,
        0,
    )
    assert cli("remove", "--listing", "3", "--yes").exit_code == 3
    assert figures(cli.ok("discover", "@other-220")) == {"new": 0, "known": 0, "read again": 1}
    cli.ok("run")
    assert cli.status()["videos"]["total"] == 340
    assert cli.status()["videos"]["pending"] == 0
    cli.ok("verify")
    assert api.simulator.report()["ids"]["delivered_more"] == 0


def test_usage(cli: CommandLine) -> None:
    assert cli("discover").exit_code == 2
    assert cli("status", "--listings", "--loads").exit_code == 2
    assert cli("status", "--listings", "--json").exit_code == 2
    cli.ok("init")
    assert cli.ok("status", "--listings") == ""
