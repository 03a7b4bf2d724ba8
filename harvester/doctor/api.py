"""Checks of the API: whether it answers, its clock, and on request whether it accepts the key."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from http import HTTPStatus
from urllib.parse import urlsplit

import aiohttp

from harvester import quota_calendar
from harvester._version import __version__
from harvester.app import Harvester
from harvester.config import Config
from harvester.crawl.run_report import RunReport
from harvester.doctor.finding import SET_THE_CLOCK, Finding, misconfigured, ok, problem, warning
from harvester.errors import ApiUnavailable, HarvesterError
from harvester.model import Verdict
from harvester.support.proxy_and_tls import proxy_for, tls_context
from harvester.support.sanitize import count, shown
from harvester.youtube.classify import date_of
from harvester.youtube.network_errors import NETWORK_FAULTS, outcome_of
from harvester.youtube.refusal_advice import advice

PATIENCE_SECONDS = 10.0
TOLERATED_SECONDS = 30.0
"""The header has whole seconds, and the request takes some time."""


def check_proxy(config: Config) -> Finding | None:
    """The proxy through which the API is reached; None without one."""
    try:
        found = proxy_for(config.youtube.base_url)
    except HarvesterError as error:
        return problem("proxy", error)
    if found is None:
        return None
    what = f"The API is asked through the proxy {found.shown}, which {found.variable} names"
    if urlsplit(config.youtube.base_url).scheme == "http":
        clear = "The key can be read there: youtube.base_url is http."
        return warning("proxy", f"{what}. {clear}", "Let it be https, or let NO_PROXY name its host.")
    return ok("proxy", f"{what}; the key goes through it encrypted.")


def check_clock_by_api(config: Config) -> Finding:
    """Compare the clock with that of the API's host, by a request without key and method, which costs nothing."""
    address = urlsplit(config.youtube.base_url)
    host = shown(address.netloc)
    began = time.time()
    try:
        date = asyncio.run(_date(f"{address.scheme}://{address.netloc}/"))
    except HarvesterError as error:
        return problem("api", error)
    except NETWORK_FAULTS as fault:
        return _out_of_reach(fault, host)
    if date is None:
        what = f"{host} answers, but does not say what time it is."
        return warning("clock", what, "Check this machine's clock yourself.")
    # The header is truncated to whole seconds: half a second too little on average.
    return _judged((began + time.time()) / 2 - date.timestamp() - 0.5, host)


def check_call(config: Config) -> Finding:
    """Make one call of the crawl: its units are reserved before it is sent, and its answer is stored."""
    report = RunReport()
    try:
        asyncio.run(Harvester(config).run(report, max_calls=1))
    except HarvesterError as error:
        return problem("call", error)
    if not report.calls:
        return warning("call", f"No call was made: {report.ending}.", "Ask again when there are ids and units.")
    if not report.good:
        why = ", ".join(report.wasted) or "no good answer"
        return warning("call", f"One call was made, and brought nothing: {shown(why)}.", "Try again, or: harvester run")
    found = f"{count(report.fetched, 'video')} fetched, {report.missing} missing"
    return ok("call", f"The API takes the key: one call of the crawl, {count(report.units, 'unit')}, {found}.")


def _out_of_reach(fault: Exception, host: str) -> Finding:
    outcome = outcome_of(fault)
    what = f"The API can't be reached at {host}: {outcome.message} ({outcome.reason})."
    if outcome.verdict is Verdict.MISCONFIGURED:
        return misconfigured("api", what, advice(outcome))
    return problem("api", ApiUnavailable(what, next_step="Check the network and youtube.base_url, then ask again."))


async def _date(url: str) -> datetime | None:
    proxy = proxy_for(url)
    async with (
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=tls_context()),
            timeout=aiohttp.ClientTimeout(total=PATIENCE_SECONDS),
            headers={"User-Agent": f"harvester/{__version__}"},
            trust_env=False,
            proxy=proxy.url if proxy is not None else None,
        ) as session,
        session.head(url, allow_redirects=False) as response,
    ):
        if response.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            raise aiohttp.ClientHttpProxyError(response.request_info, response.history, status=response.status)
        return date_of(response.headers.get("Date", ""))


def _judged(ahead_seconds: float, host: str) -> Finding:
    """Judge a clock that is `ahead_seconds` ahead of the host's."""
    off = abs(ahead_seconds)
    if off <= TOLERATED_SECONDS:
        return ok("clock", f"{host} answers, and agrees about what time it is.")
    side = "ahead of" if ahead_seconds > 0 else "behind"
    what = f"This machine's clock is {off / 60:,.1f} minutes {side} that of {host}"
    if off <= quota_calendar.RESET_GRACE.total_seconds():
        return warning("clock", f"{what}.", SET_THE_CLOCK)
    return misconfigured("clock", f"{what}: quota days would begin at the wrong time.", SET_THE_CLOCK)
