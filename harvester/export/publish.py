"""Export: assemble the stored responses, publish them, then say what was published."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from harvester._version import __version__
from harvester.config import ExportSettings
from harvester.errors import ExportIncomplete, HarvesterError
from harvester.export import parts
from harvester.export.formats import Format, format_of, refuse_misleading_name
from harvester.export.manifest import SUFFIX, Manifest, Part, counts_of, left_to_ask, sum_of, to_json, without_secrets
from harvester.export.parts import Survey
from harvester.export.storage import folder_at, target_at
from harvester.export.tally import Tally
from harvester.export.target import Draft, Folder, Published, Target
from harvester.ledger.protocol import Books
from harvester.model import EVERYTHING, Progress, Span, VideoState
from harvester.text import count
from harvester.watch import Advance, Watch, nobody

log = logging.getLogger(__name__)


def export(
    books: Books,
    settings: ExportSettings,
    *,
    ledger_name: str,
    now: datetime,
    require_complete: bool = False,
    source: str | None = None,
    watch: Watch = nobody,
) -> Manifest:
    """Publish what is stored to `settings.uri`, as one file or as a folder of parts, then the manifest beside it.

    A ledger that holds no response gives an empty file of its format. The counts by state are of the same
    snapshot as the responses, as far as `books` reads from one. Of `ledger_name` and `source` the manifest
    keeps what may be shown. `now` is when the export begins. `watch` hears of videos and bytes.

    Raises ExportIncomplete, before anything is written, where `require_complete` and ids are left to ask
    for; LedgerDamaged where a stored body is not what was stored; ConfigError, CredentialsError or
    StorageUnavailable where it can't be put there. In every case what stood there before is as it
    was, unless it is the manifest that fails: then the error says so.
    """
    form = format_of(settings.format, settings.compression)
    progress = books.progress()
    if require_complete:
        _refuse_incomplete(progress)
    survey = parts.survey(books, form, settings.max_part_bytes)
    export = _Export(books, form, survey, progress, watch)
    begun = Manifest(
        file="",
        format=settings.format,
        compression=settings.compression,
        complete=left_to_ask(progress) == 0,
        counts=counts_of(progress),
        responses=survey.responses,
        videos=0,
        bytes=0,
        sha256="",
        exported_at=now.astimezone(UTC),
        ledger=without_secrets(ledger_name),
        source=without_secrets(source) if source else None,
        harvester=__version__,
    )
    if settings.max_part_bytes is None:
        refuse_misleading_name(settings.uri, settings.format, settings.compression)
        target = target_at(settings.uri, settings)
        manifest = export.to_file(target, begun)
        _publish_manifest(target.beside(SUFFIX), manifest)
    else:
        folder = folder_at(settings.uri, settings)
        manifest = export.to_folder(folder, begun, settings.max_part_bytes)
        _publish_manifest(folder.beside(SUFFIX), manifest)
    log.info("published %s: %s, %s", settings.uri, count(manifest.videos, "video"), count(manifest.bytes, "byte"))
    return manifest


class _TooLargeError(Exception):
    """A part came out larger than it may be."""


@dataclass(slots=True)
class _Export:
    """One export under way."""

    books: Books
    form: Format
    survey: Survey
    progress: Progress
    watch: Watch
    videos_written: int = 0
    """In the parts that are whole, as are the bytes."""
    bytes_written: int = 0

    def to_file(self, target: Target, begun: Manifest) -> Manifest:
        tally = Tally()
        published = target.publish(
            self._assembled(EVERYTHING, tally, None),
            content_type=self.form.content_type,
            expected_bytes=self.survey.expected_bytes,
        )
        return replace(begun, file=target.name, videos=tally.videos, bytes=published.bytes, sha256=published.sha256)

    def to_folder(self, folder: Folder, begun: Manifest, most_bytes: int) -> Manifest:
        with folder.draft() as draft:
            written = [part for span in self.survey.spans for part in self._parts(draft, span, most_bytes)]
            if not written:
                # A table without rows still has its columns.
                written = [self._part(draft, EVERYTHING, None)[0]]
            # From here until the new one is there, no manifest speaks of a folder that is neither old nor new.
            folder.beside(SUFFIX).remove()
            try:
                draft.commit()
            except HarvesterError as error:
                error.state = "The folder may hold the old parts, the new ones or some of both: it has no manifest now."
                raise
        return replace(
            begun,
            file=folder.name,
            videos=sum(part.videos for part in written),
            bytes=sum(part.bytes for part in written),
            sha256=sum_of(written),
            parts=tuple(written),
        )

    def _parts(self, draft: Draft, span: Span, most_bytes: int) -> Iterator[Part]:
        """The span as one part, or as several where it comes out larger than its figures promised."""
        smaller = parts.halves(span, self.progress.total)
        with suppress(_TooLargeError):
            part, tally = self._part(draft, span, most_bytes if smaller else None)
            smaller = None
        # The error is gone by now: it kept alive what the part was made of, and attempts may stand in one another.
        if smaller:
            for half in smaller:
                yield from self._parts(draft, half, most_bytes)
        elif tally.videos or tally.responses:
            self.videos_written += part.videos
            self.bytes_written += part.bytes
            yield part
        else:
            draft.drop(part.file)

    def _part(self, draft: Draft, span: Span, most_bytes: int | None) -> tuple[Part, Tally]:
        tally = Tally()
        name = parts.part_name(span, self.form)
        published = draft.add(
            name,
            self._assembled(span, tally, most_bytes),
            content_type=self.form.content_type,
            expected_bytes=most_bytes or 0,
        )
        return _as_part(name, span, published, tally), tally

    def _assembled(self, span: Span, tally: Tally, most_bytes: int | None) -> Iterator[bytes]:
        chunks = self.form.assemble(self.books, span, tally)
        return self._watched(chunks, tally, most_bytes)

    def _watched(self, chunks: Iterable[bytes], tally: Tally, most_bytes: int | None) -> Iterator[bytes]:
        total = self.progress.videos[VideoState.FETCHED]
        size = 0
        for chunk in chunks:
            size += len(chunk)
            if most_bytes is not None and size > most_bytes:
                raise _TooLargeError
            yield chunk
            self.watch(Advance(self.videos_written + tally.videos, total, self.bytes_written + size))


def _as_part(name: str, span: Span, published: Published, tally: Tally) -> Part:
    return Part(
        file=name,
        videos=tally.videos,
        bytes=published.bytes,
        sha256=published.sha256,
        first_position=span.first,
        last_position=span.last if span.last < EVERYTHING.last else None,
    )


def _publish_manifest(target: Target, manifest: Manifest) -> None:
    try:
        target.publish([to_json(manifest)], content_type="application/json")
    except HarvesterError as error:
        error.state = "The data is published; its manifest is not, or is the one before."
        raise


def _refuse_incomplete(progress: Progress) -> None:
    left = left_to_ask(progress)
    if left:
        raise ExportIncomplete(
            f"{left:,} of {progress.total:,} ids are still to be asked for.",
            state="Nothing was written.",
            next_step="harvester run goes on; without --require-complete what is there is exported.",
        )
