"""How a ledger on a server is named in the settings, and that its password is shown nowhere."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

import pytest
from children import Program
from postgres_server import PostgresServer

from harvester.app import Harvester
from harvester.config import load_config
from harvester.errors import ConfigError, HarvesterError, LedgerUnusable
from harvester.ledger import open as ledger_open

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("postgresql://me:s3cr3t%40@db.example:5433/crawl", "postgresql://db.example:5433/crawl"),
        ("postgres://me@a:1,b:2/crawl?target_session_attrs=read-write", "postgresql://a:1,b:2/crawl"),
        ("postgresql:///crawl?host=/run/postgresql&password=s3cr3t", "postgresql:///crawl"),
        ("postgresql://[::1]/crawl", "postgresql://[::1]/crawl"),
    ],
)
def test_a_server_is_named_without_user_and_password(monkeypatch: pytest.MonkeyPatch, url: str, name: str) -> None:
    monkeypatch.setenv("HARVESTER_LEDGER__URL", url)
    config = load_config()
    assert (config.ledger.url, config.ledger.path, config.ledger.name) == (url, None, name)
    assert SECRET not in repr(config)


@pytest.mark.parametrize(
    "url", ["postgresql://me:s3cr3t@127.0.0.1:1/crawl", "postgresql:///crawl?host=127.0.0.1&password=s3cr3t"]
)
def test_a_password_does_not_travel_to_the_workers_of_a_cluster(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("HARVESTER_LEDGER__URL", url)
    with pytest.raises(ConfigError, match=r"ledger\.url would travel") as refusal:
        Harvester(load_config()).export(dask="local")
    assert SECRET not in str(refusal.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:s3cr3t/x@db/crawl",
        "postgresql://me:s3cr3t@x@db/crawl",
        "postgresql://me:s3cr3t#x@db/crawl",
        "postgresql://me:s3cr3t?x@db/crawl",
        "postgresql://me:s3cr3t x@db/crawl",
        "postgresql+asyncpg://me:s3cr3t@db/crawl",
    ],
)
def test_an_address_in_which_the_password_could_be_taken_for_something_else_is_refused_unshown(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("HARVESTER_LEDGER__URL", url)
    with pytest.raises(ConfigError, match=r"ledger\.url \(.*\): must name") as caught:
        load_config()
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("postgresql://me:s3cr3t@127.0.0.1:1/crawl", 4),
        ("postgresql://me:s3cr3t%zz@127.0.0.1:1/crawl", 3),
        ("postgresql://me:s3cr3t@127.0.0.1:1/crawl?nonsense=s3cr3t", 3),
        ("postgresql://me:s3cr3t@/crawl?host={folder}", 3),
        ("postgresql://harvester:s3cr3t@/nowhere?host={folder}", 3),
    ],
)
def test_errors_name_the_server_and_never_the_password(server: PostgresServer, url: str, code: int) -> None:
    with pytest.raises(HarvesterError, match="postgresql://") as caught:
        ledger_open.check(url.format(folder=server.folder))
    assert caught.value.exit_code == code
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_without_the_extra_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(LedgerUnusable, match=r"harvester\[postgres\]"):
        ledger_open.check("postgresql://db/crawl")


def test_init_load_doctor_and_export_work_as_they_do_on_a_file(
    harvester: Program, server: PostgresServer, tmp_path: Path
) -> None:
    harvester.env["HARVESTER_LEDGER__URL"] = server.url(server.empty_database())
    (harvester.folder / "songs.csv").write_text("song\n0000000001A\n0000000002A\nno id\n", encoding="utf-8")
    assert "ready postgresql://" in harvester.run("init").stdout
    assert "invalid        1" in harvester.run("load", "songs.csv").stdout
    (found,) = [line for line in harvester.run("doctor", "--offline").stdout.splitlines() if "postgresql://" in line]
    assert "fsync = off" in found  # as the tests' server has it
    assert harvester.run("export", "songs.json").returncode == 0
    # Who reads what is published need not know the server.
    assert '"ledger": "empty' in (harvester.folder / "songs.json.manifest.json").read_text(encoding="utf-8")
