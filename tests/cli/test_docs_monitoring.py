"""docs/monitoring.md says what is so: its table is what is written, its alerts ask for what there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from command_line import Api, CommandLine
from prometheus_client.parser import text_string_to_metric_families

from harvester.crawl.run_report import Ending

TEXT = (Path(__file__).parents[2] / "docs" / "monitoring.md").read_text(encoding="utf-8")
OF_NODE_EXPORTER = {"node_textfile_mtime_seconds"}


def table() -> list[tuple[str, str, str]]:
    rows = TEXT.partition("| metric | type | what it says |")[2].split("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows]
    return [(name.strip("`"), kind, says) for name, kind, says in cells]


def rules() -> list[dict[str, Any]]:
    found = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    assert len(found) == 1
    (group,) = yaml.safe_load(found[0])["groups"]
    return list(group["rules"])


def test_the_table_is_what_is_written(cli: CommandLine, api: Api) -> None:
    cli.load(60)
    cli.ok("-q", "run")
    cli.ok("status", "--prometheus", "crawl.prom")
    written = []
    for family in text_string_to_metric_families((cli.folder / "crawl.prom").read_text(encoding="utf-8")):
        sample = family.samples[0]
        labels = f"{{{','.join(sample.labels)}}}" if sample.labels else ""
        written.append((f"{sample.name}{labels}", family.type, family.documentation))
    assert table() == written


def test_the_alerts_ask_for_metrics_that_there_are() -> None:
    known = {name.partition("{")[0] for name, _, _ in table()} | OF_NODE_EXPORTER
    for rule in rules():
        asked = set(re.findall(r"\b(?:harvester|node)_\w+", rule["expr"]))
        assert asked
        assert asked <= known
        assert rule["annotations"].keys() == {"summary", "action"}


def test_the_alerts_that_are_wanted_are_there() -> None:
    expressions = {rule["alert"]: rule["expr"] for rule in rules()}
    assert len(expressions) == len(rules())
    assert "26 * 3600" in expressions["HarvesterHasNotRun"]
    assert 'harvester_videos{state="failed"} > 0' in expressions["HarvesterFailedIds"]
    assert "delta" in expressions["HarvesterSpendsForNothing"]


def test_good_endings_are_those_of_the_code() -> None:
    (told,) = (match[1].split("|") for rule in rules() if (match := re.search(r'ending!~"(.*?)"', rule["expr"])))
    assert set(told) == set(Ending)
    assert all(f"`{ending}`" in TEXT for ending in Ending)
