"""The encoding of a source: text in another one is converted to UTF-8, and UTF-16 is recognised."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from harvester.errors import ConfigError

UTF16_SAMPLE_BYTES = 2048


def utf16_without_mark(head: bytes) -> str | None:
    """Return which UTF-16 these first bytes of a text are, by their zeros; None if they are none."""
    sample = head[:UTF16_SAMPLE_BYTES]
    first, second = sample[::2], sample[1::2]
    for codec, zeros, others in (("utf-16-le", second, first), ("utf-16-be", first, second)):
        if len(zeros) > 10 and 10 * zeros.count(0) > 9 * len(zeros) and 10 * others.count(0) < len(others):
            return codec
    return None


def as_utf8(blocks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """Convert a text to UTF-8, with U+FFFD for invalid bytes. Raises ConfigError for an unknown encoding."""
    try:
        b"a".decode(encoding, "replace")  # the decoder itself also accepts codecs such as base64
        codecs.getincrementaldecoder(encoding)
    except (LookupError, ValueError):
        raise ConfigError(
            f"There is no encoding {encoding!r}.",
            next_step="Name one that Python knows: --encoding utf-16, latin-1, cp1252…",
        ) from None
    return _decoded(blocks, encoding)


def _decoded(blocks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    try:
        for text in codecs.iterdecode(blocks, encoding, "replace"):
            yield text.encode(errors="replace")
    except UnicodeError as error:  # some encodings can't replace invalid bytes
        raise ConfigError(
            f"The source is no text in {encoding!r}: {error}.", next_step="Name another encoding."
        ) from error
