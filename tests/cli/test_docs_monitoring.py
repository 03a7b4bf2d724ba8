"""docs/reference.md has the metrics that are written, and docs/monitoring/alerts.yaml asks for no others."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from typing import Any

import yaml
from command_line import Api, CommandLine
from docs_kit import dead_links, table, text_of
from prometheus_client.parser import text_string_to_metric_families

from harvester.crawl.run_report import Ending

TEXT = text_of("reference.md")
ALERTS = text_of("monitoring/alerts.yaml")
OF_NODE_EXPORTER = {"node_textfile_mtime_seconds"}


def metrics() -> list[tuple[str, str, str]]:
    return [(name.strip("`"), kind, says) for name, kind, says in table("reference.md", "metric")]


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(ALERTS)["groups"]
    return list(group["rules"])


def test_the_table_is_what_is_written(cli: CommandLine, api: Api) -> None:
    cli.load(60)
    cli.ok("-q", "run")
    with closing(sqlite3.connect(cli.folder / "harvest.db")) as db, db:
        db.execute("UPDATE responses SET fetched_at = '2026-01-01T00:00:00.000000Z'")
    cli.ok("-q", "refresh", "--statistics-only")
    cli.ok("status", "--prometheus", "crawl.prom")
    written = []
    for family in text_string_to_metric_families((cli.folder / "crawl.prom").read_text(encoding="utf-8")):
        sample = family.samples[0]
        labels = f"{{{','.join(sample.labels)}}}" if sample.labels else ""
        written.append((f"{sample.name}{labels}", family.type, family.documentation))
    assert metrics() == written


def test_the_alerts_ask_for_metrics_that_there_are() -> None:
    known = {name.partition("{")[0] for name, _, _ in metrics()} | OF_NODE_EXPORTER
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
    (documented,) = (match[1].split("|") for rule in rules() if (match := re.search(r'ending!~"(.*?)"', rule["expr"])))
    assert set(documented) == set(Ending)
    assert all(f"`{ending}`" in TEXT for ending in Ending)


def test_links_lead_somewhere() -> None:
    assert dead_links("monitoring.md") == []
