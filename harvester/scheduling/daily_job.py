"""The daily run as crontab lines or systemd units, made of `templates/`.

The quota's day begins at midnight in Los Angeles, whatever the host's zone and its daylight saving. systemd's timers
know zones. cron does not everywhere (cronie has CRON_TZ, Debian's cron has not), so cron gets every local hour at which
that midnight may fall: a run without units ends at once, and overlapping runs share the day's units through the ledger.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from pathlib import Path
from string import Template
from zoneinfo import ZoneInfo

from harvester.errors import ConfigError
from harvester.quota_calendar import RESET_GRACE, day_start

DAYS_LOOKED_AT = 2 * 366
"""Both zones change their clocks each year, up to 53 weeks apart."""

MAX_LINE_CHARS = 990
"""Debian's cron refuses commands of a thousand characters."""

SYSTEMD_FILES = ("harvester.timer", "harvester.service", "harvester-notice.service")
TEMPLATES = Path(__file__).with_name("templates")
LOG_NAME = "run.log"
ENV_NAME = "harvester.env"

MARK = b"[Unit]\nDescription=harvester"
"""Identifies units of every version."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to run. Every path is absolute."""

    program: Sequence[str]
    config: Path
    env_file: Path
    """Lines as `YOUTUBE_API_KEY=…`, for its owner alone."""
    ledger: Path
    user: str

    @property
    def folder(self) -> Path:
        """The folder of the run and of cron's log: that of the settings."""
        return self.config.parent


class Inexpressible(ConfigError):
    """A path that the format cannot express."""

    def __init__(self, why: str) -> None:
        super().__init__(f"No schedule can be printed: {why}.", next_step="Move the crawl to another folder.")


def local_starts(zone: ZoneInfo, since: date) -> list[time]:
    """Return the local times at which to start the run, so that each reset is followed by one."""
    midnights = (day_start(since + timedelta(days=n)) for n in range(DAYS_LOOKED_AT))
    return sorted({(midnight + RESET_GRACE).astimezone(zone).time().replace(fold=0) for midnight in midnights})


def crontab(job: Job, zone: ZoneInfo, since: date) -> str:
    """Return the lines for a user's crontab, with comments."""
    starts = local_starts(zone, since)
    hours: dict[int, list[int]] = {}
    for start in starts:
        hours.setdefault(start.minute, []).append(start.hour)
    command = _cron_command(job)
    lines = [f"{minute} {','.join(map(str, at))} * * * {command}" for minute, at in hours.items()]
    if any(len(line) > MAX_LINE_CHARS for line in lines):
        raise Inexpressible("the paths are too long for cron, whose commands end at a thousand characters")
    notes = _filled(
        "crontab",
        starts=" or ".join(f"{start:%H:%M}" for start in starts),
        number=f"{len(starts)} starts" if len(starts) > 1 else "one start",
        zone=zone.key,
        env_file=str(job.env_file),
        log=str(job.folder / LOG_NAME),
    )
    return notes + "\n".join(lines) + "\n"


def systemd_files(job: Job) -> Mapping[str, str]:
    """Return the files for /etc/systemd/system by name."""
    words = {
        "user": job.user,
        "folder": _whole(job.folder),
        "env_file": _whole(job.env_file),
        "command": " ".join(_word(part) for part in (*job.program, "-q", "--config", str(job.config), "run")),
        "writable": _word(str(job.ledger.parent), dollars=False),
        "delay": f"{RESET_GRACE.seconds // 60:02}",
    }
    return {name: _filled(name, **words) for name in SYSTEMD_FILES}


def _filled(name: str, **words: str) -> str:
    return Template((TEMPLATES / name).read_text(encoding="utf-8")).substitute(words)


def _cron_command(job: Job) -> str:
    env_file = _beside(job.env_file, job.folder)
    run = shlex.join([*job.program, "-q", "--config", job.config.name, "run"])
    command = (
        f"cd {shlex.quote(_printable(job.folder))} || exit; set -a; . {shlex.quote(_printable(env_file))}; "
        f"{{ date -u; {_printable(run)}; }} >>{LOG_NAME} 2>&1 || {{ code=$?; tail -n 12 {LOG_NAME}; exit $code; }}"
    )
    # cron takes it for a line end even within quotes.
    return command.replace("%", r"\%")


def _beside(path: Path, folder: Path) -> str:
    """The path with a slash: without one, `.` searches the PATH."""
    return f"./{path.relative_to(folder)}" if path.is_relative_to(folder) else str(path)


def _printable(text: Path | str) -> str:
    if not str(text).isprintable():
        raise Inexpressible("a path holds characters that a line cannot carry")
    return str(text)


def _whole(path: Path) -> str:
    """For settings that take the rest of the line as it is."""
    return _printable(path).replace("%", "%%")


def _word(text: str, *, dollars: bool = True) -> str:
    """For settings that split at spaces; commands replace variables too."""
    escaped = _printable(text).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    if dollars:
        escaped = escaped.replace("$", "$$")
    return f'"{escaped}"' if set(text) & set(" '\"\\;") else escaped
