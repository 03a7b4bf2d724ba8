"""`fetch_all` and `alt_fetch_all`, as a notebook calls them."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from children import Simulate
from waiting import until

import harvester
from harvester import alt_fetch_all, fetch_all
from harvester.errors import ApiUnavailable, CredentialsError
from harvester.ledger.sqlite.reader import SqliteReader
from harvester.model import VideoState
from harvester.simulator import SimulatorProcess, make_ids, truth

IDS = list(make_ids(0, 120))


@pytest.fixture
def api(simulate: Simulate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimulatorProcess:
    """A simulated API that the environment leads to, and an empty folder to work in."""
    simulator = simulate()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("YOUTUBE_API_KEY", "any")
    monkeypatch.setenv("HARVESTER_YOUTUBE__BASE_URL", simulator.base_url)
    return simulator


def found(responses: list[dict[str, Any]]) -> list[str]:
    """The ids in the order of the list: within a response, the API's own order means nothing."""
    return [
        video_id
        for response in responses
        for video_id in sorted((item["id"] for item in response["items"]), key=IDS.index)
    ]


def existing(ids: list[str]) -> list[str]:
    return [video_id for video_id in ids if truth(video_id) == "fetched"]


async def test_it_returns_the_responses_in_the_order_of_the_ids(api: SimulatorProcess) -> None:
    responses = await fetch_all(IDS)
    assert len(responses) == api.report()["calls"] == 3
    assert {response["kind"] for response in responses} == {"youtube#videoListResponse"}
    assert found(responses) == existing(IDS)
    assert {"snippet", "contentDetails", "status", "statistics"} <= responses[0]["items"][0].keys()


async def test_asking_again_pays_for_nothing_twice(api: SimulatorProcess) -> None:
    first = await fetch_all(IDS)
    assert await fetch_all(IDS) == first
    assert api.report()["calls"] == 3


async def test_a_longer_list_fetches_what_is_new_only(api: SimulatorProcess) -> None:
    await fetch_all(IDS[:100])
    responses = await fetch_all(IDS)
    assert found(responses) == existing(IDS)
    assert api.report()["calls"] == 3


async def test_some_of_what_is_stored_comes_without_the_rest(api: SimulatorProcess) -> None:
    await fetch_all(IDS)
    some = IDS[20:30] + IDS[60:65]
    responses = await fetch_all(some)
    assert (found(responses), len(responses)) == (existing(some), 2)
    assert api.report()["calls"] == 3


async def test_the_order_of_another_list_is_that_of_the_first_of_each_response(api: SimulatorProcess) -> None:
    stored = await fetch_all(IDS)
    assert await fetch_all(IDS[::-1]) == stored[::-1]


async def test_duplicates_are_asked_for_once(api: SimulatorProcess) -> None:
    responses = await fetch_all([*IDS[:30], *IDS[:30], *IDS[10:40]])
    assert found(responses) == existing(IDS[:40])
    assert api.report()["calls"] == 1


async def test_what_is_no_id_is_counted_and_never_sent(api: SimulatorProcess, caplog: pytest.LogCaptureFixture) -> None:
    responses = await fetch_all(["", "too short", *IDS[:10], "dQw4w9WgXcQ\u200bx", "too short"])
    assert found(responses) == existing(IDS[:10])
    assert api.report()["ids"]["distinct"] == 10
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warning.startswith("4 of the 14 texts are no video ids")
    assert r"'', 'too short', 'dQw4w9WgXcQ\u200bx'" in warning


async def test_a_text_is_read_as_load_reads_it(api: SimulatorProcess) -> None:
    forms = [f" {IDS[0]}\u200b", f"https://youtu.be/{IDS[1]}?t=4", f'="{IDS[2]}"', f"youtube {IDS[3]}", IDS[0]]
    assert found(await fetch_all(forms)) == existing(IDS[:4])
    assert api.report()["ids"]["distinct"] == 4


async def test_a_list_without_an_id_is_not_kept(api: SimulatorProcess, caplog: pytest.LogCaptureFixture) -> None:
    assert await fetch_all(["title", "artist"]) == []
    assert "2 of the 2 texts are no video ids" in caplog.text
    with SqliteReader(Path("harvest.db")) as reader:
        assert reader.progress().total == 0


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        (IDS[0], "one text"),
        ([IDS[0], float("nan")], "holds nan"),
        ([IDS[0], None], "missing values"),
        (pd.DataFrame({"song": IDS}), r'is a table.* pass one column of it, such as songs\["song"\]'),
        (pa.table({"song": IDS}), "is a table"),
    ],
    ids=["a text", "a missing number", "a missing value", "a data frame", "an Arrow table"],
)
async def test_what_is_no_list_of_texts_is_refused_before_anything_is_kept(
    api: SimulatorProcess, tmp_path: Path, ids: Any, words: str
) -> None:
    with pytest.raises(TypeError, match=words):
        await fetch_all(ids)
    assert list(tmp_path.iterdir()) == []


async def test_no_ids_are_no_calls(api: SimulatorProcess) -> None:
    assert await fetch_all([]) == []
    assert api.report()["calls"] == 0


async def test_any_iterable_of_ids_will_do(api: SimulatorProcess) -> None:
    assert found(await fetch_all(video_id for video_id in IDS[:5])) == existing(IDS[:5])


async def test_a_dry_run_sends_nothing_and_returns_one_response_a_call(
    api: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("YOUTUBE_API_KEY")
    responses = await fetch_all(IDS, dry_run=True)
    assert len(responses) == 3
    assert all(response["items"] == [] for response in responses)
    assert api.report()["calls"] == 0


async def test_a_dry_run_returns_what_is_stored_already(api: SimulatorProcess) -> None:
    await fetch_all(IDS[:50])
    responses = await fetch_all(IDS, dry_run=True)
    assert [bool(response["items"]) for response in responses] == [True, False, False]
    assert api.report()["calls"] == 1


async def test_it_says_what_it_does_in_two_lines(api: SimulatorProcess, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "harvester.notebook"):
        await fetch_all(IDS)
    first, last = [record.getMessage() for record in caplog.records if record.name == "harvester.notebook"]
    assert first == "Requesting data for 120 videos. Please wait..."
    assert last.startswith(f"Done! Fetched data from {len(existing(IDS))} videos in ")
    assert last.endswith(" sec")


async def test_a_day_that_is_spent_leaves_the_rest_for_another_call(
    api: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARVESTER_QUOTA__DAILY_UNITS", "22")
    assert found(await fetch_all(IDS)) == existing(IDS[:100])
    assert found(await fetch_all(IDS)) == existing(IDS[:100])
    monkeypatch.setenv("HARVESTER_QUOTA__DAILY_UNITS", "33")
    assert found(await fetch_all(IDS)) == existing(IDS)
    assert api.report()["calls"] == 3


async def test_a_batch_that_the_api_refuses_does_not_stop_the_others_or_itself(api: SimulatorProcess) -> None:
    api.script("400_bad_request")
    assert found(await fetch_all(IDS)) == existing(IDS)
    report = api.report()
    assert (report["calls"], report["good"]) == (5, 4)


async def test_the_only_batch_is_asked_in_halves_when_it_is_refused(api: SimulatorProcess) -> None:
    api.script("400_bad_request", "400_bad_request")
    assert sorted(found(await fetch_all(IDS[:50]))) == sorted(existing(IDS[:50]))
    assert api.report()["calls"] == 5


async def test_ids_of_a_batch_that_was_refused_earlier_do_not_stand_in_the_way(
    api: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARVESTER_QUOTA__DAILY_UNITS", "11")
    api.script("400_bad_request")
    assert await fetch_all(IDS[:50]) == []
    monkeypatch.delenv("HARVESTER_QUOTA__DAILY_UNITS")
    assert found(await fetch_all(IDS[50:])) == existing(IDS[50:])


async def test_a_day_called_spent_untruly_is_asked_about_once_more(
    api: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harvester.crawl.crawler.DOUBT_PAUSE_SECONDS", 0.05)
    api.script("quota_untrue")
    assert found(await fetch_all(IDS[:50])) == existing(IDS[:50])
    assert api.report()["calls"] == 2


async def test_it_goes_on_where_an_outage_cut_it_off(api: SimulatorProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARVESTER_RUN__CONCURRENCY", "1")
    await fetch_all(IDS[:50])
    monkeypatch.setenv("HARVESTER_RUN__PATIENCE_SECONDS", "0")
    api.script("503")
    with pytest.raises(ApiUnavailable):
        await fetch_all(IDS)
    assert found(await fetch_all(IDS)) == existing(IDS)
    assert api.report()["calls"] == 4


async def test_without_a_key_it_says_so_and_keeps_the_ids(
    api: SimulatorProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("YOUTUBE_API_KEY")
    with pytest.raises(CredentialsError, match="There is no API key"):
        await fetch_all(IDS)
    with SqliteReader(tmp_path / "harvest.db") as reader:
        assert reader.progress().videos[VideoState.PENDING] == 120


async def test_it_reads_the_settings_that_it_is_given(api: SimulatorProcess, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "mine.toml").write_text('[ledger]\nurl = "sqlite:///mine.db"\n', encoding="utf-8")
    await fetch_all(IDS[:5], config=folder / "mine.toml")
    assert (folder / "mine.db").exists()
    assert not (tmp_path / "harvest.db").exists()


def test_the_other_form_needs_no_loop(api: SimulatorProcess) -> None:
    responses = alt_fetch_all(IDS)
    assert found(responses) == existing(IDS)
    assert json.loads(json.dumps(responses)) == responses


async def test_the_other_form_works_where_a_loop_is_running(api: SimulatorProcess) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    ticking = asyncio.create_task(tick())
    await until(lambda: ticks > 1)
    assert found(alt_fetch_all(IDS)) == existing(IDS)
    assert alt_fetch_all(IDS, dry_run=True) == await fetch_all(IDS)
    assert not ticking.done()
    ticking.cancel()


def test_an_error_of_the_other_form_is_the_same(api: SimulatorProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("YOUTUBE_API_KEY")
    with pytest.raises(CredentialsError):
        alt_fetch_all(IDS)


async def test_an_error_of_the_other_form_is_the_same_where_a_loop_is_running(
    api: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("YOUTUBE_API_KEY")
    with pytest.raises(CredentialsError):
        alt_fetch_all(IDS)


def test_the_public_names_can_be_imported_and_no_others_are_promised() -> None:
    assert set(harvester.__all__) == {
        "Config",
        "Harvester",
        "HarvesterError",
        "RunReport",
        "SystemClock",
        "__version__",
        "alt_fetch_all",
        "fetch_all",
        "load_config",
    }
    namespace: dict[str, Any] = {}
    exec("from harvester import *", namespace)
    assert {name for name in namespace if name in harvester.__all__} == set(harvester.__all__)
