"""The one table of what can be published: a format is an entry here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from harvester.errors import ConfigError
from harvester.export.assemble import json_array, json_array_gzip
from harvester.model import StoredResponse
from harvester.text import shown


@dataclass(frozen=True, slots=True)
class Format:
    """How the responses become bytes, and what a server is to say that they are.

    `content_type` names the file as it is stored. A gzip file is `application/gzip`, and never JSON with a
    `Content-Encoding: gzip`: curl and some browsers then decode the first of its many members and drop the
    rest, while boto3, s3fs, pandas, Spark and Athena go by the name of the file and not by that header.
    """

    assemble: Callable[[Iterable[StoredResponse]], Iterator[bytes]]
    content_type: str


FORMATS: dict[tuple[str, str], Format] = {
    ("json", "none"): Format(json_array, "application/json"),
    ("json", "gzip"): Format(json_array_gzip, "application/gzip"),
}
"""By format and compression, as the settings and the manifest name them."""

_COMPRESSION_BY_SUFFIX = {".gz": "gzip"}


def format_of(name: str, compression: str) -> Format:
    """Raises ConfigError where there is no such format, or not with that compression."""
    try:
        return FORMATS[name, compression]
    except KeyError:
        what = f"There is no export of {shown(name, 40)!r} with compression {shown(compression, 40)!r}."
        raise ConfigError(what) from None


def refuse_misleading_name(uri: str, compression: str) -> None:
    """Readers go by the name: refuse one that ends in `.gz` for data that is not gzip."""
    for suffix, named in _COMPRESSION_BY_SUFFIX.items():
        if uri.endswith(suffix) and named != compression:
            raise ConfigError(
                f"{shown(uri)} is named as a {named} file, but export.compression is {compression!r}.",
                state="Nothing was written.",
                next_step=f"Add --compression {named}, or choose a name without {suffix}.",
            )
