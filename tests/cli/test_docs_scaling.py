"""docs/scaling.md and docs/dask.md: figures that follow from the code do, options are there, links lead somewhere."""

from __future__ import annotations

import re
import shlex

import click
import pytest
import yaml
from docs_kit import dead_links, text_of

from harvester.export.storage.s3_multipart_upload import PART_BYTES


@pytest.mark.parametrize("page", ["scaling.md", "dask.md"])
def test_links_lead_somewhere(page: str) -> None:
    assert dead_links(page) == []


def test_the_requests_of_an_export_are_those_that_are_made() -> None:
    """One to begin, one to complete, a request each piece; the manifest is one more."""
    text = " ".join(text_of("scaling.md").split())
    (whole, part) = re.findall(r"manifest: (\d+) for the course's json.*?parts of 250 MB, (\d+) requests each", text)[0]
    assert int(whole) == 2 + -(-2_840_000_000 // PART_BYTES) + 1
    assert int(part) == 2 + -(-250_000_000 // PART_BYTES)


def test_dask_has_the_commands_with_these_options() -> None:
    from distributed.cli import dask_scheduler, dask_ssh, dask_worker

    commands: dict[str, click.Command] = {
        "ssh": dask_ssh.main,
        "worker": dask_worker.main,
        "scheduler": dask_scheduler.main,
    }
    text = text_of("dask.md")
    cluster = yaml.safe_load(text_of("dask/cluster.yaml"))
    containers = [cluster["spec"][role]["spec"]["containers"][0] for role in ("scheduler", "worker")]
    lines = [container["args"] for container in containers]
    lines += map(shlex.split, re.findall(r"dask (?:ssh|worker) [^`]*--memory-limit \w+", text))
    assert len(lines) == 4
    for _, name, *words in lines:
        known = {option for parameter in commands[name].params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known
