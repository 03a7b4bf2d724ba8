"""The simulator as a process of its own: it serves, ends, and never outlives who started it."""

import os
import signal
import subprocess
import sys
import warnings
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
from simulator_schema import discovery_document
from waiting import LIMIT_SECONDS, wait_until

from harvester.simulator import SimulatorProcess, SimulatorSettings, channel_named, make_ids

NOON = datetime(2026, 11, 23, 20, tzinfo=UTC)


def _google(base_url: str, **options):
    with warnings.catch_warnings():
        # what the import of Google's client warns about is not ours to mend
        warnings.simplefilter("ignore")
        from googleapiclient.discovery import build_from_document
    return build_from_document(
        discovery_document(),
        developerKey="any",
        client_options={"api_endpoint": base_url},
        **options,
    )


@pytest.mark.parametrize("endpoint", ["/youtube/v3", ""])
def test_google_s_own_client_works_unchanged(endpoint: str):
    from googleapiclient.errors import HttpError

    ids = list(make_ids(5, 50))
    with SimulatorProcess(SimulatorSettings(seed=5, missing_share=0)) as simulator:
        base_url = simulator.base_url.removesuffix("/youtube/v3") + endpoint
        with _google(base_url) as youtube:
            joined = youtube.videos().list(part="snippet,statistics", id=",".join(ids)).execute()
            listed = youtube.videos().list(part=["snippet", "statistics"], id=ids).execute()
            assert {item["id"] for item in joined["items"]} == set(ids)
            assert listed["items"] == joined["items"]
            simulator.script("503")
            with pytest.raises(HttpError, match="503"):
                youtube.videos().list(part="id", id=ids[0]).execute()
        assert simulator.report()["keys_in_urls"] == 3


def test_google_s_own_client_lists_a_channel_unchanged():
    with SimulatorProcess(SimulatorSettings(seed=5)) as simulator, _google(simulator.base_url) as youtube:
        [channel] = youtube.channels().list(part="contentDetails", forHandle="@songs-130").execute()["items"]
        uploads = channel["contentDetails"]["relatedPlaylists"]["uploads"]
        items = youtube.playlistItems()
        found = []
        request = items.list(part="contentDetails", playlistId=uploads, maxResults=50)
        while request is not None:
            page = request.execute()
            found += [item["contentDetails"]["videoId"] for item in page["items"]]
            request = items.list_next(request, page)
        assert found == list(channel_named("songs-130").video_ids(5, reversed(range(130))))
        calls = {name: counts["calls"] for name, counts in simulator.report()["endpoints"].items()}
        assert calls == {"channels.list": 1, "playlistItems.list": 3}


def test_it_starts_is_turned_and_ends():
    settings = SimulatorSettings(
        seed=3, clock_start=NOON, daily_units=100, units_per_call=7, valid_key="k", faults="mild"
    )
    with SimulatorProcess(settings) as simulator:
        assert simulator.base_url.startswith("http://127.0.0.1:")
        assert psutil.pid_exists(simulator.pid)
        assert "k" not in psutil.Process(simulator.pid).cmdline()
        simulator.spend(12)
        simulator.set_level("none")
        simulator.jump_clock(datetime(2026, 11, 25, tzinfo=UTC))
        simulator.script("403_quota", "drop")
        report = simulator.report()
        assert report["days"]["2026-11-23"]["elsewhere"] == 12
        assert report["now"].startswith("2026-11-25T00:00")
        assert simulator.delivered() == []
        with pytest.raises(ValueError, match="backward"):
            simulator.jump_clock(NOON)
        with pytest.raises(ValueError, match="no such fault"):
            simulator.script("whatever")
        pid = simulator.pid
    assert not psutil.pid_exists(pid)
    simulator.stop()


def test_a_port_that_is_taken_is_said():
    with SimulatorProcess() as simulator:
        port = int(simulator.base_url.split(":")[2].split("/")[0])
        with pytest.raises(RuntimeError, match="ended before it served"):
            SimulatorProcess(SimulatorSettings(port=port)).start()


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(signal_number: int):
    child = subprocess.Popen(
        [sys.executable, "-m", "harvester.simulator"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline().startswith("http://127.0.0.1:")
    child.send_signal(signal_number)
    out, err = child.communicate(timeout=LIMIT_SECONDS)
    assert (child.returncode, out, err) == (0, "", "")


def test_it_dies_with_its_parent(tmp_path: Path):
    pid_file = tmp_path / "pid"
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import pathlib, sys, time\n"
            "from harvester.simulator import SimulatorProcess\n"
            "simulator = SimulatorProcess()\n"
            "simulator.start()\n"
            "pathlib.Path(sys.argv[1]).write_text(str(simulator.pid))\n"
            "print('up', flush=True)\n"
            "time.sleep(60)\n",
            str(pid_file),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    with parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "up\n"
        child = int(pid_file.read_text())
        assert psutil.pid_exists(child)
        os.kill(parent.pid, signal.SIGKILL)
    wait_until(lambda: not psutil.pid_exists(child))


def test_the_package_imports_neither_the_harvester_nor_a_web_server_unasked():
    code = (
        "import sys\n"
        "from harvester.simulator import Content, FaultPlan, SimulatorProcess, make_ids, truth\n"
        "assert callable(truth)\n"
        "assert 'aiohttp' not in sys.modules\n"
    )
    package = Path(__file__).parents[2] / "harvester" / "simulator"
    for module in package.glob("*.py"):
        assert "from harvester" not in module.read_text()
        assert "from .." not in module.read_text()
    subprocess.run([sys.executable, "-c", code], check=True)
