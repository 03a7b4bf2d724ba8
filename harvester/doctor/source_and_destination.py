"""Checks of the source of ids and of the export's destination."""

from __future__ import annotations

import secrets
from contextlib import closing

from harvester.config import Config
from harvester.doctor.finding import Finding, ok, problem, warning
from harvester.errors import HarvesterError
from harvester.export import check_place
from harvester.export.storage.open import folder_at, target_at
from harvester.protected_files import protected_by
from harvester.sources import read_ids
from harvester.support.sanitize import escaped, shown

IDS_LOOKED_AT = 100
TINY = b"harvester doctor wrote this to see that it can, and removes it.\n"


def is_remote(uri: str | None) -> bool:
    """Whether an address is on S3 or the web."""
    return uri is not None and "://" in uri and not uri.lower().startswith("file://")


def check_source(config: Config) -> Finding:
    """Check whether the source's first rows can be read, and hold ids."""
    settings = config.source
    uri = settings.uri
    if uri is None:
        return warning("source", "The settings name none.", "Name one: harvester load ids.csv, or set source.uri.")
    if uri == "-":
        return ok("source", "It is standard input, which is not looked at.")
    try:
        chunks = read_ids(uri, column=settings.column, anonymous=settings.anonymous, limit=IDS_LOOKED_AT)
        with closing(chunks):
            chunk = next(chunks, None)
    except HarvesterError as error:
        return problem("source", error)
    name = shown(uri.partition("?")[0])
    if chunk is None:
        return warning("source", f"{name} holds no ids.", "Fix source.uri or source.column.")
    if len(chunk.invalid) * 2 > len(chunk.ids):
        what = f"Most of the first texts of {name} are no video ids, such as {escaped(min(chunk.invalid), 40)}."
        return warning("source", what, "Fix source.column.")
    return ok("source", f"{name} can be read; its first id is {shown(chunk.ids[0], 40)}.")


def check_export(config: Config) -> Finding:
    """Check whether the destination can be written, by a tiny file or object next to it, which is removed again.

    Also check whether an export would replace what is there. That completes an interrupted export, as an export does.
    """
    settings = config.export
    try:
        protected_by(config).refuse_export(settings)
        # By the settings' own way, so that encryption and ACL are tried too.
        place = target_at if settings.max_part_bytes is None else folder_at
        probe = place(settings.uri, settings).beside(f".harvester-doctor-{secrets.token_hex(6)}")
        probe.publish([TINY], content_type="text/plain")
    except HarvesterError as error:
        return problem("export", error)
    finding = ok("export", f"{shown(settings.uri)} can be written.")
    try:
        check_place(settings)
    except HarvesterError as error:
        finding = problem("export", error)
    try:
        probe.remove()
    except HarvesterError as error:
        what = f"Something can be written at {shown(settings.uri)}, but not removed: {shown(probe.uri)} stays there."
        return warning("export", f"{what} {error.what}", "Remove it by hand; let this user have s3:DeleteObject.")
    return finding
