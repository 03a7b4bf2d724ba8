"""Checks of the ledger, and of the disk space for the rest of the crawl. Read only."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from harvester.app import Harvester
from harvester.config import Config
from harvester.doctor.finding import SET_THE_CLOCK, Finding, misconfigured, ok, problem, warning
from harvester.errors import HarvesterError, LedgerUnavailable
from harvester.ledger.open import check, postgres
from harvester.ledger.sqlite.quick_check import quick_look
from harvester.report.result_types import Overview
from harvester.report.summary import OTHER_IDS, Summary
from harvester.report.wording import size
from harvester.support.sanitize import count, shown


def check_ledger(config: Config) -> tuple[Finding, Overview | None]:
    """Check the ledger. Returns the finding, and how far the crawl is if the ledger can be read."""
    path, url = config.ledger.path, config.ledger.url
    name = shown(str(path)) if path is not None else config.ledger.name
    try:
        check(url)
        whole = path is None or quick_look(path)
        risk = postgres("migrate", url).risk(url) if path is None else None
        overview = Harvester(config).overview()
        writable = _writable(path) if path is not None else postgres("migrate", url).may_write(url)
    except HarvesterError as error:
        return problem("ledger", error), None
    if not writable:
        fix = "Fix the permissions of the file and of its folder." if path is not None else "Grant it the tables."
        return misconfigured("ledger", f"{name} can be read, but not written by this user.", fix), overview
    if risk is not None:
        fix = "A power cut may lose what was paid for: set it to on."
        return warning("ledger", f"{name}: {risk}.", fix), overview
    return _contents(name, overview.summary, whole), overview


def _contents(name: str, summary: Summary, whole: bool) -> Finding:
    """Judge what a sound ledger holds. `whole`: all of it was read."""
    unread = len(summary.listings.unfinished)
    if summary.no_valid_ids:
        return misconfigured("ledger", summary.no_valid_ids, OTHER_IDS)
    if not summary.total and not unread:
        fix = "Run harvester load SOURCE, or harvester discover @handle."
        return warning("ledger", f"{name} holds no ids yet.", fix)
    listings = f"; {count(unread, 'listing')} to read" if unread else ""
    proof = "" if whole else " It is large, so not all of it was read: harvester verify reads all."
    what = f"{name} is sound: {count(summary.total, 'id')}, {summary.unsettled:,} left to ask for{listings}.{proof}"
    return ok("ledger", what)


def check_price(overview: Overview | None) -> Finding | None:
    """Check whether the ledger's days fit quota.units_per_call. None if they do."""
    what, _, next_step = overview.summary.price_hint.partition(". ") if overview else ("", "", "")
    return warning("price", f"{what}.", next_step) if what else None


def check_statistics(config: Config, overview: Overview | None) -> Finding | None:
    """Check whether the quota of statistics lasts for statistics.every. None without it, or without responses."""
    days = config.statistics.every_days
    if days is None or overview is None or not (calls := overview.summary.responses):
        return None
    units = config.quota.statistics_daily_units
    need = f"Statistics of all videos take {count(calls, 'unit')} each {config.statistics.every}"
    if calls <= units * days:
        return ok("statistics", f"{need}, of {units:,} a day.")
    least = -(-calls // units)
    return warning("statistics", f"{need}, and a day has {units:,}.", f'Set statistics.every = "{least}d" or more.')


def check_clock_by_ledger(overview: Overview | None) -> Finding | None:
    """Check this machine's clock against the ledger. None if nothing contradicts it."""
    hint = overview.clock_hint if overview else ""
    return warning("clock", shown(hint, 300), SET_THE_CLOCK) if hint else None


def check_disk(config: Config, overview: Overview | None) -> Finding | None:
    """Check the disk space for the rest of the crawl. None if the folder is missing (see `check_ledger`), or the ledger
    is on a server."""
    if config.ledger.path is None:
        return None
    try:
        free = shutil.disk_usage(config.ledger.path.parent).free
    except OSError:
        return None
    if overview is None:
        return ok("disk", f"{size(free)} are free beside the ledger.")
    unsettled = overview.summary.unsettled
    whole = Harvester(config).plan(unsettled)
    next_day = Harvester(config).plan(min(unsettled, whole.videos_a_day))
    if free < next_day.stored_bytes:
        needed = size(next_day.stored_bytes)
        room = f"{size(free)} are free beside the ledger, and the next day of the crawl needs {needed}."
        return problem("disk", LedgerUnavailable(room, next_step="Make room on the disk, or move the ledger."))
    room = f"{size(free)} are free beside the ledger, and the rest of the crawl needs {size(whole.stored_bytes)}."
    if free < whole.stored_bytes:
        return warning("disk", room, "Make room on the disk before the crawl is through.")
    return ok("disk", room)


def _writable(path: Path) -> bool:
    real = path.resolve()
    effective = os.access in os.supports_effective_ids
    return all(os.access(place, os.W_OK, effective_ids=effective) for place in (real, real.parent))
