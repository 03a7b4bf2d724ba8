"""Look the pinned dependencies up in the public lists of known vulnerabilities: PyPI's, or else OSV's.

A vulnerability fails the check. Where neither list answers, as on a train, that is said in one line and is no
failure. `python .ci/audit.py [LOCK FILE]`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parents[1] / "requirements.lock"
SERVICES = ("pypi", "osv")
ANSWER_SECONDS = 3
"""For one answer; a service that is out of reach costs one of them."""
WHOLE_SECONDS = 60
"""For all packages of the file."""
ACCEPTED: tuple[str, ...] = ()
"""Vulnerabilities that do not concern us or cannot be mended yet, each with a comment that says why."""


def main(lock: Path = LOCK) -> int:
    # Needs no network: what fails here is the file or pip-audit itself, and must not pass for being offline.
    if subprocess.run([*command(lock), "--dry-run"], capture_output=True).returncode:  # noqa: S603
        say(f"audit: pip-audit cannot read {lock.name}")
        return 1
    for service in SERVICES:
        packages = ask(service, lock)
        audited = [package for package in packages if "vulns" in package]
        # A mirror of PyPI without its list knows none of the packages: that is no answer either.
        if audited:
            return report(audited, len(packages))
    say(f"audit: no list of vulnerabilities could be reached: {lock.name} was not looked up")
    return 0


def ask(service: str, lock: Path) -> list[dict[str, Any]]:
    """What the service says of each package; nothing where it cannot be reached."""
    line = [*command(lock), "--vulnerability-service", service, "--format", "json", "--timeout", str(ANSWER_SECONDS)]
    line += [f"--ignore-vuln={name}" for name in ACCEPTED]
    try:
        done = subprocess.run(line, capture_output=True, timeout=WHOLE_SECONDS)  # noqa: S603
        packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        return []
    return packages


def command(lock: Path) -> list[str]:
    pip_audit = [sys.executable, "-m", "pip_audit", "--progress-spinner", "off"]
    return [*pip_audit, "--requirement", str(lock), "--require-hashes", "--disable-pip"]


def report(audited: list[dict[str, Any]], asked: int) -> int:
    found = [(package, flaw) for package in audited for flaw in package["vulns"]]
    for package, flaw in found:
        mended = ", ".join(flaw["fix_versions"]) or "no version yet"
        say(f"audit: {package['name']} {package['version']}: {flaw['id']}, mended in {mended}")
    unknown = asked - len(audited)
    say(f"audit: {len(found)} known vulnerabilities in {len(audited)} packages{f', {unknown} unknown' * bool(unknown)}")
    return 1 if found else 0


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:2])))
