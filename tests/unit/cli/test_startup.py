"""What a command imports, which is what it takes to begin. Each runs in a process of its own; no clock is read."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

import pytest
from children import Program

from harvester.cli.shared.global_options import GlobalOptions
from harvester.errors import ConfigError

# Slow to import, and not needed to say how far a crawl is.
NOT_FOR_STATUS = (
    "aiohttp",
    "aiosqlite",
    "alembic",
    "boto3",
    "botocore",
    "fsspec",
    "greenlet",
    "harvester.doctor",
    "harvester.export",
    "harvester.ledger.verify",
    "harvester.ledger.ledger",
    "harvester.ledger.sqlite.transaction_runner",
    "harvester.simulator",
    "harvester.sources",
    "harvester.crawl.runner",
    "harvester.youtube.classify",
    "harvester.youtube.client",
    "jinja2",
    "numpy",
    "pandas",
    "prometheus_client",
    "psutil",
    "pyarrow",
    "pygal",
    "rich._emoji_codes",
    "rich.progress",
    "s3fs",
    "sqlalchemy.dialects.postgresql",
    "sqlalchemy.ext.asyncio",
    "sqlalchemy.orm",
    "zstandard",
)
# From the standard library, and half of what `--help` would take with them.
NOT_FOR_HELP = ("asyncio", "importlib.metadata", "json", "logging", "sqlite3", "traceback")


def imported(program: Program, *arguments: str) -> set[str]:
    """Every module that the command imported, as Python itself tells on stderr."""
    program.env["PYTHONPROFILEIMPORTTIME"] = "1"
    done = program.run(*arguments)
    assert done.returncode == 0, done.stderr
    reported = (line for line in done.stderr.splitlines() if line.startswith("import time:"))
    return {line.rpartition("|")[2].strip() for line in reported}


def of_others(modules: Iterable[str]) -> set[str]:
    """The third-party packages among them that are there; what the site runs at every start is not ours to choose."""
    known = sys.stdlib_module_names | {"harvester", "sitecustomize", "usercustomize"}
    tops = {name.split(".")[0] for name in modules} - known
    return {top for top in tops if not top.startswith("_") and find_spec(top) is not None}


@pytest.fixture
def ledger(harvester: Program) -> Program:
    assert harvester.run("init").returncode == 0
    return harvester


@pytest.mark.parametrize("arguments", [("--help",), ("status", "--help"), ("--version",)], ids=" ".join)
def test_help_imports_click_and_little_else(harvester: Program, arguments: tuple[str, ...]) -> None:
    modules = imported(harvester, *arguments)
    assert of_others(modules) == {"click"}
    assert modules.isdisjoint(NOT_FOR_HELP)


def test_completion_imports_click_and_little_else(harvester: Program) -> None:
    harvester.env |= {
        "_HARVESTER_COMPLETE": "bash_complete",
        "COMP_WORDS": "harvester export --format ",
        "COMP_CWORD": "3",
    }
    modules = imported(harvester)
    assert "click.shell_completion" in modules
    assert of_others(modules) == {"click"}
    assert modules.isdisjoint(NOT_FOR_HELP)


def test_status_imports_what_reads_the_ledger_and_no_more(ledger: Program) -> None:
    modules = imported(ledger, "status")
    assert {"sqlalchemy", "msgspec"} <= modules
    assert modules.isdisjoint(("rich", *NOT_FOR_STATUS))


def test_status_for_programs_draws_nothing(ledger: Program) -> None:
    modules = imported(ledger, "status", "--json")
    assert "sqlalchemy" in modules
    assert modules.isdisjoint(("rich", *NOT_FOR_STATUS))


def test_metrics_need_neither_a_terminal_nor_the_page(ledger: Program) -> None:
    modules = imported(ledger, "status", "--prometheus", "crawl.prom")
    assert "prometheus_client" in modules
    assert modules.isdisjoint({"rich", *NOT_FOR_STATUS} - {"prometheus_client"})


def test_what_is_kept_out_exists() -> None:
    assert [name for name in (*NOT_FOR_STATUS, *NOT_FOR_HELP) if find_spec(name) is None] == []


def test_garbage_is_collected_again_once_the_settings_were_read(tmp_path: Path) -> None:
    GlobalOptions(None, 0, None).harvester()
    assert gc.isenabled()
    with pytest.raises(ConfigError, match="There is no configuration"):
        GlobalOptions(tmp_path / "nowhere.toml", 0, None).harvester()
    assert gc.isenabled()
