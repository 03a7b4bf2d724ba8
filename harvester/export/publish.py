"""Export: assemble the stored responses, publish them, then say what was published."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from harvester._version import __version__
from harvester.config import ExportSettings
from harvester.errors import ExportIncomplete, HarvesterError
from harvester.export.assemble import Tally
from harvester.export.formats import format_of, refuse_misleading_name
from harvester.export.manifest import SUFFIX, Manifest, counts_of, left_to_ask, to_json, without_secrets
from harvester.export.storage import target_at
from harvester.export.target import Published, Target
from harvester.ledger.protocol import Books
from harvester.model import Progress

log = logging.getLogger(__name__)

_FRAME_BYTES = 64
"""More than brackets, commas and gzip members of their own add to a body."""


def export(
    books: Books,
    settings: ExportSettings,
    *,
    ledger_name: str,
    now: datetime,
    require_complete: bool = False,
    source: str | None = None,
) -> Manifest:
    """Publish every stored response to `settings.uri`, then the manifest beside it.

    A ledger that holds no response gives an empty file of its format. The counts by state are of the same
    snapshot as the responses, as far as `books` reads from one. Of `ledger_name` and `source` the manifest
    keeps what may be shown. `now` is when the export begins.

    Raises ExportIncomplete, before anything is written, where `require_complete` and ids are left to ask
    for; LedgerDamaged where a stored body is not what was stored; ConfigError, CredentialsError or
    StorageUnavailable where it can't be put there. In every case the file that stood there before is as it
    was, unless it is the manifest that fails: then the error says so.
    """
    refuse_misleading_name(settings.uri, settings.compression)
    form = format_of(settings.format, settings.compression)
    target = target_at(settings.uri, region=settings.region, acl=settings.acl)
    progress = books.progress()
    if require_complete:
        _refuse_incomplete(progress)
    tally = Tally()
    published = target.publish(
        form.assemble(tally.over(books.responses())),
        content_type=form.content_type,
        expected_bytes=sum(day.raw_bytes + _FRAME_BYTES * day.calls for day in progress.days),
    )
    manifest = _manifest(settings, target, progress, tally, published, now, ledger_name, source)
    _publish_manifest(target.beside(SUFFIX), manifest)
    log.info("published %s: %d responses, %d bytes", published.uri, manifest.responses, manifest.bytes)
    return manifest


def _manifest(
    settings: ExportSettings,
    target: Target,
    progress: Progress,
    tally: Tally,
    published: Published,
    now: datetime,
    ledger_name: str,
    source: str | None,
) -> Manifest:
    return Manifest(
        file=target.name,
        format=settings.format,
        compression=settings.compression,
        complete=left_to_ask(progress) == 0,
        counts=counts_of(progress),
        responses=tally.responses,
        videos=tally.videos,
        bytes=published.bytes,
        sha256=published.sha256,
        exported_at=now.astimezone(UTC),
        ledger=without_secrets(ledger_name),
        source=without_secrets(source) if source else None,
        harvester=__version__,
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
