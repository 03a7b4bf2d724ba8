"""Format and compression by the name of a published file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn, TypeAlias

from harvester.errors import ConfigError
from harvester.support.sanitize import shown

Sections: TypeAlias = Mapping[str, Mapping[str, Any]]

STDOUT = "-"
FORMATS = {".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
FORMATS |= {".csv": "csv", ".sqlite": "sqlite", ".db": "sqlite"}
NAMED_AS = {"csv-safe": "csv"}
"""Formats with the file names of another format."""
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
COMPRESSED_WITHIN = {
    "parquet": "Parquet is compressed within.",
    "sqlite": "A SQLite database is read in place, which a compressed one can't be.",
}
"""Formats that take no compression, and why."""


def settings_by_name(uri: str, chosen: str | None = None) -> dict[str, Any]:
    """Return the export settings that the name of a destination implies; none if its ending is unknown.

    Standard output and a database cannot be a folder of parts. `chosen` is the format of an option, which may be one
    that is not compressed. Raises ConfigError if that format cannot be compressed as the name says.
    """
    uncompressed = {"compression": "none"} if chosen in COMPRESSED_WITHIN else {}
    if uri == STDOUT:
        return uncompressed | {"max_part_bytes": None}
    stem, ending, packing = _split(uri)
    name = FORMATS.get(ending)
    if packing and (why := COMPRESSED_WITHIN.get(chosen or name or "")):
        raise ConfigError(
            f"{shown(uri)} is named as a {packing} file. {why}",
            state="Nothing was written.",
            next_step=f"Leave {packing} out: harvester export {shown(stem + _ending_of(chosen or name))}",
        )
    fields: dict[str, Any] = uncompressed if name is None else {"format": name, "compression": "none"}
    if "sqlite" in (name, chosen):
        fields["max_part_bytes"] = None
    return fields | ({"compression": COMPRESSIONS[packing]} if packing else {})


def with_export_by_name(settings: Sections, options: Sections) -> tuple[Sections, Sections, Sections]:
    """Return settings, options and what the destination's name says of the export, lowest rank first.

    Options beat the name, which beats the settings. Where the destination comes from the settings, they beat its name.
    """
    in_options, in_settings = options.get("export", {}), settings.get("export", {})
    if "uri" in in_options:
        named = settings_by_name(in_options["uri"], in_options.get("format"))
        if in_options.get("table") == "statistics":
            named["max_part_bytes"] = None
        return settings, {"export": named}, options
    chosen = in_options.get("format") or in_settings.get("format")
    return {"export": settings_by_name(in_settings.get("uri", ""), chosen)}, settings, options


def refuse_misleading_name(uri: str, name: str, compression: str) -> None:
    """Raise ConfigError if the destination's ending is that of another format or compression."""
    stem, ending, packing = _split(uri)
    if packing and COMPRESSIONS[packing] != compression:
        other = next((each for each, kind in COMPRESSIONS.items() if kind == compression), "")
        _refuse(uri, "compression", COMPRESSIONS[packing], compression, stem + ending + other)
    if ending and FORMATS[ending] != NAMED_AS.get(name, name):
        _refuse(uri, "format", FORMATS[ending], name, stem + _ending_of(name) + packing)


def _ending_of(name: str | None) -> str:
    return next((ending for ending, kind in FORMATS.items() if kind == NAMED_AS.get(name or "", name)), "")


def _split(uri: str) -> tuple[str, str, str]:
    """Split a name into stem, ending of the format and ending of the compression; empty where there is none."""
    rest, packing = _cut(uri.rstrip("/"), COMPRESSIONS)
    stem, ending = _cut(rest, FORMATS)
    return stem, ending, packing


def _cut(uri: str, known: Iterable[str]) -> tuple[str, str]:
    ending = next((each for each in known if uri.lower().endswith(each)), "")
    return uri[: len(uri) - len(ending)], ending


def _refuse(uri: str, setting: str, named: str, chosen: str, other: str) -> NoReturn:
    raise ConfigError(
        f"{shown(uri)} is named as a {named} file, but export.{setting} is {chosen!r}.",
        state="Nothing was written.",
        next_step=f"Add --{setting} {named}, or name it otherwise: harvester export {shown(other)}",
    )
