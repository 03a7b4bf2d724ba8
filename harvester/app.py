"""The use cases: a Harvester made from a Config. The only module that knows every room."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from msgspec.structs import replace

from harvester.clock import Clock, SystemClock
from harvester.config import Config
from harvester.errors import ConfigError, InconsistentLedger
from harvester.ledger.open import open_ledger, open_reader, prepare
from harvester.model import BATCH_SIZE, BatchKind, FailedId, FaultCount, Progress, Stored, VideoState
from harvester.plan import SECONDS_PER_CALL, Plan, make_plan
from harvester.protected_files import Protected, protected_by
from harvester.quota_calendar import quota_day
from harvester.report.result_types import DryRun, Due, Overview, history_of
from harvester.report.summary import Summary, refuse_without_ids
from harvester.support.addresses import has_password, source_name
from harvester.support.api_key import api_key
from harvester.support.progress_callback import ProgressCallback, no_progress
from harvester.support.sanitize import count, shown
from harvester.youtube.endpoints import VIDEOS_LIST

if TYPE_CHECKING:
    from harvester.crawl.batch_source import BatchSource
    from harvester.crawl.refresh import Refresh
    from harvester.crawl.run_report import RunReport
    from harvester.crawl.runner import Runner
    from harvester.crawl.stop import Stop
    from harvester.export import Manifest
    from harvester.export.storage.destination import Destination
    from harvester.ledger.ledger import Ledger
    from harvester.ledger.postgres.reader import PostgresReader
    from harvester.ledger.records import Loaded
    from harvester.ledger.sqlite.reader import SqliteReader
    from harvester.listing_types import ListingsAdded, Target
    from harvester.support.secret import Secret
    from harvester.youtube.endpoints import Endpoint

log = logging.getLogger(__name__)

STATUS_CALLS = 50_000
"""How many of the newest calls `status` counts reasons of: those of 2.5 million ids, in a few milliseconds."""


class Harvester:
    """The use cases of one configuration. The ledger holds all state: each method may be called from a new process."""

    def __init__(
        self,
        config: Config,
        clock: Clock | None = None,
        rng: random.Random | None = None,
        key: Secret | None = None,
        *,
        proxies: bool = True,
    ) -> None:
        """Without `key`, the environment's is read when it is needed. Without `proxies`, no proxy is used."""
        self.config = config
        self._key = key
        self._proxies = proxies
        self._clock = clock or SystemClock()
        self._rng = rng

    def init(self) -> None:
        """Create the ledger or upgrade it. Safe to repeat."""
        prepare(self.config.ledger.url)

    async def load(
        self,
        *uris: str,
        column: str | None = None,
        delimiter: str | None = None,
        encoding: str | None = None,
        limit: int | None = None,
        stdin: BinaryIO | None = None,
        progress: ProgressCallback = no_progress,
    ) -> Loaded:
        """Read the ids of all `uris`, by default of the configured one, into the ledger, which is created if
        missing."""
        from harvester.loader import Reading, load_all
        from harvester.sources import Limit, read_ids

        source, reading = self.config.source, Reading(progress)
        if not (uris := uris or (source.uri or "",))[0]:
            raise ConfigError("There is no source.", next_step="Name one: harvester load ids.csv, or set source.uri.")
        read = partial(
            read_ids,
            column=column or source.column,
            delimiter=delimiter,
            encoding=encoding,
            anonymous=source.anonymous,
            limit=Limit(limit) if limit is not None else None,
            require_id=True,
            stdin=stdin,
            on_read=reading.read,
        )
        sources = ((source_name(uri), read(uri)) for uri in uris)
        return await load_all(self._new_ledger, sources, reading, self._clock.now)

    async def discover(self, targets: Sequence[Target], *, again: bool = False) -> ListingsAdded:
        """Add channels and playlists to the ledger, which is created if missing: see `Ledger.add_listings`."""
        async with self._new_ledger() as ledger:
            return await ledger.add_listings(targets, self._clock.now(), again=again)

    def _new_ledger(self) -> AbstractAsyncContextManager[Ledger]:
        self.init()
        return open_ledger(self.config.ledger.url)

    async def run(
        self, report: RunReport, *, until_done: bool = False, max_calls: int | None = None, stop: Stop | None = None
    ) -> Progress:
        """Crawl until the day's units are spent, nothing is left, or `stop`; then refresh the statistics, where
        statistics.every says so. Returns how far the crawl is.

        `report` is updated during the run, so that it is complete even where the run raises.
        """
        async with open_ledger(self.config.ledger.url) as ledger:
            if self.config.discover.again:
                await ledger.add_listings((), self._clock.now(), again=True)
            before = Summary(await ledger.progress(), self.config.quota, self._clock.now())
            if not await ledger.has_listings():
                refuse_without_ids(before)
            units = f"{before.remaining:,} of {count(before.daily_units, 'unit')}"
            log.info("%s left, %s left today", count(before.unsettled, "id"), units)
            async with self.runner(ledger, report, stop=stop) as runner:
                await runner.run(until_done=until_done, max_calls=max_calls)
            progress = await ledger.progress()
        left = None if max_calls is None else max_calls - report.calls
        if (refresh := self.daily_statistics()) and left != 0 and not (stop and stop.draining.is_set()):
            await self.refresh(refresh, report.begin_statistics(), max_calls=left, stop=stop)
        return progress

    @asynccontextmanager
    async def runner(
        self,
        ledger: Ledger,
        report: RunReport,
        endpoint: Endpoint = VIDEOS_LIST,
        batches: BatchSource | None = None,
        *,
        stop: Stop | None = None,
    ) -> AsyncIterator[Runner]:
        """Open a run over an open ledger: see `open_phases`."""
        from harvester.crawl.runner import Runner, open_phases
        from harvester.ledger.process_identity import this_process
        from harvester.youtube.client import client_for
        from harvester.youtube.open_files_limit import affordable

        config, clock, rng, key = self.config, self._clock, self._rng, self._key or api_key()
        run = replace(config.run, concurrency=affordable(config.run.concurrency))
        client_of = partial(client_for, settings=config.youtube, run=run, key=key, clock=clock, proxies=self._proxies)
        async with open_phases(ledger, config, client_of, endpoint, batches) as phases:
            yield Runner(ledger, phases, clock, run=run, process=this_process(), stop=stop, rng=rng, report=report)

    def dry_run(self, max_calls: int | None = None) -> DryRun:
        """Return the batches that a run would claim now. Reads only."""
        with self.reader() as reader:
            summary = Summary(reader.progress(), self.config.quota, self._clock.now(), reader.listings())
            refuse_without_ids(summary)
            affordable = summary.remaining // summary.units_per_call
            most = affordable if max_calls is None else min(affordable, max_calls)
            calls = videos = 0
            first_ids: tuple[str, ...] = ()
            for ids in reader.pending(BATCH_SIZE):
                if calls == most:
                    break
                first_ids = first_ids or ids
                calls += 1
                videos += len(ids)
                log.debug("would ask for %d ids: %s … %s", len(ids), ids[0], ids[-1])
        seconds = math.ceil(calls / self.config.run.concurrency) * SECONDS_PER_CALL
        return DryRun(summary, calls, videos, first_ids, seconds)

    def overview(self, newest_runs: int = 5, *, reasons: int = 0) -> Overview:
        """Return how far the crawl is, with the most frequent `reasons` of wasted calls. Reads only."""
        with self.reader() as reader:
            progress = reader.progress()
            wasted = reasons and any(day.failed or day.abandoned for day in progress.days)
            return self._overview(reader, progress, newest_runs, reader.faults(reasons, STATUS_CALLS) if wasted else ())

    def _overview(
        self, reader: SqliteReader | PostgresReader, progress: Progress, newest_runs: int, faults: Sequence[FaultCount]
    ) -> Overview:
        now, asked = self._clock.now(), self.config.youtube.asked
        summary = Summary(progress, self.config.quota, now, reader.listings())
        runs, history = reader.runs(newest_runs), history_of(reader, self.config, summary.day)
        oldest, loads, others = reader.oldest_response(), reader.loads(), reader.other_parts(asked)
        return Overview(summary, runs, now, faults, oldest, loads, others, history)

    def failed(self) -> Iterator[FailedId]:
        """Yield the failed ids. Reads only."""
        with self.reader() as reader:
            yield from reader.failed()

    def page(self) -> str:
        """Return the report as one page of HTML. Reads only."""
        from harvester.report.page.render import FAULTS, RUNS, render

        with self.reader() as reader:
            overview = self._overview(reader, reader.progress(), RUNS, reader.faults(FAULTS))
            return render(reader, self.config, overview)

    def publish_page(self, uri: str, page: str | None = None, *, force: bool = False) -> None:
        """Write the report to a local path or `s3://bucket/key`. `force` also replaces what is no such report."""
        from harvester.report.page.render import CONTENT_TYPE

        self.page_destination(uri, force=force).publish([(page or self.page()).encode()], content_type=CONTENT_TYPE)

    def page_destination(self, uri: str, *, force: bool = False) -> Destination:
        """Return the destination of the report. Writes nothing.

        Raises DestinationRefused where something other than a report is there, unless `force`.
        """
        from harvester.export.storage.open import target_at
        from harvester.export.storage.ownership import check_replaceable, owned_by_marker
        from harvester.report.page.render import MARKS

        self.protected().refuse(uri)
        target = target_at(uri, self.config.export, manifest=False)
        check_replaceable(target, owned_by_marker(MARKS), force=force)
        return target

    async def requeue(
        self, states: Collection[VideoState], reasons: Collection[str] | None = None, *, dry_run: bool = False
    ) -> dict[VideoState, int]:
        """Make failed or missing ids pending again, only those of `reasons` if given. Returns how many of each
        state."""
        from harvester.changes_between_runs import requeue

        if dry_run:
            with self.reader() as reader:
                return reader.requeueable(states, reasons)
        async with open_ledger(self.config.ledger.url) as ledger:
            return await requeue(ledger, states, reasons)

    async def prune(self, older_than: timedelta, *, dry_run: bool = False) -> Stored:
        """Delete the responses fetched longer ago than `older_than`. Their ids are pending again."""
        from harvester.changes_between_runs import prune

        now = self._clock.now()
        if dry_run:
            with self.reader() as reader:
                return reader.older(now - older_than)
        async with open_ledger(self.config.ledger.url) as ledger:
            return await prune(ledger, now - older_than, now)

    def refresh_of(self, older_than: timedelta | None, *, statistics_only: bool = False) -> Refresh:
        """Return what to fetch again: what was fetched longer ago than `older_than`. None: what was asked for with
        other parts than are set now."""
        from harvester.crawl.refresh import Refresh

        now = self._clock.now()
        if older_than is None:
            return Refresh(now, self.config.youtube.asked)
        return Refresh(now - older_than, kind=BatchKind.STATISTICS if statistics_only else BatchKind.REFRESH)

    def daily_statistics(self) -> Refresh | None:
        """Return the refresh of statistics that a run ends with today; None without statistics.every."""
        from harvester.crawl.refresh import statistics_of_days

        days = self.config.statistics.every_days
        return None if days is None else statistics_of_days(days, self._clock.now())

    def due(self, refresh: Refresh, max_calls: int | None = None) -> Due:
        """Return what `refresh` would do now. Reads only."""
        settings, bucket = refresh.endpoint.quota(self.config.quota), refresh.endpoint.bucket
        with self.reader() as reader:
            old, needed = refresh.old(reader), refresh.calls(reader)
            today = reader.day(bucket, quota_day(self._clock.now()))
        units = today.remaining(settings.spendable_units)
        affordable = units // settings.units_per_call
        calls = min(needed, affordable if max_calls is None else min(affordable, max_calls))
        return Due(old, calls, calls * settings.units_per_call, units)

    async def refresh(
        self, refresh: Refresh, report: RunReport, *, max_calls: int | None = None, stop: Stop | None = None
    ) -> Stored:
        """Fetch again, as a run of its own. Returns what is left. `report`: see `run`.

        An old response stays until it is replaced, so an export is complete at every moment. New statistics are added
        to those of before; of these, what is past statistics.keep_days is deleted.
        """
        async with (
            open_ledger(self.config.ledger.url) as ledger,
            self.runner(ledger, report, refresh.endpoint, refresh.batches(ledger), stop=stop) as runner,
        ):
            await runner.run(max_calls=max_calls)
        if refresh.kind is BatchKind.STATISTICS:
            report.pruned = await self.prune_statistics()
        with self.reader() as reader:
            return refresh.old(reader)

    async def prune_statistics(self, *, dry_run: bool = False) -> int:
        """Delete the answers with statistics past statistics.keep_days. Returns how many."""
        from harvester.changes_between_runs import prune_statistics

        before = self._clock.now() - timedelta(days=self.config.statistics.keep_days)
        if dry_run:
            with self.reader() as reader:
                return reader.old_statistics(before)
        async with open_ledger(self.config.ledger.url) as ledger:
            return await prune_statistics(ledger, before)

    def plan(self, videos: int | None = None, units_per_call: int | None = None) -> Plan:
        """Plan a new crawl of `videos` ids, by default of those that are still to be asked for."""
        settings = self.config.quota
        units_left_today = None
        if videos is None:
            summary = self.overview().summary
            videos, units_left_today = summary.unsettled, summary.remaining
        units_per_call = units_per_call or settings.units_per_call
        if units_per_call > settings.spendable_units:
            what = f"A day's units do not pay for one call of {units_per_call}."
            raise ConfigError(what, next_step="Raise quota.daily_units, or lower quota.units_per_call.")
        return make_plan(
            videos,
            daily_units=settings.spendable_units,
            units_per_call=units_per_call,
            concurrency=self.config.run.concurrency,
            now=self._clock.now(),
            units_left_today=units_left_today,
        )

    def export(
        self,
        *,
        require_complete: bool = False,
        dask: str | None = None,
        force: bool = False,
        datasette_metadata: bool = False,
        progress: ProgressCallback = no_progress,
    ) -> Manifest:
        """Publish the stored responses, then the manifest next to them. `dask`: see `maker_for`; the rest: `export`."""
        from harvester.export import export, maker_for

        if dask is not None and has_password(self.config.ledger.url):
            raise ConfigError(
                "The password in ledger.url would travel to the workers of the cluster.",
                state="Nothing was published.",
                next_step="Leave it out there, and give it to all of them in PGPASSWORD or ~/.pgpass.",
            )
        self.protected().refuse_export(self.config.export)
        with self.reader() as reader:
            return export(
                reader,
                self.config.export,
                ledger_name=self.config.ledger.name,
                now=self._clock.now(),
                require_complete=require_complete,
                watch=progress,
                force=force,
                datasette_metadata=datasette_metadata,
                maker=maker_for(dask, open_reader, self.config.ledger.url, None if dask is None else reader.share()),
            )

    def export_to(
        self, stream: BinaryIO, *, require_complete: bool = False, progress: ProgressCallback = no_progress
    ) -> int:
        """Write the stored responses to `stream`, without a manifest. Returns the number of videos."""
        from harvester.export import write_to

        with self.reader() as reader:
            return write_to(stream, reader, self.config.export, require_complete=require_complete, watch=progress)

    def verify(self, published: str | None = None, *, progress: ProgressCallback = no_progress) -> Progress:
        """Check the ledger, then a published file if one is named. Raises InconsistentLedger with the findings."""
        with self.reader() as reader:
            if findings := reader.findings():
                raise InconsistentLedger.of("The ledger is not consistent", findings)
            if published is not None:
                from harvester.export import check_published

                if findings := check_published(published, reader, self.config.export, watch=progress):
                    raise InconsistentLedger.of(
                        f"{shown(published)} is not what was exported from this ledger", findings
                    )
            return reader.progress()

    def protected(self) -> Protected:
        """Return what no command may replace: what the settings name, and what was loaded."""
        with self.reader() as reader:
            return protected_by(self.config, [load.source for load in reader.loads()])

    def reader(self) -> SqliteReader | PostgresReader:
        """The reading side of the ledger, for use as a context manager."""
        return open_reader(self.config.ledger.url)
