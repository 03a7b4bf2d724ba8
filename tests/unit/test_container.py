"""Containerfile and compose.yaml say what is so. That they work is proved by `make container-check`."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from harvester.cli.program import main
from harvester.config import RunSettings, load_config

CHECKOUT = Path(__file__).parents[2]
CONTAINERFILE = (CHECKOUT / "Containerfile").read_text(encoding="utf-8").replace("\\\n", " ")
COMPOSE: dict[str, Any] = yaml.safe_load((CHECKOUT / "compose.yaml").read_text(encoding="utf-8"))
DOCUMENT = (CHECKOUT / "docs/container.md").read_text(encoding="utf-8")


def last(instruction: str) -> str:
    return re.findall(rf"^{instruction} (.+)$", CONTAINERFILE, re.MULTILINE)[-1].strip()


def test_the_image_has_no_rights_one_volume_and_a_health_check() -> None:
    assert last("USER") == "1000:1000"
    assert re.findall("^VOLUME (.+)", CONTAINERFILE, re.MULTILINE) == [last("WORKDIR")] == ["/crawl"]
    assert last("HEALTHCHECK").endswith('CMD ["harvester", "-q", "status"]')
    assert "YOUTUBE_API_KEY" not in CONTAINERFILE


def test_what_is_copied_is_there_and_is_all_that_a_wheel_is_built_of() -> None:
    copied = {name for names in re.findall(r"^COPY (?!--from)(.+) \S+$", CONTAINERFILE, re.M) for name in names.split()}
    assert copied == {"requirements.lock", "pyproject.toml", "README.md", "LICENSE", "harvester", "migrations"}
    assert all((CHECKOUT / name).exists() for name in copied)


def test_compose_names_settings_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    crawl = COMPOSE["services"]["harvester"]
    for name, value in crawl["environment"].items():
        monkeypatch.setenv(name, value)
    assert load_config().ledger.url == "postgresql://harvester@postgres/harvester"
    assert crawl["environment"]["YOUTUBE_API_KEY_FILE"] == "/run/secrets/" + crawl["secrets"][0]
    assert set(crawl["secrets"]) == set(COMPOSE["secrets"])
    assert crawl["build"]["dockerfile"] == "Containerfile"
    assert crawl["volumes"] == ["crawl:/crawl"]
    assert int(crawl["stop_grace_period"].removesuffix("s")) > RunSettings().timeout_seconds
    server = COMPOSE["services"]["postgres"]["environment"]
    assert server["POSTGRES_PASSWORD"] == crawl["environment"]["PGPASSWORD"]
    mounted = {each.partition(":")[0] for service in COMPOSE["services"].values() for each in service["volumes"]}
    assert mounted == set(COMPOSE["volumes"])


def test_the_document_uses_commands_and_options_that_there_are() -> None:
    lines = re.findall(r"^(?:crawl|docker compose .*harvester) ([a-z]+ .*|[a-z]+)$", DOCUMENT, re.MULTILINE)
    assert len(lines) >= 7
    for line in lines:
        name, *words = shlex.split(line.partition("<")[0].partition(">")[0])
        options = {option for parameter in main.commands[name].params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, line
