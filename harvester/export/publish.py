"""Export: assemble the stored responses, publish them, then say what was published."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import BinaryIO

from harvester._version import __version__
from harvester.config import ExportSettings
from harvester.errors import ConfigError, ExportIncomplete
from harvester.export import parts
from harvester.export.counters import Counters
from harvester.export.datasette import metadata, metadata_at
from harvester.export.formats.registry import format_of
from harvester.export.manifest import (
    Manifest,
    Part,
    asked_for,
    counts_of,
    is_complete,
    left_to_ask,
    loads_of,
    sum_of,
    to_json,
    without_secrets,
)
from harvester.export.part_writer import PartMaker, PartOrder, counted, make, make_here
from harvester.export.parts import Survey
from harvester.export.storage.destination import Destination, Draft, Published, Standing
from harvester.export.storage.open import folder_at, target_at
from harvester.export.storage.ownership import admit_file, refuse_open_database
from harvester.export.storage.s3_client import clients_kept
from harvester.ledger.protocol import LedgerReader
from harvester.model import EVERYTHING, Progress, Span, VideoState
from harvester.support.file_endings import STDOUT, refuse_misleading_name
from harvester.support.progress import Advance, ProgressCallback, no_progress
from harvester.support.sanitize import count

log = logging.getLogger(__name__)


@clients_kept()
def export(
    books: LedgerReader,
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
    """Publish what is stored to `settings.uri`, as one file or as a folder of parts, then the manifest next to it.

    A ledger that holds no response gives an empty file of its format. The counts by state are of the same
    snapshot as the responses, as far as `books` reads from one. Of `ledger_name` and the loads the
    manifest keeps what may be shown. `now` is when the export begins. `watch` hears of videos and bytes.
    `maker` makes the parts of a folder. With `force`, what harvester did not write is replaced too. With
    `datasette_metadata`, what Datasette shows with a database is written next to it, last of all.

    Raises DestinationRefused where harvester did not write what stands there; Overtaken where another export is
    published there meanwhile; ExportIncomplete, before anything is written, where `require_complete` and ids are left
    to ask for; LedgerDamaged where a stored body is not what was stored; ConfigError, CredentialsError or
    StorageUnavailable where it can't be put there. In every case what stood there before is as it
    was, unless it is the manifest that fails: then the error says so.
    """
    if settings.max_part_bytes is None and maker is not make_here:
        raise ConfigError(
            "Dask makes the parts of a folder, and this export is one file.",
            state="Nothing was written.",
            next_step="Add --max-part-bytes 250000000, or leave --dask out.",
        )
    beside = metadata_at(settings, force=force) if datasette_metadata else None
    begin = partial(
        _begin, books, settings, ledger_name, now, require_complete=require_complete, watch=watch, maker=maker
    )
    # What stands there is looked at before the ledger: an export that is published after that has a newer state.
    if settings.max_part_bytes is None:
        refuse_misleading_name(settings.uri, settings.format, settings.compression)
        target = target_at(settings.uri, settings)
        refuse_open_database(target, settings.format)
        replacing = admit_file(target, force=force)
        manifest = begin().to_file(target, replacing)
    else:
        folder = folder_at(settings.uri, settings)
        with folder.draft(force=force) as draft:
            manifest = begin().to_folder(folder.name, draft, settings.max_part_bytes)
    if beside is not None:
        beside.publish([metadata(manifest)], content_type="application/json")
    log.info("published %s: %s, %s", settings.uri, count(manifest.videos, "video"), count(manifest.bytes, "byte"))
    return manifest


def write_to(
    stream: BinaryIO,
    books: LedgerReader,
    settings: ExportSettings,
    *,
    require_complete: bool = False,
    watch: ProgressCallback = no_progress,
) -> int:
    """Write what is stored to `stream`, without a manifest. How many videos that were.

    Raises ConfigError where `settings` ask for what is no stream; ExportIncomplete and LedgerDamaged as `export` does.
    """
    if settings.max_part_bytes is not None:
        raise ConfigError(
            "Standard output is one stream, and export.max_part_bytes asks for a folder of parts.",
            state="Nothing was written.",
            next_step="Leave it out, or name a folder.",
        )
    form, tally, progress = format_of(settings.format, settings.compression), Counters(), books.progress()
    if form.one_file:
        raise ConfigError(
            "A SQLite database is not written to standard output: nothing reads one from a pipe.",
            state="Nothing was written.",
            next_step="Name a file: harvester export songs.db",
        )
    if require_complete:
        _refuse_incomplete(progress)
    total = progress.videos[VideoState.FETCHED]
    for chunk in counted(
        form.assemble(books, EVERYTHING, tally), tally, lambda part: watch(replace(part, total=total))
    ):
        stream.write(chunk)
    stream.flush()
    return tally.videos


@clients_kept()
def check_place(settings: ExportSettings) -> None:
    """Raise what an export would, before it reads the ledger, about the name and what stands there."""
    if settings.uri == STDOUT:
        return
    if settings.max_part_bytes is None:
        refuse_misleading_name(settings.uri, settings.format, settings.compression)
        target = target_at(settings.uri, settings)
        refuse_open_database(target, settings.format)
        admit_file(target, force=False)
    else:
        with folder_at(settings.uri, settings).draft():
            pass


def _begin(
    books: LedgerReader,
    settings: ExportSettings,
    ledger_name: str,
    now: datetime,
    *,
    require_complete: bool,
    watch: ProgressCallback,
    maker: PartMaker,
) -> _Export:
    """Look at the ledger. From here on its snapshot is what is exported."""
    progress = books.progress()
    if require_complete:
        _refuse_incomplete(progress)
    form = format_of(settings.format, settings.compression)
    survey = parts.survey(books, form, settings.max_part_bytes)
    loads = loads_of(books.loads())
    begun = Manifest(
        file="",
        format=settings.format,
        compression=settings.compression,
        complete=is_complete(progress),
        counts=counts_of(progress),
        responses=survey.responses,
        videos=0,
        bytes=0,
        sha256="",
        exported_at=now.astimezone(UTC),
        ledger=without_secrets(ledger_name),
        source=loads[0].source if len(loads) == 1 else None,
        harvester=__version__,
        loads=loads,
        asked_for=asked_for(books.parts_asked()),
        made_with=form.made_with() if form.made_with else None,
    )
    return _Export(books, survey, progress, begun, watch, maker)


@dataclass(slots=True)
class _Export:
    """One export under way."""

    books: LedgerReader
    survey: Survey
    progress: Progress
    begun: Manifest
    """As far as it is known before anything is written."""
    watch: ProgressCallback
    maker: PartMaker
    videos_written: int = 0
    """In the parts that are whole, as are the bytes."""
    bytes_written: int = 0
    furthest: tuple[int, int] = (0, 0)
    """Videos and bytes that were told of: a part that is begun anew does not take them back."""

    def to_file(self, target: Destination, replacing: Standing | None) -> Manifest:
        form, tally = format_of(self.begun.format, self.begun.compression), Counters()

        def manifest_of(published: Published) -> Manifest:
            made = replace(self.begun, file=target.name, videos=tally.videos)
            return replace(made, bytes=published.bytes, sha256=published.sha256)

        published = target.publish_with_manifest(
            counted(form.assemble(self.books, EVERYTHING, tally), tally, self._watch_part),
            lambda published: to_json(manifest_of(published)),
            content_type=form.content_type,
            replacing=replacing,
            expected_bytes=self.survey.expected_bytes,
        )
        return manifest_of(published)

    def to_folder(self, name: str, draft: Draft, most_bytes: int) -> Manifest:
        order = partial(self._order, draft, most_bytes)
        written = self._parts(draft, order) or [self._part_without_videos(draft, order)]
        manifest = replace(
            self.begun,
            file=name,
            videos=sum(part.videos for part in written),
            bytes=sum(part.bytes for part in written),
            sha256=sum_of(written),
            parts=tuple(written),
        )
        draft.commit(to_json(manifest))
        return manifest

    def _order(self, draft: Draft, most_bytes: int, span: Span) -> PartOrder:
        form = format_of(self.begun.format, self.begun.compression)
        place = draft.place(parts.part_name(span, form), content_type=form.content_type)
        most = most_bytes if parts.halves(span, self.books.last_position()) else None
        return PartOrder(self.begun.format, self.begun.compression, span, most, place)

    def _parts(self, draft: Draft, order: Callable[[Span], PartOrder]) -> list[Part]:
        """A part a span, or several where it comes out larger than its figures promised; in load order."""
        spans = deque(self.survey.spans)
        written: list[Part] = []

        def next_order() -> PartOrder | None:
            return order(spans.popleft()) if spans else None

        # Closed at once, whatever happens: what is still being made would be written to a draft that is gone.
        with closing(self.maker(self.books, next_order, self._watch_part)) as results:
            for ordered, made in results:
                if made is None:
                    draft.drop(ordered.name)
                    spans.extendleft(reversed(parts.halves(ordered.span, self.books.last_position()) or ()))
                elif made.part.videos or made.responses:
                    draft.keep(ordered.name, made.written)
                    written.append(made.part)
                    self.videos_written += made.part.videos
                    self.bytes_written += made.part.bytes
                else:
                    draft.drop(ordered.name)
        return sorted(written, key=lambda part: part.first_position)

    def _part_without_videos(self, draft: Draft, order: Callable[[Span], PartOrder]) -> Part:
        """A table without rows still has its columns."""
        ordered = replace(order(EVERYTHING), most_bytes=None)
        made = make(self.books, ordered)
        assert made is not None
        draft.keep(ordered.name, made.written)
        return made.part

    def _watch_part(self, part: Advance) -> None:
        total = self.progress.videos[VideoState.FETCHED]
        videos, size = self.furthest
        videos, size = max(videos, self.videos_written + part.done), max(size, self.bytes_written + part.bytes)
        self.furthest = videos, size
        self.watch(Advance(videos, total, size, note=part.note))


def _refuse_incomplete(progress: Progress) -> None:
    if not progress.asked_for:
        raise ExportIncomplete(
            "There is no video id in the ledger.",
            state="Nothing was written.",
            next_step="harvester status says what is in it, harvester load brings ids.",
        )
    left = left_to_ask(progress)
    if left:
        raise ExportIncomplete(
            f"{left:,} of {progress.total:,} ids are still to be asked for.",
            state="Nothing was written.",
            next_step="Run harvester run, then export again; without --require-complete what is stored is exported.",
        )
