"""init, load and plan: before a unit is spent."""

from __future__ import annotations

import gzip
import re
import stat
import tomllib
from pathlib import Path

import pytest
from command_line import CommandLine
from msgspec.structs import replace

from harvester.config import SECTIONS, Config, isolated_config, load_config
from harvester.simulator import make_ids


def figures(output: str) -> dict[str, str]:
    """`name  figure  remark` lines as a dict; a name that comes twice keeps its first figure."""
    found: dict[str, str] = {}
    for line in output.splitlines():
        if match := re.match(r"([a-z][a-z ]*?)  +(\S+(?: [kMG]?B)?)", line):
            found.setdefault(match[1], match[2])
    return found


# --- init


def test_init_writes_a_config_and_a_ledger(cli: CommandLine) -> None:
    wrote = ["wrote config.toml", f"ready {cli.folder / 'harvest.db'}"]
    assert cli.ok("init").splitlines() == [*wrote, "The ledger is empty. Next: harvester load SOURCE"]
    assert cli.status()["videos"]["total"] == 0


def test_init_is_safe_to_repeat(cli: CommandLine) -> None:
    cli.ok("init")
    cli.load(100)
    config = cli.folder / "config.toml"
    config.write_text(config.read_text(encoding="utf-8").replace("concurrency = 50", "concurrency = 7"))
    before = config.read_bytes()
    assert cli.ok("init").splitlines()[0] == "kept  config.toml"
    assert config.read_bytes() == before
    assert cli.status()["videos"]["pending"] == 100


def test_init_writes_where_it_is_told_to(cli: CommandLine) -> None:
    (cli.folder / "songs").mkdir()
    cli.ok("--config", "songs/mine.toml", "init")
    assert sorted(path.name for path in (cli.folder / "songs").iterdir() if ".db-" not in path.name) == [
        "harvest.db",
        "mine.toml",
    ]


def test_the_config_that_init_writes_says_the_defaults(cli: CommandLine) -> None:
    cli.ok("init")
    path = cli.folder / "config.toml"
    written = tomllib.loads(path.read_text(encoding="utf-8"))
    assert isolated_config(written) == replace(Config(), source=replace(Config().source, uri="songs.csv"))


def test_the_config_that_init_writes_names_every_setting(cli: CommandLine) -> None:
    cli.ok("init")
    path = cli.folder / "config.toml"
    written = tomllib.loads(path.read_text(encoding="utf-8"))
    # The settings without a default stand there as comments, with values that go together.
    path.write_text(re.sub(r"^# (?=\w+ = )", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE))
    uncommented = tomllib.loads(path.read_text(encoding="utf-8"))
    load_config(path)
    for section, settings in SECTIONS.items():
        assert set(uncommented[section]) == set(settings.__struct_fields__)
        for name in uncommented[section].keys() - written[section].keys():
            assert getattr(getattr(Config(), section), name) is None


def test_the_ledger_is_its_owners_alone(cli: CommandLine) -> None:
    cli.ok("init")
    assert stat.S_IMODE((cli.folder / "harvest.db").stat().st_mode) == 0o600


# --- load


SONGS = "user,song\n" + "".join(
    f"{user},{video_id}\n"
    for user, video_id in enumerate(
        ["dQw4w9WgXcQ", "9bZkp7q19f0", "dQw4w9WgXcQ", "", "not-an-id", "kJQP7kiw5Fk", "not-an-id", "dqw4w9wgxcq"]
    )
)


def test_load_prints_its_five_counts(cli: CommandLine) -> None:
    cli.write("songs.csv", SONGS)
    first = figures(cli.ok("load", "songs.csv"))
    assert first == {"rows read": "8", "distinct": "6", "new": "6", "already there": "0", "invalid": "2"}
    again = figures(cli.ok("load", "songs.csv"))
    assert again == {"rows read": "8", "distinct": "6", "new": "0", "already there": "6", "invalid": "2"}
    videos = cli.status()["videos"]
    assert (videos["total"], videos["pending"], videos["invalid"]) == (6, 4, 2)


def test_load_shows_what_cannot_be_an_id(cli: CommandLine) -> None:
    cli.write("songs.csv", SONGS)
    assert "'not-an-id'" in cli.ok("load", "songs.csv")


def test_a_second_source_adds_what_is_new(cli: CommandLine) -> None:
    ids = list(make_ids(0, 30))
    cli.load(ids[:20])
    cli.write("more.txt", "\n".join(ids[10:]))
    assert figures(cli.ok("load", "more.txt")) == {
        "rows read": "20",
        "distinct": "20",
        "new": "10",
        "already there": "10",
        "invalid": "0",
    }


@pytest.mark.parametrize("packed", [False, True])
def test_load_reads_standard_input(cli: CommandLine, packed: bool) -> None:
    data = SONGS.encode()
    output = cli.ok("load", "-", stdin=gzip.compress(data) if packed else data)
    assert figures(output)["new"] == "6"


def test_load_takes_another_column_and_a_limit(cli: CommandLine) -> None:
    ids = list(make_ids(0, 30))
    cli.write("songs.csv", "\n".join(["video,song", *(f"{video_id},x" for video_id in ids), ""]))
    assert figures(cli.ok("load", "songs.csv", "--column", "video", "--limit", "12"))["new"] == "12"
    assert cli.status()["videos"]["pending"] == 12


def test_load_takes_the_source_of_the_settings_relative_to_their_file(
    cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.write("config.toml", '[source]\nuri = "songs.csv"\n')
    cli.write("songs.csv", SONGS)
    monkeypatch.chdir(tmp_path)
    config = str(cli.folder / "config.toml")
    assert figures(cli.ok("--config", config, "load"))["new"] == "6"
    assert (cli.folder / "harvest.db").exists()
    monkeypatch.setenv("HARVESTER_CONFIG", config)
    assert figures(cli.ok("load"))["already there"] == "6"


def test_several_sources_are_counted_as_one(cli: CommandLine) -> None:
    ids = list(make_ids(0, 40))
    cli.load(ids[:5])
    cli.write("a.txt", "\n".join([*ids[:20], "no id"]))
    cli.write("b.csv", "\n".join(["song", *ids[10:30], "no id"]))
    loaded = {"rows read": "52", "distinct": "36", "new": "31", "already there": "5", "invalid": "1"}
    stdin = "\n".join(f"https://youtu.be/{video_id}" for video_id in ids[25:35])
    assert figures(cli.ok("load", "a.txt", "b.csv", "-", stdin=stdin)) == loaded
    assert cli.status()["videos"]["total"] == 36
    assert figures(cli.ok("load", "a.txt", "b.csv", "--limit", "25"))["distinct"] == "25"


def test_a_source_that_is_refused_leaves_those_before_it(cli: CommandLine) -> None:
    cli.load(5)
    cli.write("a.txt", "\n".join(make_ids(5, 10)))
    cli.write("names.txt", "Yesterday\nImagine\n")
    result = cli("load", "a.txt", "names.txt", "-")
    assert result.exit_code == 3
    assert "The sources before it are in the ledger: 10 rows." in result.stderr
    assert cli.status()["videos"] | {"invalid": 0, "pending": 15} == cli.status()["videos"]


@pytest.mark.parametrize("content", ["Yesterday\nImagine\n", "song,title\n", "song,n\n1,2\n"])
def test_a_source_without_an_id_leaves_nothing(cli: CommandLine, content: str) -> None:
    cli.write("a.csv" if "," in content else "a.txt", content)
    result = cli("load", "a.csv" if "," in content else "a.txt", "--column", "song")
    assert result.exit_code == 3
    assert "Nothing was stored." in result.stderr
    assert not (cli.folder / "harvest.db").exists()


def test_many_rows_without_an_id_are_warned_of_with_escapes(cli: CommandLine) -> None:
    ids = list(make_ids(0, 18))
    cli.write("a.txt", "\n".join([*ids, "dQw4w9\u200bWgXcQ", "title\u202e"]))
    result = cli("-q", "load", "a.txt")
    assert result.exit_code == 0
    assert "WARNING" not in result.stderr
    cli.write("a.txt", "\n".join([*ids, "dQw4w9\u200bWgXcQ", "title\u202e", "title\u202e"]))
    result = cli("-q", "load", "a.txt")
    assert result.exit_code == 0
    assert "WARNING 3 of 21 rows hold no video id (2 of 20 texts)" in result.stderr
    assert r"'dQw4w9\u200bWgXcQ', 'title\u202e'" in result.stderr
    assert "harvester remove --invalid" in result.stderr


def test_load_takes_a_column_by_its_number_a_delimiter_and_an_encoding(cli: CommandLine) -> None:
    ids = list(make_ids(0, 6))
    cli.write("a.csv", "".join(f"{number}:{video_id}\n" for number, video_id in enumerate(ids)))
    assert figures(cli.ok("load", "a.csv", "--column", "2", "--delimiter", ":"))["new"] == "6"
    (cli.folder / "b.tsv").write_text("é\tsong\n" + "".join(f"x\t{video_id}\n" for video_id in ids), "utf-16")
    assert figures(cli.ok("load", "b.tsv", "--encoding", "utf-16", "--delimiter", r"\t"))["already there"] == "6"


# --- plan


def test_plan_does_the_arithmetic_of_the_course(cli: CommandLine) -> None:
    assert figures(cli.ok("plan", "--videos", "631348")) == {
        "videos": "631,348",
        "calls": "12,627",
        "units": "138,897",
        "calls a day": "909",
        "videos a day": "45,450",
        "days": "14",
        "hours": "7.0",
        "storage": "669.2 MB",
    }


def test_plan_takes_another_price(cli: CommandLine) -> None:
    planned = figures(cli.ok("plan", "--videos", "631348", "--units-per-call", "1"))
    assert (planned["units"], planned["calls a day"], planned["days"]) == ("12,627", "10,000", "2")


def test_plan_tells_the_hours_at_the_configured_concurrency(cli: CommandLine) -> None:
    cli.write("config.toml", "[run]\nconcurrency = 10\n")
    assert "0.70  10 calls at once" in cli.ok("plan", "--videos", "631348")


def test_plan_counts_what_the_ledger_has_left(cli: CommandLine) -> None:
    cli.load(120)
    planned = figures(cli.ok("plan"))
    assert (planned["videos"], planned["calls"], planned["units"]) == ("120", "3", "33")


def test_plan_of_nothing_is_nothing(cli: CommandLine) -> None:
    assert figures(cli.ok("plan", "--videos", "0"))["days"] == "0"
