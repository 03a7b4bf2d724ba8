"""The daily run as crontab lines or systemd units. Pure: files and zones are arguments.

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

from harvester.quota import RESET_GRACE, day_start

AFTER_RESET = RESET_GRACE
"""Until then the API may still count for yesterday."""

DAYS_LOOKED_AT = 2 * 366
"""Both zones change their clocks each year, up to 53 weeks apart."""

MAX_LINE_CHARS = 990
"""Debian's cron refuses commands of a thousand characters."""

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


class Inexpressible(ValueError):
    """A path that the format cannot express; it says why."""


def local_starts(zone: ZoneInfo, since: date) -> list[time]:
    """Return the local times at which to start the run, so that each reset is followed by one."""
    midnights = (day_start(since + timedelta(days=n)) for n in range(DAYS_LOOKED_AT))
    return sorted({(midnight + AFTER_RESET).astimezone(zone).time().replace(fold=0) for midnight in midnights})


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
    notes = _CRON_NOTES.substitute(
        starts=" or ".join(f"{start:%H:%M}" for start in starts),
        number=f"{len(starts)} starts" if len(starts) > 1 else "one start",
        zone=zone.key,
        env_file=job.env_file,
        log=job.folder / LOG_NAME,
    )
    return notes + "\n".join(lines) + "\n"


def units(job: Job) -> Mapping[str, str]:
    """Return the files for /etc/systemd/system by name."""
    words = {
        "user": job.user,
        "folder": _whole(job.folder),
        "env_file": _whole(job.env_file),
        "command": " ".join(_word(part) for part in (*job.program, "-q", "--config", str(job.config), "run")),
        "writable": _word(str(job.ledger.parent), dollars=False),
        "delay": f"{AFTER_RESET.seconds // 60:02}",
    }
    return {name: template.substitute(words) for name, template in _UNITS.items()}


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


_CRON_NOTES = Template("""\
# harvester, daily, ten minutes after the quota's reset at midnight in Los Angeles.
# Here, in $zone, that is at $starts, as the clocks change here and there.
# Debian's cron has no CRON_TZ, so each such time has its start: $number a day. A run that finds nothing to spend
# ends at once. No lock file is needed: runs that overlap share the day's units through the ledger.
# Put no CRON_TZ above this, and print it anew when this machine changes its zone.
#
# YOUTUBE_API_KEY=... stands in $env_file
# which is for you alone: chmod 600. So do AWS's variables and those of harvester, where you use any.
# What runs say goes to $log
# in a few lines each. Only a run that fails prints the last of them, and cron mails what is printed, to you or to
# the address of a line MAILTO=you@example.org above this, where the machine can send mail.
""")

_TIMER = Template("""\
[Unit]
Description=harvester, daily, a little after the quota's reset

[Timer]
OnCalendar=*-*-* 00:$delay:00 America/Los_Angeles
RandomizedDelaySec=2min
# After a night switched off it runs at once.
Persistent=true

[Install]
WantedBy=timers.target
""")

_SERVICE = Template("""\
[Unit]
Description=harvester: fetch until the day's units are spent
Wants=network-online.target
After=network-online.target
OnFailure=harvester-notice.service

[Service]
Type=oneshot
User=$user
WorkingDirectory=$folder
# Holds YOUTUBE_API_KEY=... and is for its owner alone: chmod 600.
EnvironmentFile=$env_file
ExecStart=$command
# Told to stop, it waits for the calls under way: run.timeout_seconds.
TimeoutStopSec=90
UMask=0077
NoNewPrivileges=true
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome=read-only
# The ledger's folder, for the files that SQLite keeps next to it.
ReadWritePaths=$writable
PrivateTmp=true
PrivateDevices=true
ProtectClock=true
ProtectControlGroups=true
ProtectHostname=true
ProtectKernelLogs=true
ProtectKernelModules=true
ProtectKernelTunables=true
LockPersonality=true
# AF_NETLINK: the C library asks with it which addresses this machine has.
RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX
RestrictNamespaces=true
RestrictRealtime=true
RestrictSUIDSGID=true
SystemCallArchitectures=native
SystemCallFilter=@system-service
""")

_NOTICE = Template("""\
[Unit]
Description=harvester: say that the daily run failed

[Service]
Type=oneshot
DynamicUser=true
SyslogLevel=err
# Where you want to hear of it elsewhere, put your own command here, or set notify.url.
ExecStart=/bin/echo "The daily run of harvester failed. To see why: journalctl -u harvester.service -n 20"
""")

_UNITS = {"harvester.timer": _TIMER, "harvester.service": _SERVICE, "harvester-notice.service": _NOTICE}
