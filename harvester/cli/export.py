"""export: publish the stored responses."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harvester.cli.shared.console import on_terminal, show, show_next
from harvester.cli.shared.global_options import GlobalOptions
from harvester.cli.shared.parameters import PLACE

if TYPE_CHECKING:
    from harvester.app import Harvester


@click.command(epilog="Example: harvester export s3://bucket/songs.parquet")
@click.argument("dest", required=False, type=PLACE)
@click.option(
    "--format",
    type=click.Choice(["json", "jsonl", "parquet", "csv", "sqlite"]),
    help="What is written. [default: as DEST ends, then export.format]",
)
@click.option(
    "--table",
    type=click.Choice(["videos", "statistics"]),
    help="statistics: a row for each fetch of a video's counts. [default: export.table]",
)
@click.option(
    "--compression",
    type=click.Choice(["none", "gzip", "zstd"]),
    help="Of json, jsonl and csv. [default: as DEST ends, then export.compression]",
)
@click.option("--csv-safe", is_flag=True, help="Write CSV in which spreadsheets take no cell for a formula.")
@click.option(
    "--max-part-bytes", type=click.IntRange(min=1), metavar="N", help="Make DEST a folder of parts of at most N bytes."
)
@click.option(
    "--dask",
    metavar="ADDRESS",
    help="Make the parts on a Dask cluster: tcp://scheduler:8786, or local for one on this machine.",
)
@click.option(
    "--datasette-metadata", is_flag=True, help="Also write DEST.metadata.json for Datasette, next to a database."
)
@click.option("--force", is_flag=True, help="Replace DEST even if harvester did not write it.")
@click.option("--require-complete", is_flag=True, help="Publish nothing, with exit code 5, while ids are left.")
@click.pass_obj
def export(
    options: GlobalOptions,
    /,
    dest: str | None,
    csv_safe: bool,
    dask: str | None,
    datasette_metadata: bool,
    force: bool,
    require_complete: bool,
    **settings: Any,
) -> None:
    """Publish what is stored, in load order, then its manifest.

    DEST is a local path, s3://bucket/key or - for standard output, which has no manifest; without it, export.uri of the
    settings. Its name says format and compression, as in songs.parquet or songs.jsonl.gz. json is the responses as the
    API sent them, jsonl one video a line, parquet one video a row with typed columns, csv the same for spreadsheets,
    sqlite a database with full text search. With --table statistics, a row is one fetch of a video's views, likes and
    comments. Files that harvester did not write are not replaced. Spends no unit, and may be used during a run (with
    --dask only if the ledger is on a server). Next: harvester verify --export DEST.
    """
    import shlex
    import time

    from harvester.cli.shared.progress_line import progress
    from harvester.config import noun_of
    from harvester.report import command_results
    from harvester.support.gc_tuning import tune_gc
    from harvester.support.sanitize import shown

    # Exit by an exception, so that unfinished uploads are aborted.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if csv_safe:
        if settings["format"] not in (None, "csv"):
            raise click.UsageError(f"--csv-safe is for csv, and --format says {settings['format']}.")
        settings["format"] = "csv-safe"
    if settings["table"] == "statistics" and dest is None:
        raise click.UsageError("export.uri is the place of the videos: name another, such as statistics.parquet.")
    uri = dest if dest in (None, "-") or "://" in dest else str(Path(dest).absolute())
    harvester = options.harvester(export={"uri": uri, **settings})
    tune_gc()
    if harvester.config.export.uri == "-":
        if dask or settings["max_part_bytes"] or datasette_metadata:
            raise click.UsageError("--dask, --max-part-bytes and --datasette-metadata need a place: name one, not -.")
        _to_stdout(harvester, require_complete, options.verbosity)
        return
    began = time.monotonic()
    with progress("export", noun_of(harvester.config.export.table), options.verbosity) as callback:
        manifest = harvester.export(
            require_complete=require_complete,
            dask=dask,
            force=force,
            datasette_metadata=datasette_metadata,
            progress=callback,
        )
    show(command_results.exported(manifest, harvester.config.export.uri))
    place = shlex.quote(shown(dest or harvester.config.export.uri, 4096))
    show_next(f"Next: harvester verify --export {place}" if manifest.responses else "", options.verbosity, began)


def _to_stdout(harvester: Harvester, require_complete: bool, verbosity: int) -> None:
    import logging
    import time

    from harvester.cli.shared.progress_line import progress
    from harvester.config import noun_of
    from harvester.report.wording import elapsed
    from harvester.support.sanitize import count

    wanted = harvester.config.export
    if on_terminal() and (wanted.format not in ("json", "jsonl", "csv", "csv-safe") or wanted.compression != "none"):
        raise click.UsageError(f"{wanted.format} is not for a terminal: add > songs, or a pipe to what reads it.")
    began, noun = time.monotonic(), noun_of(wanted.table)
    with progress("export", noun, verbosity) as callback:
        rows = harvester.export_to(sys.stdout.buffer, require_complete=require_complete, progress=callback)
    wrote, seconds = count(rows, noun), time.monotonic() - began
    logging.getLogger(__name__).info("wrote %s to standard output, without a manifest, in %s", wrote, elapsed(seconds))
