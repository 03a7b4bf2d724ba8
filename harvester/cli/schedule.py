"""schedule: print a daily run for cron or systemd."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harvester.cli.shared.global_options import GlobalOptions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from harvester.protected_files import Protected
    from harvester.scheduling.daily_job import Job


@click.command(
    epilog="\b\nExample: harvester schedule --systemd\nExample: harvester schedule --cron --zone Europe/Paris"
)
@click.option("--cron", is_flag=True, help="The lines for your crontab. [default]")
@click.option("--systemd", is_flag=True, help="A timer, its service, and a notice for when that fails.")
@click.option("--zone", help="This machine's time zone, for cron. [default: that of /etc/localtime]")
@click.option(
    "--env-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file that holds YOUTUBE_API_KEY=... [default: harvester.env beside the settings]",
)
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Write systemd's units to this folder instead."
)
@click.option("--force", is_flag=True, help="Replace files there though harvester did not write them.")
@click.pass_obj
def schedule(
    options: GlobalOptions,
    cron: bool,
    systemd: bool,
    zone: str | None,
    env_file: Path | None,
    out: Path | None,
    force: bool,
) -> None:
    """Print the lines of cron or systemd for a daily run.

    The run begins shortly after the quota's reset, in any time zone. Nothing is installed, and no key is printed: it
    stays in a file that only you can read. Next: put the lines into your crontab, or the units into
    /etc/systemd/system.
    """
    from datetime import UTC, datetime

    from harvester.protected_files import protected_by
    from harvester.scheduling.daily_job import crontab, systemd_files

    if cron and systemd:
        raise click.UsageError("--cron or --systemd, not both.")
    if out and not systemd:
        raise click.UsageError("--out is for --systemd.")
    if force and not out:
        raise click.UsageError("--force is for --out.")
    job = _job(options, env_file)
    if out is not None:
        _write_units(systemd_files(job), out, protected_by(options.config()), force=force)
    elif systemd:
        files = (f"# /etc/systemd/system/{name}\n{text}" for name, text in systemd_files(job).items())
        click.echo("\n".join(files), nl=False)
    else:
        click.echo(crontab(job, _zone(zone), datetime.now(UTC).date()), nl=False)


def _job(options: GlobalOptions, env_file: Path | None) -> Job:
    from harvester.config import find_config
    from harvester.errors import ConfigError
    from harvester.scheduling.daily_job import ENV_NAME, Job

    found = find_config(options.config_path)
    if found is None:
        raise ConfigError(
            "There are no settings here to run with.", next_step="Run harvester init to write a config.toml."
        )
    config = _absolute(found)
    settings = options.config()
    return Job(
        program=_program(),
        config=config,
        env_file=_absolute(env_file) if env_file else config.with_name(ENV_NAME),
        # A ledger on a server needs no folder.
        ledger=_absolute(settings.ledger.path or config),
        user=_user(),
    )


def _absolute(path: Path) -> Path:
    """Make a path absolute, without `..`, which systemd refuses. Symbolic links are kept."""
    return path.parent.resolve() / path.name


def _user() -> str:
    import os
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())  # as in containers; systemd accepts numbers too


def _program() -> list[str]:
    """Return the command that starts this installation of harvester from any folder."""
    for script in (Path(sys.argv[0]).absolute(), Path(sys.executable).with_name("harvester")):
        if script.name == "harvester" and script.is_file():
            return [str(script)]
    # -P: a folder called harvester in the working directory is not imported.
    return [sys.executable, "-P", "-m", "harvester"]


def _write_units(units: Mapping[str, str], out: Path, protected: Protected, *, force: bool) -> None:
    """Write all units, or none if one would replace a file that harvester did not write."""
    from harvester.cli.shared.write_file import check, write_whole
    from harvester.errors import ConfigError
    from harvester.scheduling.daily_job import MARK
    from harvester.support.sanitize import shown

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{shown(str(out))} cannot be written: {error.strerror}.",
            state="Nothing was written.",
            next_step="Let --out name a folder that this user may write to.",
        ) from None
    for name in units:
        check(out / name, mark=MARK, protected=protected, force=force)
    for name, text in units.items():
        write_whole(out / name, text.encode(), mark=MARK, protected=protected, force=force)
        click.echo(f"wrote {out / name}")


def _zone(named: str | None) -> ZoneInfo:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    name = named or host_zone(Path("/"))
    if name is None:
        raise click.UsageError("This machine's time zone can't be found out: name it, as in --zone Europe/Paris.")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise click.UsageError(f"There is no time zone {name!r}: name one as in --zone Europe/Paris.") from None


def host_zone(root: Path) -> str | None:
    """Return the zone that cron uses: the machine's, not $TZ of this shell. None if it is unknown."""
    localtime = root / "etc/localtime"
    if localtime.is_symlink():
        _, found, name = str(localtime.readlink()).partition("zoneinfo/")
        return name if found else None
    if not localtime.exists():
        return "UTC"  # as localtime(5) has it
    # A copy has no name; Debian records it in /etc/timezone, which may be out of date.
    try:
        name = (root / "etc/timezone").read_text(encoding="ascii").strip()
        noted = (root / "usr/share/zoneinfo" / name).read_bytes()
    except (OSError, UnicodeDecodeError):
        return None
    return name if noted == localtime.read_bytes() else None
