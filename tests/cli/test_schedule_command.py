"""schedule: what it prints runs under cron's bare environment, and systemd takes its units."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from children import Simulate
from command_line import CommandLine
from forks import commands
from waiting import LIMIT_SECONDS

from harvester.cli.schedule import host_zone

KEY = "AIzaSyTheKeyThatStandsInTheFile"


def cron_runs(folder: Path, printed: str) -> CompletedProcess[str]:
    """The printed line as cron starts it: its own reading of `%`, a shell, next to no environment."""
    (line,) = [line for line in printed.splitlines() if not line.startswith("#")]
    # A bare one ends the command; the rest would be its input.
    command = re.split(r"(?<!\\)%", line.split(maxsplit=5)[5])[0].replace(r"\%", "%")
    env = {"HOME": str(folder), "PATH": "/usr/bin:/bin", "SHELL": "/bin/sh", "LOGNAME": "you"}
    return subprocess.run(
        ["/bin/sh", "-c", command], cwd="/", env=env, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False
    )


@pytest.fixture
def crawl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """A crawl in a folder with a name that is a trial."""
    folder = tmp_path / "50% of it's $HOME"
    folder.mkdir()
    monkeypatch.chdir(folder)
    cli = CommandLine(folder)
    cli.ok("init")
    return cli


@pytest.fixture
def key_file(crawl: CommandLine, simulate: Simulate) -> Path:
    """Beside the settings: the key, and the simulated API that knows it."""
    crawl.load(120)
    url = simulate(valid_key=KEY).base_url
    return crawl.write("harvester.env", f"YOUTUBE_API_KEY={KEY}\nHARVESTER_YOUTUBE__BASE_URL={url}\n")


def test_the_line_for_cron_is_silent_until_a_run_fails(
    crawl: CommandLine, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [str(commands() / "harvester")])
    printed = crawl.ok("schedule", "--cron", "--zone", "Europe/Paris")
    done = cron_runs(crawl.folder, printed)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    log = (crawl.folder / "run.log").read_text()
    assert re.search(r"20\d\d.*\nNothing left: 3 calls, 33 units, .*\nEvery id is settled\.\n$", log)
    # The day's other start finds nothing to do.
    done = cron_runs(crawl.folder, printed)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "Nothing left: 0 calls" in (crawl.folder / "run.log").read_text()
    assert KEY not in printed + log

    key_file.write_text(key_file.read_text().replace(KEY, "another"))
    crawl.load(150)
    done = cron_runs(crawl.folder, printed)
    assert (done.returncode, done.stderr) == (3, "")
    assert "API_KEY_INVALID" in done.stdout
    assert len(done.stdout.splitlines()) <= 12
    assert (crawl.folder / "run.log").read_text().endswith(done.stdout)


def test_a_key_file_that_is_not_there_is_worth_a_mail(crawl: CommandLine) -> None:
    done = cron_runs(crawl.folder, crawl.ok("schedule", "--zone", "UTC"))
    assert done.returncode != 0
    assert "harvester.env" in done.stderr
    assert not (crawl.folder / "run.log").exists()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze here")
def test_systemd_takes_the_units(crawl: CommandLine) -> None:
    folder = crawl.folder / "units"
    (crawl.folder / "deeper").mkdir()
    output = crawl.ok("--config", "deeper/../config.toml", "schedule", "--systemd", "--out", str(folder))
    assert "/../" not in (folder / "harvester.service").read_text()
    names = ["harvester.timer", "harvester.service", "harvester-notice.service"]
    assert output.splitlines() == [f"wrote {folder / name}" for name in names]
    verified = subprocess.run(
        ["systemd-analyze", "verify", *(folder / name for name in names)], capture_output=True, text=True, check=False
    )
    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "")
    calendar = re.search(r"OnCalendar=(.*)", (folder / names[0]).read_text())
    assert calendar is not None
    read = subprocess.run(["systemd-analyze", "calendar", calendar[1]], capture_output=True, text=True, check=True)
    assert "00:10:00 America/Los_Angeles" in read.stdout


def test_the_units_name_what_runs_now_and_no_key(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cli.ok("init")
    monkeypatch.setenv("YOUTUBE_API_KEY", KEY)
    printed = cli.ok("schedule", "--systemd", "--env-file", "the.env")
    assert [line for line in printed.splitlines() if line.startswith("# /etc")] == [
        f"# /etc/systemd/system/{name}" for name in ("harvester.timer", "harvester.service", "harvester-notice.service")
    ]
    assert f"\nEnvironmentFile={cli.folder}/the.env\n" in printed
    assert f"\nReadWritePaths={cli.folder}\n" in printed
    program = re.search(r"\nExecStart=(.*) -q --config (.*)/config.toml run\n", printed)
    assert program is not None
    assert program[2] == str(cli.folder)
    assert subprocess.run([*program[1].split(), "--version"], capture_output=True, check=True, cwd=tmp_path).stdout
    assert program[1].startswith(str(Path(sys.executable).parent))
    assert KEY not in printed + cli.ok("schedule", "--cron")


def of_link(root: Path) -> None:
    (root / "etc/localtime").symlink_to("/usr/share/zoneinfo/Europe/Paris")


def of_another_place(root: Path) -> None:
    (root / "etc/localtime").symlink_to("/var/db/timezone/zoneinfo/Asia/Tokyo")


def of_copy(root: Path) -> None:
    (root / "etc/localtime").write_bytes(b"rules")
    (root / "etc/timezone").write_text("Etc/Ours\n")


def of_old_note(root: Path) -> None:
    of_copy(root)
    (root / "etc/localtime").write_bytes(b"other rules")


def of_no_note(root: Path) -> None:
    (root / "etc/localtime").write_bytes(b"rules")


def of_nothing(root: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("machine", "zone"),
    [
        (of_link, "Europe/Paris"),
        (of_another_place, "Asia/Tokyo"),
        (of_copy, "Etc/Ours"),
        (of_old_note, None),
        (of_no_note, None),
        (of_nothing, "UTC"),
    ],
)
def test_the_machine_s_zone_is_found_or_not_guessed(
    tmp_path: Path, machine: Callable[[Path], None], zone: str | None
) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "usr/share/zoneinfo/Etc").mkdir(parents=True)
    (tmp_path / "usr/share/zoneinfo/Etc/Ours").write_bytes(b"rules")
    machine(tmp_path)
    assert host_zone(tmp_path) == zone


def test_the_zone_of_this_shell_is_not_that_of_cron(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    cli.ok("init")
    before = cli("schedule")
    monkeypatch.setenv("TZ", "Pacific/Chatham")
    assert cli("schedule").output == before.output


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("schedule --zone Mars/Olympus", 2, "There is no time zone 'Mars/Olympus'"),
        ("schedule --zone ../etc/passwd", 2, "There is no time zone"),
        ("schedule --zone America", 2, "There is no time zone"),
        ("schedule --cron --systemd", 2, "not both"),
        ("schedule --out units", 2, "--out is for --systemd"),
        ("schedule --systemd --out config.toml/units", 3, "cannot be written"),
        ("schedule --systemd --out config.toml/units", 3, "Let --out name a folder"),
        ("--config nowhere.toml schedule", 3, "There is no configuration"),
    ],
)
def test_what_cannot_be_is_refused(cli: CommandLine, line: str, code: int, words: str) -> None:
    cli.ok("init")
    result = cli(*line.split())
    assert result.exit_code == code, result.output
    assert words in result.stderr


def test_without_settings_there_is_nothing_to_schedule(cli: CommandLine) -> None:
    result = cli("schedule")
    assert result.exit_code == 3
    assert "harvester init" in result.stderr
