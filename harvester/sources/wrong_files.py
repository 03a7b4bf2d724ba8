"""Recognise files that hold no ids, by their first bytes or, if no row holds an id, by their texts."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Sequence

from harvester.errors import ConfigError
from harvester.sources.encoding import utf16_without_mark
from harvester.sources.source import as_argument
from harvester.sources.video_id import KNOWN_ID
from harvester.support.sanitize import escaped

UNPACK = "Unpack it to CSV, Parquet, JSON or one id a line; gzip and zstd may stay packed."
ENCODING = "Name its encoding: harvester load {} --encoding"
ANOTHER = "Name a CSV, Parquet, JSON or text file in UTF-8."

# An id may begin with the magic letters of a format, so each pattern holds a byte that no list of ids has there.
PACKED = {
    "a zip archive or a workbook": re.compile(rb"PK(\x03\x04|\x05\x06)"),
    "bzip2": re.compile(rb"BZh91AY&SY"),
    "xz": re.compile(rb"\xfd7zXZ\x00"),
    "a 7z archive": re.compile(rb"7z\xbc\xaf\x27\x1c"),
    "a rar archive": re.compile(rb"Rar!\x1a\x07"),
    "lz4": re.compile(rb"\x04\x22\x4d\x18"),
    "lzip": re.compile(rb"LZIP\x01"),
    "compress (.Z)": re.compile(rb"\x1f\x9d"),
}
FOREIGN = {
    "UTF-16 text": (re.compile(rb"\xff\xfe|\xfe\xff"), f"{ENCODING} utf-16"),
    "a web page": (re.compile(rb"\s*<(!doctype|html|\?xml)", re.IGNORECASE), ANOTHER),
    "a PDF": (re.compile(rb"%PDF-"), ANOTHER),
    "a Git LFS pointer": (re.compile(rb"version https://git-lfs\."), "Fetch the file itself: git lfs pull"),
    "a git-annex pointer": (re.compile(rb"\S*/annex/objects/"), "Fetch the file itself: git annex get FILE"),
    "an SQLite database": (
        re.compile(rb"SQLite format 3\0"),
        "Write a column out: sqlite3 FILE 'SELECT …' > ids.txt",
    ),
    "an old Excel or Word file": (re.compile(rb"\xd0\xcf\x11\xe0"), "Save it as CSV."),
    "an Arrow file": (re.compile(rb"ARROW1\0\0"), ANOTHER),
    "an HDF5 file": (re.compile(rb"\x89HDF"), ANOTHER),
    "a pickle": (re.compile(rb"\x80[\x02-\x05][\x00-\xff]"), ANOTHER),
    "a picture": (re.compile(rb"\x89PNG|\xff\xd8\xff|GIF8[79]a\S?[\x00-\x1f]"), ANOTHER),
    "a program": (re.compile(rb"\x7fELF|MZ[\x00-\xff]\x00|[\xce\xcf]\xfa\xed\xfe|\xca\xfe\xba\xbe"), ANOTHER),
}
TAR_BLOCK_BYTES = 512
EXAMPLES = 3
EXAMPLE_CHARACTERS = 40
TEXTS_LOOKED_AT = 1000

_NUMBER = re.compile(r"[-+]?\d+([.,]\d*)?([eE][-+]?\d+)?")
_LONGER_THAN_AN_ID = re.compile(rf"({KNOWN_ID.pattern})[\W_].*", re.DOTALL)
_CHANNEL = re.compile(r"(.*/)?UC[\w-]{22}")
_UNPRINTABLE = re.compile("[\x00-\x08\x0e-\x1f\x7f\ufffd]")


def refuse_packed(head: bytes, shown: str) -> None:
    """Raise ConfigError for unsupported archives and compressions."""
    for name, beginning in PACKED.items():
        if beginning.match(head):
            raise ConfigError(f"{shown} is {name}.", next_step=UNPACK)


def refuse_foreign(head: bytes, shown: str) -> None:
    """Raise ConfigError for what is certainly neither a table nor a list of ids."""
    for name, (beginning, next_step) in FOREIGN.items():
        if beginning.match(head):
            raise ConfigError(f"{shown} is {name}, not a file of ids.", next_step=next_step.format(as_argument(shown)))
    if _is_tar(head):
        raise ConfigError(f"{shown} is a tar archive.", next_step=UNPACK)
    if codec := utf16_without_mark(head):
        raise ConfigError(
            f"{shown} is UTF-16 text without a byte order mark, not UTF-8.",
            next_step=f"{ENCODING} {codec}".format(as_argument(shown)),
        )


def _is_tar(head: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(head[:TAR_BLOCK_BYTES], "utf-8", "replace")
    except (tarfile.HeaderError, ValueError):
        return False
    return True


def without_ids(shown: str, what: str, texts: Sequence[str], next_step: str) -> ConfigError:
    """Return the error for a source without a video id: `what`, and what its texts look like."""
    looks_like, other_step = _looks_like([text for text in texts if text][:TEXTS_LOOKED_AT])
    examples = ", ".join(escaped(text, EXAMPLE_CHARACTERS) for text in texts[:EXAMPLES])
    return ConfigError(
        f"{shown} cannot be loaded. {what}: {looks_like}, such as {examples}.",
        state="Nothing was stored.",
        next_step=other_step or next_step,
    )


def _looks_like(texts: Sequence[str]) -> tuple[str, str]:
    """Return what the texts look like, and what helps, if that is certain."""

    def most(pattern: re.Pattern[str]) -> bool:
        return sum(pattern.fullmatch(text) is not None for text in texts) * 10 >= 9 * len(texts)

    if not texts:
        return "they are empty", ""
    if sum(len(_UNPRINTABLE.findall(text)) for text in texts) * 20 > sum(map(len, texts)):
        return "it looks like a program or other binary data", ANOTHER
    if most(_NUMBER):
        return "they look like numbers", ""
    if most(_CHANNEL):
        return "they look like channels", ""
    if most(_LONGER_THAN_AN_ID):
        return (
            "they begin with 11 characters that an id could have, and go on",
            "Cut them to ids first, for example: cut -c 1-11 FILE | harvester load -",
        )
    return "they look like names or other text", ""
