"""docs/channels.md works as written, and its tables say what the code does."""

from __future__ import annotations

from command_line import Api, CommandLine
from docs_kit import dead_links, run_as_written, snippets, table

from harvester.config import QuotaSettings
from harvester.youtube.endpoints import CHANNELS_LIST, PLAYLIST_ITEMS_LIST, VIDEOS_LIST

PAGE = "channels.md"


def test_the_session_runs_as_written(cli: CommandLine, api: Api) -> None:
    [session] = snippets(PAGE)
    output = run_as_written(session, cli.folder).stdout
    assert "1\t@songs-120\tSongs 120\t3\t120\t120\tread; 120 ids found\n" in output
    assert "3\t@nobody\t\t0\t0\t0\tfailed: channelNotFound\n" in output
    status = cli.status()
    assert (status["videos"]["total"], status["videos"]["pending"]) == (620, 0)
    calls = {name: counts["calls"] for name, counts in api.simulator.report()["endpoints"].items()}
    assert calls["playlistItems.list"] == 3 + 10 + 2


def test_the_prices_are_those_of_the_settings() -> None:
    settings = QuotaSettings()
    priced = {CHANNELS_LIST: "units_per_channel", PLAYLIST_ITEMS_LIST: "units_per_page", VIDEOS_LIST: "units_per_call"}
    assert {call: units for call, _, units in table(PAGE, "call")} == {
        endpoint.name: f"{endpoint.quota(settings).units_per_call}, `quota.{name}`" for endpoint, name in priced.items()
    }
    assert all(hasattr(settings, name) for name in priced.values())


def test_links_lead_somewhere() -> None:
    assert dead_links(PAGE) == []
