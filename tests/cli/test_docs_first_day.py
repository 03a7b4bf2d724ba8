"""docs/first-day.md works as written; its figures are those of the plan."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from children import Simulate
from command_line import Api, CommandLine
from docs_kit import dead_links, run_as_written, snippets, text_of

from harvester.simulator import make_ids

PAGE = "first-day.md"
TEXT = text_of(PAGE)


def test_the_commands_run_as_written(tmp_path: Path, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("YOUTUBE_API_KEY")
    folder = tmp_path / "crawl"
    folder.mkdir()
    (folder / "songs.csv").write_text("\n".join(["song", *make_ids(0, 120), ""]), encoding="utf-8")
    scripts = snippets(PAGE)
    assert len(scripts) == 6
    output = run_as_written("\n".join(scripts), tmp_path, HOME=str(tmp_path), typed="key-of-the-first-day\n").stdout
    assert "key-of-the-first-day" not in output
    assert (folder / "youtube.key").stat().st_mode & 0o777 == 0o600
    assert api.calls == 1
    assert "Call limit reached: 1 call, 11 units" in output
    assert "Would send 2 calls for 70 ids and spend 2 of" in output
    assert re.search(r"^\d+ videos came$", output, re.MULTILINE)
    assert "The ledger is consistent: 120 ids, 1 call" in output


def test_the_figures_are_those_of_the_plan(cli: CommandLine) -> None:
    rows = re.findall(r"^\| (\d+) \| ([\d,]+) \| ([\d,]+) \| (\d+) \|$", TEXT, re.MULTILINE)
    assert [row[0] for row in rows] == ["11", "1"]
    cli.ok("init")
    for price, calls, ids, days in rows:
        plan = cli.ok("plan", "--videos", "631348", "--units-per-call", price)
        for name, documented in (("calls a day", calls), ("videos a day", ids), ("days", days)):
            assert re.search(rf"^{name} +{documented}(?: |$)", plan, re.MULTILINE), plan


def test_a_price_told_too_high_leaves_units_unspent(cli: CommandLine, simulate: Simulate) -> None:
    simulator = simulate(daily_units=50, units_per_call=1)
    cli.load(1000)
    settings = f'[youtube]\nbase_url = "{simulator.base_url}"\n[quota]\ndaily_units = 50\nunits_per_call = 11\n'
    cli.write("config.toml", settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("YOUTUBE_API_KEY", "any")
        cli.ok("-q", "run")
    quota = cli.status()["quota"]
    assert (quota["spent"], simulator.report()["calls"]) == (44, 4)
    assert not quota["closed_by_server"]


def test_links_lead_somewhere() -> None:
    assert dead_links(PAGE) == []
