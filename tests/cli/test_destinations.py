"""What harvester did not write it does not replace, unless --force says so; source, settings and ledger never."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from command_line import Api, CommandLine
from crawled_ledger import crawled_ledger

MINE = "id,what\n1,my own work\n"
WRITES = {
    "export": ["export", "{}"],
    "page": ["status", "--html", "{}"],
    "metrics": ["status", "--prometheus", "{}"],
}


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once: it is the same for every test."""
    path = tmp_path_factory.mktemp("ledger") / "harvest.db"
    crawled_ledger(path, 3, [])
    return path


@pytest.fixture
def crawl(cli: CommandLine, ledger: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """A ledger and its settings, which name the source and the key's file."""
    cli.write("config.toml", '[source]\nuri = "songs.csv"\n')
    cli.write("key", "the-key")
    monkeypatch.setenv("YOUTUBE_API_KEY_FILE", str(cli.folder / "key"))
    cli.write("songs.csv", "song\nxxxxxxxxxx0\n")
    shutil.copy(ledger, cli.folder / "harvest.db")
    return cli


def refused(cli: CommandLine, *arguments: str) -> str:
    """What it says; nothing in the folder has changed."""
    before = snapshot(cli.folder)
    result = cli(*arguments)
    assert (result.exit_code, "Nothing was written." in result.stderr) == (3, True), result.stderr
    assert snapshot(cli.folder) == before
    return result.stderr


def snapshot(folder: Path) -> dict[str, bytes]:
    # SQLite's shared memory is there while somebody reads.
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(("-wal", "-shm"))
    }


def command(kind: str, place: str, *more: str) -> list[str]:
    return [word.format(place) for word in WRITES[kind]] + list(more)


@pytest.mark.parametrize("kind", WRITES)
class TestStrangersFiles:
    def test_one_is_refused_and_replaced_with_force(self, crawl: CommandLine, kind: str) -> None:
        crawl.write("mine", MINE)
        assert "add --force" in refused(crawl, *command(kind, "mine"))
        crawl.ok(*command(kind, "mine", "--force"))
        assert (crawl.folder / "mine").read_text(encoding="utf-8") != MINE

    def test_ours_is_replaced(self, crawl: CommandLine, kind: str) -> None:
        for _ in range(2):
            crawl.ok(*command(kind, "ours"))

    def test_an_empty_file_is_replaced(self, crawl: CommandLine, kind: str) -> None:
        crawl.write("empty", "")
        crawl.ok(*command(kind, "empty"))

    def test_what_another_command_wrote_is_refused(self, crawl: CommandLine, kind: str) -> None:
        for other in WRITES.keys() - {kind}:
            crawl.ok(*command(other, other))
            refused(crawl, *command(kind, other))


def test_what_was_loaded_is_a_source(cli: CommandLine) -> None:
    cli.load(3)
    for kind in WRITES:
        assert "the source" in refused(cli, *command(kind, "songs.csv", "--force"))


NEVER = ("songs.csv", "config.toml", "harvest.db", "harvest.db-wal", "harvest.db-shm", "key", "harvest.db.before-0003")


@pytest.mark.parametrize("kind", WRITES)
def test_what_is_never_replaced(crawl: CommandLine, kind: str) -> None:
    crawl.write("harvest.db.before-0003", "an old ledger")
    for name in NEVER:
        assert "never replaced" in refused(crawl, *command(kind, name))
        assert "never replaced" in refused(crawl, *command(kind, name, "--force"))


@pytest.mark.parametrize("force", [[], ["--force"]], ids=["", "force"])
class TestExports:
    def test_whose_manifest_would_be_one_of_them(self, crawl: CommandLine, force: list[str]) -> None:
        settings = crawl.write("songs.json.manifest.json", '[source]\nuri = "x"\n')
        assert "never replaced" in refused(crawl, "--config", str(settings), "export", "songs.json", *force)

    def test_into_a_folder_that_holds_one_of_them(self, crawl: CommandLine, force: list[str]) -> None:
        parts = crawl.folder / "parts"
        parts.mkdir()
        (crawl.folder / "songs.csv").rename(parts / "part-000000000001.json")
        crawl.write("config.toml", '[source]\nuri = "parts/part-000000000001.json"\n')
        reported = refused(crawl, "export", "parts", "--max-part-bytes", "100000", *force)
        assert "holds the source" in reported

    def test_the_ledger_of_another_crawl(self, crawl: CommandLine, force: list[str]) -> None:
        other = crawl.folder / "other.db"
        other.write_bytes((crawl.folder / "harvest.db").read_bytes())
        assert "a database" in refused(crawl, "export", "other.db", *force)


class TestManifests:
    def test_one_that_is_none_is_not_replaced(self, crawl: CommandLine) -> None:
        crawl.write("songs.json.manifest.json", MINE)
        assert "it is no manifest" in refused(crawl, "export", "songs.json")
        crawl.ok("export", "songs.json", "--force")

    def test_a_file_that_was_changed_since(self, crawl: CommandLine) -> None:
        crawl.ok("export", "songs.json")
        crawl.write("songs.json", MINE)
        assert "it was changed since" in refused(crawl, "export", "songs.json")

    def test_one_of_another_file(self, crawl: CommandLine) -> None:
        crawl.ok("export", "songs.json")
        (crawl.folder / "songs.json.manifest.json").rename(crawl.folder / "mine.manifest.json")
        crawl.write("mine", MINE)
        assert "names something else" in refused(crawl, "export", "mine")

    def test_one_of_an_earlier_version(self, crawl: CommandLine) -> None:
        """With the keys that manifests have always had, and another order of them."""
        crawl.write("songs.json", "[]\n")
        crawl.write(
            "songs.json.manifest.json",
            '{"harvester": "0.1", "file": "songs.json", "format": "json", "compression": "none", "complete": true, '
            '"counts": {"total": 0}, "responses": 0, "videos": 0, "bytes": 3, "exported_at": "2026-11-23T10:30:00Z", '
            f'"ledger": "harvest.db", "source": null, "sha256": "{"0" * 64}"}}',
        )
        crawl.ok("export", "songs.json")


PARTS = ["export", "parts", "--max-part-bytes", "100000"]


class TestFolders:
    def test_parts_of_somebody_else(self, crawl: CommandLine) -> None:
        """Other programs number parts in the same way."""
        (crawl.folder / "parts").mkdir()
        crawl.write("parts/part-000000000001.json", "[]\n")
        assert "there is no manifest next to it" in refused(crawl, *PARTS)
        crawl.ok(*PARTS, "--force")
        crawl.ok(*PARTS)

    def test_a_part_that_was_put_beside_ours(self, crawl: CommandLine) -> None:
        crawl.ok(*PARTS)
        crawl.write("parts/part-000000000009.json", "[]\n")
        assert "part-000000000009.json" in refused(crawl, *PARTS)

    @pytest.mark.parametrize("force", [[], ["--force"]], ids=["", "force"])
    @pytest.mark.parametrize("name", ["notes.txt", ".hidden", "part-000000000009.json/mine"])
    def test_other_files_are_never_removed(self, crawl: CommandLine, force: list[str], name: str) -> None:
        crawl.ok(*PARTS)
        (crawl.folder / "parts" / name).parent.mkdir(exist_ok=True)
        crawl.write(f"parts/{name}", MINE)
        assert "no part of an export" in refused(crawl, *PARTS, *force)

    def test_a_folder_that_is_empty(self, crawl: CommandLine) -> None:
        (crawl.folder / "parts").mkdir()
        crawl.ok(*PARTS)


class TestSchedule:
    UNITS = ("harvester.timer", "harvester.service", "harvester-notice.service")

    def test_units_of_ours_are_replaced(self, crawl: CommandLine) -> None:
        for _ in range(2):
            crawl.ok("schedule", "--systemd", "--out", "units")

    @pytest.mark.parametrize("name", UNITS)
    def test_one_of_somebody_else_leaves_all_as_they_are(self, crawl: CommandLine, name: str) -> None:
        (crawl.folder / "units").mkdir()
        crawl.write(f"units/{name}", "[Unit]\nDescription=mine\n")
        refused(crawl, "schedule", "--systemd", "--out", "units")
        crawl.ok("schedule", "--systemd", "--out", "units", "--force")
        assert "Description=mine" not in (crawl.folder / "units" / name).read_text(encoding="utf-8")

    def test_the_settings_are_never_one(self, cli: CommandLine) -> None:
        settings = cli.write("harvester.timer", "")
        assert "never replaced" in refused(
            cli, "--config", str(settings), "schedule", "--systemd", "--out", ".", "--force"
        )


class TestPageOfTheSettings:
    @pytest.mark.parametrize("name", ["mine.html", "songs.csv", "config.toml", "harvest.db"])
    def test_a_run_is_refused_before_it_begins(
        self, crawl: CommandLine, api: Api, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        crawl.write("mine.html", "<title>mine</title>")
        monkeypatch.setenv("HARVESTER_REPORT__HTML", name)
        reported = refused(crawl, "run")
        assert "report.html" in reported
        assert "no unit was spent" in reported
        assert api.calls == 0

    def test_what_came_there_during_the_run_is_a_warning(
        self, crawl: CommandLine, api: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HARVESTER_REPORT__HTML", "report.html")

        def put_there(*_: object) -> None:
            crawl.write("report.html", MINE)

        monkeypatch.setattr("harvester.cli.run._check_page", put_there)
        result = crawl("run")
        assert (result.exit_code, "did not write" in result.stderr) == (0, True), result.stderr
        assert (crawl.folder / "report.html").read_text(encoding="utf-8") == MINE


def test_force_is_for_what_is_written(cli: CommandLine) -> None:
    assert cli("status", "--force").exit_code == 2
    assert cli("schedule", "--force").exit_code == 2
