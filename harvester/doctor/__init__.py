"""`harvester doctor`: checks whether a crawl would work here, and says what to do if not.

    finding                 the result of a check: ok, warning or problem
    settings                config.toml, the key, the time zone, versions
    ledger                  the ledger, and the room on its disk
    source_and_destination  where the ids come from and where the export goes
    api                     the API and its clock

A check uses the code that a command would use later. No check changes the ledger or spends a unit, except the one call
of --spend-unit. What a check needs is imported when it runs: with a broken time zone, half of harvester can't be
imported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from harvester.config import Config
from harvester.doctor import settings
from harvester.doctor.finding import Finding, Level, exit_code, warning
from harvester.doctor.settings import versions

__all__ = ["Finding", "Level", "examine", "exit_code", "versions"]


def examine(
    path: Path | None, read_config: Callable[[], Config], *, offline: bool = False, spend_unit: bool = False
) -> Iterator[Finding]:
    """Yield the findings as they are made. `path` is the file that `read_config` reads, if any."""
    well = True
    for finding in filter(None, _findings(path, read_config, offline)):
        well = well and finding.level is not Level.PROBLEM
        yield finding
    if spend_unit and not well:
        yield warning("call", "No call was made: there are problems.", "Fix them first.")
    elif spend_unit:
        from harvester.doctor import api

        yield api.check_call(read_config())


def _findings(path: Path | None, read_config: Callable[[], Config], offline: bool) -> Iterator[Finding | None]:
    finding, config = settings.check_config(path, read_config)
    yield finding
    yield settings.check_key(config)
    zone = settings.check_time_zone()
    yield zone
    yield settings.check_versions()
    if config is None or zone.level is Level.PROBLEM:
        yield warning("the rest", "It was not looked at: it needs what is broken above.", "Fix that, and ask again.")
    else:
        yield from _of_the_crawl(config, offline)


def _of_the_crawl(config: Config, offline: bool) -> Iterator[Finding | None]:
    from harvester.doctor import ledger, source_and_destination

    finding, overview = ledger.check_ledger(config)
    yield finding
    yield ledger.check_price(overview)
    yield ledger.check_statistics(config, overview)
    yield ledger.check_disk(config, overview)
    if not (offline and source_and_destination.is_remote(config.source.uri)):
        yield source_and_destination.check_source(config)
    if not (offline and source_and_destination.is_remote(config.export.uri)):
        yield source_and_destination.check_export(config)
    if offline:
        yield ledger.check_clock_by_ledger(overview)
    else:
        from harvester.doctor import api

        yield api.check_proxy(config)
        yield api.check_clock_by_api(config)
