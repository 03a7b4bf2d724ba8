"""Export: assemble the stored responses, publish them, then write the manifest."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import BinaryIO

from harvester._version import __version__
from harvester.config import ExportSettings
from harvester.errors import ConfigError, ExportIncomplete
from harvester.export.counters import Counters
from harvester.export.cut_parts import Cutter, Reusable, made_with
from harvester.export.datasette import metadata, metadata_at
from harvester.export.formats.registry import Table, format_of
from harvester.export.manifest import (
    Manifest,
    Part,
    asked_for,
    counts_of,
    is_complete,
    left_to_ask,
    loads_of,
    part_name,
    sum_of,
    to_json,
    without_secrets,
)
from harvester.export.part_writer import PartMaker, PartOrder, counted, make_here
from harvester.export.storage.destination import Destination, ExistingFile, PublishedFile
from harvester.export.storage.open import folder_at, target_at
from harvester.export.storage.ownership import admit_file, refuse_open_database
from harvester.export.storage.parts_folder import Draft
from harvester.export.storage.s3_client import clients_kept
from harvester.ledger.reader import LedgerReader
from harvester.model import EVERYTHING, Progress, Span, VideoState
from harvester.support.export_file_names import STDOUT, refuse_misleading_name
from harvester.support.progress_callback import Advance, ProgressCallback, no_progress
from harvester.support.sanitize import agree, count

log = logging.getLogger(__name__)


@clients_kept()
def export(
    reader: LedgerReader,
    settings: ExportSettings,
    *,
    ledger_name: str,
    now: datetime,
    require_complete: bool = False,
    watch: ProgressCallback = no_progress,
    maker: PartMaker = make_here,
    force: bool = False,
    datasette_metadata: bool = False,
) -> Manifest:
    """Publish the stored responses to `settings.uri`, as a file or a folder of parts, then the manifest next to it.

    A ledger without responses gives an empty file of its format. `now` is when the export begins. `watch` is called
    with videos and bytes. `maker` makes the parts of a folder. With `force`, files that harvester did not write are
    replaced too. With `datasette_metadata`, a database's metadata for Datasette are written last.

    Raises DestinationRefused if harvester did not write what is there; Overtaken if another export is published there
    meanwhile; ExportIncomplete, before anything is written, if `require_complete` and ids are left; LedgerDamaged if a
    stored body is damaged; ConfigError, CredentialsError or StorageUnavailable if the destination can't be written.
    What was there before is then unchanged, unless writing the manifest fails, which the error says.
    """
    if settings.max_part_bytes is None and maker is not make_here:
        raise ConfigError(
            "Dask makes the parts of a folder, and this export is one file.",
            state="Nothing was written.",
            next_step="Add --max-part-bytes 250000000, or leave --dask out.",
        )
    beside = metadata_at(settings, force=force) if datasette_metadata else None
    begin = partial(
        _Export, reader, settings, ledger_name, now, require_complete=require_complete, watch=watch, maker=maker
    )
    # The destination is read before the ledger: an export that is published after that has a newer state.
    if settings.max_part_bytes is None:
        target, replacing = _admitted(settings, force=force)
        manifest = begin().to_file(target, replacing)
    else:
        folder = folder_at(settings.uri, settings)
        with folder.draft(force=force) as draft:
            manifest = begin().to_folder(folder.name, draft, settings.max_part_bytes, anew=force)
    if beside is not None:
        beside.publish([metadata(manifest)], content_type="application/json")
    log.debug("published %s: %s, %s", settings.uri, count(manifest.videos, "video"), count(manifest.bytes, "byte"))
    return manifest


def write_to(
    stream: BinaryIO,
    reader: LedgerReader,
    settings: ExportSettings,
    *,
    require_complete: bool = False,
    watch: ProgressCallback = no_progress,
) -> int:
    """Write the stored responses to `stream`, without a manifest. Returns the number of videos, or of rows.

    Raises ConfigError if the format can't be streamed; ExportIncomplete and LedgerDamaged as `export` does.
    """
    if settings.max_part_bytes is not None:
        raise ConfigError(
            "Standard output is one stream, and export.max_part_bytes asks for a folder of parts.",
            state="Nothing was written.",
            next_step="Leave it out, or name a folder.",
        )
    form = format_of(settings.format, settings.compression, settings.table)
    counters, progress = Counters(), reader.progress()
    if form.one_file:
        raise ConfigError(
            "A SQLite database is not written to standard output: nothing reads one from a pipe.",
            state="Nothing was written.",
            next_step="Name a file: harvester export songs.db",
        )
    if require_complete:
        _refuse_incomplete(progress)
    total = _total(progress, settings.table)
    for chunk in counted(
        form.assemble(reader, EVERYTHING, counters), counters, lambda part: watch(replace(part, total=total))
    ):
        stream.write(chunk)
    stream.flush()
    return counters.videos


@clients_kept()
def check_place(settings: ExportSettings) -> None:
    """Raise what an export would raise about the destination before it reads the ledger."""
    if settings.uri == STDOUT:
        return
    if settings.max_part_bytes is None:
        _admitted(settings, force=False)
    else:
        with folder_at(settings.uri, settings).draft():
            pass


def _admitted(settings: ExportSettings, *, force: bool) -> tuple[Destination, ExistingFile | None]:
    """Return the destination of a single file, and what is there and may be replaced."""
    refuse_misleading_name(settings.uri, settings.format, settings.compression)
    target = target_at(settings.uri, settings)
    refuse_open_database(target, settings.format)
    return target, admit_file(target, force=force)


class _Export:
    """One export under way, of the snapshot that the reader has."""

    def __init__(
        self,
        reader: LedgerReader,
        settings: ExportSettings,
        ledger_name: str,
        now: datetime,
        *,
        require_complete: bool,
        watch: ProgressCallback,
        maker: PartMaker,
    ) -> None:
        progress = reader.progress()
        if require_complete:
            _refuse_incomplete(progress)
        self.reader, self.settings, self.maker, self._watch = reader, settings, maker, watch
        self.form = form = format_of(settings.format, settings.compression, settings.table)
        responses, raw_bytes, stored_bytes = reader.totals()
        self._expected_bytes = form.expected_bytes(responses, raw_bytes, stored_bytes)
        self._total = _total(progress, settings.table)
        self.videos_written = self.bytes_written = 0
        """Videos and bytes of finished parts."""
        self._furthest = (0, 0)
        """Videos and bytes that were reported: a part that is started again does not reduce them."""
        loads = loads_of(reader.loads())
        self._manifest = partial(
            Manifest,
            format=settings.format,
            compression=settings.compression,
            complete=is_complete(progress),
            counts=counts_of(progress),
            responses=responses,
            exported_at=now.astimezone(UTC),
            ledger=without_secrets(ledger_name),
            source=loads[0].source if len(loads) == 1 else None,
            harvester=__version__,
            loads=loads,
            asked_for=asked_for(reader.parts_asked()),
            made_with=form.made_with() if form.made_with else None,
            table=settings.table,
            history=reader.history_size() if settings.table == "statistics" or settings.format == "sqlite" else None,
        )

    def to_file(self, target: Destination, replacing: ExistingFile | None) -> Manifest:
        """Publish one file and its manifest."""
        counters = Counters()

        def manifest_of(file: PublishedFile) -> Manifest:
            return self._manifest(file=target.name, videos=counters.videos, bytes=file.bytes, sha256=file.sha256)

        published = target.publish_with_manifest(
            counted(self.form.assemble(self.reader, EVERYTHING, counters), counters, self.watch_part),
            lambda file: to_json(manifest_of(file)),
            content_type=self.form.content_type,
            replacing=replacing,
            expected_bytes=self._expected_bytes,
        )
        return manifest_of(published)

    def to_folder(self, name: str, draft: Draft, most_bytes: int, *, anew: bool) -> Manifest:
        """Write the parts that changed, then publish parts and manifest."""
        before = tuple(draft.unchanged())
        written = _Parts(self, draft, Reusable(() if anew else before), most_bytes).written()
        names = {part.file for part in written}
        superseded = tuple(part for part in before if self.settings.keep_superseded and part.file not in names)
        manifest = self._manifest(
            file=name,
            videos=sum(part.videos for part in written),
            bytes=sum(part.bytes for part in written),
            sha256=sum_of(written),
            parts=tuple(written),
            superseded=superseded,
            max_part_bytes=most_bytes,
            made_with=made_with(),
        )
        draft.commit(to_json(manifest), names | {part.file for part in superseded})
        return manifest

    def watch_part(self, part: Advance) -> None:
        """Report the progress of a part."""
        videos, size = self._furthest
        videos, size = max(videos, self.videos_written + part.done), max(size, self.bytes_written + part.bytes)
        self._furthest = videos, size
        self._watch(Advance(videos, self._total, size, note=part.note))


class _Parts:
    """The parts of a folder: those that are reused, and those that are made."""

    def __init__(self, export: _Export, draft: Draft, reusable: Reusable, most_bytes: int) -> None:
        self._export, self._draft, self._reusable, self._most_bytes = export, draft, reusable, most_bytes
        self._cutter = Cutter(export.reader, export.form, most_bytes)
        self._to_make: deque[tuple[Span, str, int | None]] = deque()
        self._written: list[Part] = []

    def written(self) -> list[Part]:
        """Return the parts in load order: one for each span, or several if it comes out too large."""
        for span in self._cutter.spans():
            self._plan(span)
        unchanged = len(self._written)
        if self._to_make:
            self._make(self._export.maker)
        if not self._written:
            # A table without rows still has its columns.
            self._to_make.append((EVERYTHING, self._cutter.inputs_of_nothing(), None))
            self._make(make_here)
        log.info("%s unchanged, %d written", count(unchanged, "part"), len(self._written) - unchanged)
        return sorted(self._written, key=lambda part: part.first_position)

    def _plan(self, span: Span) -> None:
        inputs = self._cutter.inputs(span)
        parts = self._reusable.of(span, self._cutter, inputs)
        if parts is None:
            self._to_make.append((span, inputs, self._most_bytes))
        else:
            self._take(parts)

    def _order(self, span: Span, inputs: str, most_bytes: int | None) -> PartOrder:
        settings, form = self._export.settings, self._export.form
        name = part_name(span, inputs, form.suffix)
        place = self._draft.place(name, content_type=form.content_type)
        return PartOrder(name, settings.format, settings.compression, span, inputs, most_bytes, place)

    def _make(self, maker: PartMaker) -> None:
        def next_order() -> PartOrder | None:
            return self._order(*self._to_make.popleft()) if self._to_make else None

        # Closed in any case: parts under way would be written to a draft that is gone.
        with closing(maker(self._export.reader, next_order, self._export.watch_part)) as results:
            for order, made in results:
                if made is None:
                    self._draft.drop(order.name)
                    self._make_smaller(order)
                else:
                    self._draft.keep(order.name, made.written)
                    self._take([made.part])

    def _make_smaller(self, order: PartOrder) -> None:
        if halves := self._cutter.halves(order.span):
            for half in halves:
                self._plan(half)
        else:
            self._to_make.append((order.span, order.inputs, None))

    def _take(self, parts: Iterable[Part]) -> None:
        for part in parts:
            self._written.append(part)
            self._export.videos_written += part.videos
            self._export.bytes_written += part.bytes


def _total(progress: Progress, table: Table) -> int | None:
    """The videos to write; None for the rows of statistics, which are not known before they are read."""
    return progress.videos[VideoState.FETCHED] if table == "videos" else None


def _refuse_incomplete(progress: Progress) -> None:
    if not progress.asked_for:
        raise ExportIncomplete(
            "There is no video id in the ledger.",
            state="Nothing was written.",
            next_step="Run harvester status to see what is in it, harvester load SOURCE to add ids.",
        )
    left = left_to_ask(progress)
    if left:
        raise ExportIncomplete(
            f"{left:,} of {count(progress.total, 'id')} {agree(left, 'is')} still to be asked for.",
            state="Nothing was written.",
            next_step="Run harvester run, then export again. Without --require-complete, what is stored is exported.",
        )
