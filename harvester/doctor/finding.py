"""The result of a check: ok, warning or problem, and what to do. Pure."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from harvester.errors import ConfigError, HarvesterError

SET_THE_CLOCK = "Let this machine set its clock by NTP (timedatectl set-ntp true)."


class Level(enum.StrEnum):
    """How serious a finding is."""

    OK = "ok"
    WARNING = "warning"
    """A crawl works, but should be improved."""
    PROBLEM = "problem"
    """A command would end with `exit_code` because of it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `doctor`. Its texts may come from a server or a file, and are sanitised when shown."""

    check: str
    level: Level
    what: str
    next_step: str = ""
    exit_code: int = 0


def ok(check: str, what: str) -> Finding:
    """Return a finding without a problem."""
    return Finding(check, Level.OK, what)


def warning(check: str, what: str, next_step: str) -> Finding:
    """Return a warning, with what to do."""
    return Finding(check, Level.WARNING, what, next_step)


def problem(check: str, error: HarvesterError) -> Finding:
    """Return the problem that an error describes, in one line."""
    what, next_step = (" ".join(text.split()) for text in (error.what, error.next_step))
    return Finding(check, Level.PROBLEM, what, next_step or "Fix that, then ask the doctor again.", error.exit_code)


def misconfigured(check: str, what: str, next_step: str) -> Finding:
    """Return a problem of the settings: exit code 3."""
    return problem(check, ConfigError(what, next_step=next_step))


def exit_code(findings: Sequence[Finding]) -> int:
    """Return the exit code of the first problem; 0 if there is none."""
    return next((finding.exit_code for finding in findings if finding.level is Level.PROBLEM), 0)
