"""What a check found: all well, a warning or a problem, and what to do about it. Pure."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from harvester.errors import ConfigError, HarvesterError

SET_THE_CLOCK = "Let this machine set its clock by NTP (timedatectl set-ntp true)."


class Level(enum.StrEnum):
    OK = "ok"
    WARNING = "warning"
    """A crawl works, but this should be looked at."""
    PROBLEM = "problem"
    """Some command would end with `exit_code` for it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's. Texts may repeat what a server or a file said: they are shown with care."""

    check: str
    level: Level
    what: str
    next_step: str = ""
    exit_code: int = 0


def ok(check: str, what: str) -> Finding:
    return Finding(check, Level.OK, what)


def warning(check: str, what: str, next_step: str) -> Finding:
    return Finding(check, Level.WARNING, what, next_step)


def problem(check: str, error: HarvesterError) -> Finding:
    """The problem that this error tells of, in one line."""
    next_step = one_line(error.next_step) or "Fix that, then ask the doctor again."
    return Finding(check, Level.PROBLEM, one_line(error.what), next_step, error.exit_code)


def misconfigured(check: str, what: str, next_step: str) -> Finding:
    return problem(check, ConfigError(what, next_step=next_step))


def exit_code(findings: Sequence[Finding]) -> int:
    """What the first problem stands for; 0 where there is none."""
    return next((finding.exit_code for finding in findings if finding.level is Level.PROBLEM), 0)


def as_json(finding: Finding) -> dict[str, Any]:
    return asdict(finding)


def one_line(text: str) -> str:
    return " ".join(text.split())
