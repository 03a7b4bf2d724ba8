"""The API key and AWS's secrets: in nothing that a process says or leaves behind, however it ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import psutil
import pytest
from secrets_kit import API_KEY, AWS, PLAIN_KEY, Answer, Guarded, Handler, google_error, leaks_in, leaks_of, serving
from waiting import wait_until

from harvester.app import Harvester
from harvester.clock import SystemClock
from harvester.config import Config
from harvester.export.storage import s3_client
from harvester.simulator import SimulatorProcess, SimulatorSettings, make_ids
from harvester.sources import s3
from harvester.support.secret import Secret
from harvester.youtube.client import YouTubeClient


def url(folder: str) -> str:
    return f"{folder}/youtube/v3"


def run_against(program: Guarded, answer: Callable[[Handler], Answer], *arguments: str) -> CompletedProcess[str]:
    with serving(answer) as address:
        program.env["HARVESTER_YOUTUBE__BASE_URL"] = url(address)
        return program.run("-v", *(arguments or ("run",)))


class TestTheApi:
    @pytest.mark.parametrize("key", [API_KEY, PLAIN_KEY])
    def test_a_key_that_is_refused_and_repeated(self, guarded: Guarded, key: str) -> None:
        guarded.env["YOUTUBE_API_KEY"] = key

        def answer(asked: Handler) -> Answer:
            sent = asked.headers["X-Goog-Api-Key"]
            return google_error(403, f"Consumer 'api_key:{sent}' is suspended: see https://a.b/?key={sent}&x=1, {sent}")

        done = run_against(guarded, answer)
        assert done.returncode == 3
        assert "hidden" in done.stderr
        assert leaks_of(done, guarded.folder) == {}

    def test_a_message_that_is_cut_in_the_middle_of_the_key(self, guarded: Guarded) -> None:
        guarded.env["YOUTUBE_API_KEY"] = PLAIN_KEY
        done = run_against(guarded, lambda asked: google_error(403, "word " * 55 + PLAIN_KEY))
        assert done.returncode == 3
        assert leaks_of(done, guarded.folder) == {}

    def test_a_key_from_a_file(self, guarded: Guarded) -> None:
        (guarded.folder / "the-key").write_text(PLAIN_KEY)
        guarded.env |= {"YOUTUBE_API_KEY": "", "YOUTUBE_API_KEY_FILE": "the-key"}
        done = run_against(guarded, lambda asked: google_error(403, f"not {asked.headers['X-Goog-Api-Key']}"))
        assert (done.returncode, "hidden" in done.stderr) == (3, True)
        assert leaks_of(done, guarded.folder, but=("the-key",)) == {}

    def test_a_failing_server_that_repeats_it(self, guarded: Guarded) -> None:
        done = run_against(guarded, lambda asked: google_error(500, asked.headers["X-Goog-Api-Key"], reason="backend"))
        assert done.returncode == 4
        assert leaks_of(done, guarded.folder) == {}

    @pytest.mark.parametrize("place", ["title", "reason", "header of HTTP"])
    def test_odd_places(self, guarded: Guarded, place: str) -> None:
        guarded.env["YOUTUBE_API_KEY"] = PLAIN_KEY

        def answer(asked: Handler) -> Answer:
            if place == "title":
                return 502, "text/html", f"<html><title>{PLAIN_KEY}</title>".encode()
            if place == "reason":
                return google_error(403, "no", reason=PLAIN_KEY)
            return 403, f"application/{PLAIN_KEY}", b"{}"

        done = run_against(guarded, answer)
        assert done.returncode in (3, 4)
        assert leaks_of(done, guarded.folder) == {}

    def test_a_name_that_cannot_be_resolved(self, guarded: Guarded) -> None:
        guarded.env["HARVESTER_YOUTUBE__BASE_URL"] = "http://nowhere.invalid/youtube/v3"
        done = guarded.run("-v", "run")
        assert done.returncode == 4
        assert "dns_failed" in done.stderr
        assert leaks_of(done, guarded.folder) == {}

    def test_a_bug_in_the_middle_of_a_call(self, guarded: Guarded) -> None:
        # The frames of this traceback hold the key, in their locals and in the session's headers.
        guarded.run_instead("""
from harvester.cli.program import main
from harvester.youtube import client
async def broken(self, url, held):
    key = self._key.get_secret_value()
    raise RuntimeError(f"a bug near {self!r} and {self._session!r} with {self._key!r}")
client.YouTubeClient._get = broken
main()
""")
        done = guarded.run("-v", "run")
        assert done.returncode == 1
        assert "Traceback" in done.stderr
        assert "a bug near YouTubeClient" in done.stderr
        assert leaks_of(done, guarded.folder) == {}

    def test_an_exception_that_repeats_it_is_covered_too(self, guarded: Guarded) -> None:
        guarded.run_instead("""
import os
from harvester.cli.program import main
from harvester.youtube import client
async def broken(self, url, held):
    raise RuntimeError("headers: " + self._key.get_secret_value() + os.environ["AWS_SECRET_ACCESS_KEY"])
client.YouTubeClient._get = broken
main()
""")
        done = guarded.run("-v", "run")
        assert (done.returncode, "headers: [hidden][hidden]" in done.stderr) == (1, True)
        assert leaks_of(done, guarded.folder) == {}


class TestTheSettings:
    @pytest.mark.parametrize(
        "setting",
        [
            f'base_url = "https://youtube.googleapis.com/youtube/v3?key={API_KEY}"',
            f'base_url = "https://{API_KEY}@youtube.googleapis.com/youtube/v3"',
            f'base_url = "ftp://{API_KEY}"',
            f'api_key = "{API_KEY}"',
            f'parts = "{API_KEY}"',
            f'base_url = {API_KEY}"',
        ],
    )
    def test_a_key_in_the_wrong_place_is_refused_and_not_repeated(self, guarded: Guarded, setting: str) -> None:
        (guarded.folder / "config.toml").write_text(f"[youtube]\n{setting}\n")
        done = guarded.here("-v", "run")
        assert done.returncode == 3
        assert leaks_of(done, guarded.folder, but=("config.toml",)) == {}

    def test_the_same_by_the_environment(self, guarded: Guarded) -> None:
        guarded.env["HARVESTER_YOUTUBE__BASE_URL"] = f"https://youtube.googleapis.com/youtube/v3?key={API_KEY}"
        done = guarded.here("-v", "run")
        assert done.returncode == 3
        assert leaks_of(done, guarded.folder) == {}

    def test_no_repr_holds_them(self) -> None:
        config, key = Config(), Secret(API_KEY)
        client = YouTubeClient(config.youtube, key, concurrency=1, timeout_seconds=1, clock=SystemClock())
        harvester = Harvester(config, key=key)
        text = f"{config!r} {config} {harvester!r} {harvester} {client!r} {client} {vars(harvester)} {vars(client)}"
        assert "YouTubeClient" in text
        assert leaks_in(text.encode()) == []


def echoing_s3(asked: Handler) -> Answer:
    output = f"{asked.headers['Authorization']} {AWS['AWS_ACCESS_KEY_ID']} {asked.headers['X-Amz-Security-Token']}"
    body = f"<Error><Code>InvalidAccessKeyId</Code><Message>What is {output}?</Message></Error>"
    return 403, "application/xml", body.encode()


@pytest.fixture
def one_repetition(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a request to S3 that fails, in this process: the waits between several would be the longest part of a test."""
    monkeypatch.setattr(s3_client, "_ATTEMPTS", 2)
    monkeypatch.setattr(s3, "ATTEMPTS", 2)


@pytest.mark.usefixtures("one_repetition")
class TestS3:
    @pytest.mark.parametrize("command", ["export", "load", "verify"])
    def test_a_store_that_refuses_and_repeats(self, guarded: Guarded, command: str) -> None:
        place = ["verify", "--export"] if command == "verify" else [command]
        with serving(echoing_s3) as address:
            guarded.env["AWS_ENDPOINT_URL"] = address
            done = guarded.run("-v", *place, "s3://bucket/songs.json")
        assert done.returncode == 3
        assert "Traceback" in done.stderr
        assert leaks_of(done, guarded.folder) == {}

    @pytest.mark.parametrize("command", ["export", "load"])
    @pytest.mark.parametrize("address", ["http://me:endpoint0password@127.0.0.1:1", "me:endpoint0password@nowhere"])
    def test_an_endpoint_with_a_password(self, guarded: Guarded, command: str, address: str) -> None:
        guarded.env["AWS_ENDPOINT_URL"] = address
        done = guarded.here("-v", command, "s3://bucket/songs.json")
        assert done.returncode in (3, 4)
        assert leaks_of(done, guarded.folder) == {}

    @pytest.mark.parametrize("command", ["export", "load"])
    def test_a_token_that_no_header_can_hold(self, guarded: Guarded, command: str) -> None:
        guarded.env |= {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
        guarded.env["AWS_SESSION_TOKEN"] = AWS["AWS_SESSION_TOKEN"] + "\nx"
        done = guarded.here("-v", command, "s3://bucket/songs.json")
        assert done.returncode in (3, 4)
        assert leaks_of(done, guarded.folder) == {}

    def test_a_destination_with_a_password(self, guarded: Guarded) -> None:
        done = guarded.here("-v", "export", "ftp://me:endpoint0password@host/songs.json")
        assert done.returncode == 3
        assert leaks_of(done, guarded.folder) == {}


class TestAGoodCrawl:
    def test_nothing_of_it_holds_them(self, guarded: Guarded, simulate: Callable[..., SimulatorProcess]) -> None:
        simulator = simulate(valid_key=API_KEY)
        guarded.env["HARVESTER_YOUTUBE__BASE_URL"] = simulator.base_url
        commands = (
            ["run", "--dry-run"],
            ["--log-format", "json", "run"],
            ["status", "--json"],
            ["status"],
            ["export", "songs.json"],
            ["export", "songs.json.gz", "--compression", "gzip"],
            ["verify", "--export", "songs.json"],
        )
        for command in commands:
            done = guarded.run("-v", *command)
            assert done.returncode == 0, done.stderr
            assert leaks_of(done, guarded.folder) == {}
        report = simulator.report()
        assert (report["good"], report["keys_in_urls"]) == (1, 0)
        assert leaks_in(json.dumps(report).encode()) == []

    def test_the_process_list_while_it_runs(self, guarded: Guarded) -> None:
        with SimulatorProcess(SimulatorSettings(valid_key=API_KEY, latency_seconds=30)) as simulator:
            guarded.env["HARVESTER_YOUTUBE__BASE_URL"] = simulator.base_url
            child = guarded.start("-v", "run")
            wait_until(lambda: simulator.report()["in_flight"])
            processes = [psutil.Process(child.process.pid), psutil.Process(simulator.pid)]
            processes += processes[0].children(recursive=True)
            for process in processes:
                output = " ".join([*process.cmdline(), process.name()]).encode()
                assert leaks_in(output + Path(f"/proc/{process.pid}/cmdline").read_bytes()) == []
            child.kill()
        assert leaks_in(child.stderr.encode()) == []

    def test_a_ledger_is_for_its_owner_alone(self, guarded: Guarded, simulate: Callable[..., SimulatorProcess]) -> None:
        ids = "\n".join(make_ids(1, 200))
        simulator = simulate(seed=1, latency_seconds=0.3)
        guarded.env |= {"HARVESTER_YOUTUBE__BASE_URL": simulator.base_url, "HARVESTER_RUN__CONCURRENCY": "1"}
        guarded.here("load", "-", stdin=ids.encode())
        child = guarded.start("run")
        wait_until(lambda: simulator.report()["in_flight"])
        files = list(guarded.folder.glob("harvest.db*"))
        assert {file.name for file in files} == {"harvest.db", "harvest.db-wal", "harvest.db-shm"}
        assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
        assert child.wait() == 0
