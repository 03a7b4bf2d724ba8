"""The audit of `make check`: a known vulnerability fails it, being offline does not."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from waiting import LIMIT_SECONDS

SCRIPT = Path(__file__).parents[2] / ".ci" / "audit.py"
FLAW = {"id": "PYSEC-2026-1", "fix_versions": ["1.1"], "aliases": [], "description": ""}
SOUND = {"name": "sound", "version": "1.0", "vulns": []}
FLAWED = {"name": "flawed", "version": "1.0", "vulns": [FLAW]}
UNKNOWN = {"name": "unknown", "skip_reason": "Dependency not found on PyPI"}


@pytest.mark.parametrize(
    ("answers", "code", "says"),
    [
        ([[SOUND]], 0, "0 known vulnerabilities in 1 packages"),
        ([[SOUND, FLAWED]], 1, "flawed 1.0: PYSEC-2026-1, mended in 1.1"),
        ([[UNKNOWN], [SOUND, FLAWED]], 1, "PYSEC-2026-1"),
        ([[SOUND, UNKNOWN]], 0, "in 1 packages, 1 unknown"),
        ([[UNKNOWN], [UNKNOWN]], 0, "no list of vulnerabilities could be reached"),
        ([None, None], 0, "no list of vulnerabilities could be reached"),
        (["late", None], 0, "no list of vulnerabilities could be reached"),
    ],
)
def test_verdicts(
    answers: list[Any], code: int, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    left = iter(answers)

    def run(line: list[str], **_: Any) -> Any:
        if "--dry-run" in line:
            return SimpleNamespace(returncode=0)
        answer = next(left)
        if answer == "late":
            raise subprocess.TimeoutExpired(line, 60)
        return SimpleNamespace(stdout=b"" if answer is None else json.dumps({"dependencies": answer}).encode())

    monkeypatch.setattr(subprocess, "run", run)
    assert runpy.run_path(str(SCRIPT))["main"]() == code
    assert says in capsys.readouterr().out


def test_a_file_that_cannot_be_read_is_not_taken_for_being_offline(tmp_path: Path) -> None:
    (tmp_path / "requirements.lock").write_text("idna==3.10\n")
    done = subprocess.run(
        [sys.executable, SCRIPT, tmp_path / "requirements.lock"], capture_output=True, timeout=LIMIT_SECONDS
    )
    assert (done.returncode, done.stdout) == (1, b"audit: pip-audit cannot read requirements.lock\n")


def test_offline_it_is_quick_and_no_failure(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(f"idna==3.10 --hash=sha256:{'0' * 64}\n")
    # A proxy that nobody is at: every service is out of reach.
    offline = {
        "HTTPS_PROXY": "http://127.0.0.1:1",
        "HTTP_PROXY": "http://127.0.0.1:1",
        "PATH": "",
        "HOME": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, SCRIPT, lock], env=offline, capture_output=True, text=True, timeout=LIMIT_SECONDS
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "audit: no list of vulnerabilities could be reached: requirements.lock was not looked up\n"
