"""Text in another encoding, made UTF-8 block by block."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from harvester.errors import ConfigError


def as_utf8(blocks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """The same text in UTF-8, with U+FFFD for what is none. Raises ConfigError for an encoding that is not known."""
    try:
        b"a".decode(encoding, "replace")  # the decoder itself would not tell text from base64
        new_decoder = codecs.getincrementaldecoder(encoding)
    except (LookupError, ValueError):
        raise ConfigError(
            f"There is no encoding {encoding!r}.",
            next_step="Name one that Python knows: --encoding utf-16, latin-1, cp1252…",
        ) from None
    return _decoded(blocks, new_decoder(errors="replace"), encoding)


def _decoded(blocks: Iterator[bytes], decoder: codecs.IncrementalDecoder, encoding: str) -> Iterator[bytes]:
    try:
        for block in blocks:
            if text := decoder.decode(block):
                yield text.encode(errors="replace")
        yield decoder.decode(b"", final=True).encode(errors="replace")
    except UnicodeError as error:  # some encodings replace nothing
        raise ConfigError(
            f"The source is no text in {encoding!r}: {error}.", next_step="Name another encoding."
        ) from error
