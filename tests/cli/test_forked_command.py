"""The `harvester` of documented shell sessions is forked, and is a shell's command like any other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from forks import commands
from waiting import LIMIT_SECONDS, wait_until


def started(line: str, folder: Path) -> subprocess.Popen[bytes]:
    env = os.environ | {"PATH": f"{commands()}:{os.environ['PATH']}"}
    return subprocess.Popen(["sh", "-c", line, sys.executable], cwd=folder, env=env)


def test_it_writes_where_the_shell_says_with_the_shell_s_mask_and_ends_with_its_code(tmp_path: Path) -> None:
    line = "umask 077; harvester init >out && echo any | harvester load - 2>err"
    assert started(line, tmp_path).wait(LIMIT_SECONDS) == 3
    assert (tmp_path / "config.toml").stat().st_mode & 0o777 == 0o600
    assert "harvest.db" in (tmp_path / "out").read_text()
    assert "no video id" in (tmp_path / "err").read_text()


@pytest.mark.parametrize("kill", [False, True])
def test_a_signal_ends_it(tmp_path: Path, kill: bool) -> None:
    command = started("exec harvester simulate >url", tmp_path)
    wait_until(lambda: (tmp_path / "url").exists() and (tmp_path / "url").read_text().endswith("\n"))
    port = int((tmp_path / "url").read_text().split(":")[2].split("/")[0])
    command.kill() if kill else command.terminate()
    assert command.wait(LIMIT_SECONDS) == (-9 if kill else 0)
    wait_until(lambda: port not in {at.laddr.port for at in psutil.net_connections() if at.status == "LISTEN"})
