"""The API key, which comes from the environment alone."""

from __future__ import annotations

import os
from pathlib import Path

from harvester.errors import CredentialsError
from harvester.support.secret import Secret


def api_key() -> Secret:
    """The YouTube API key, from `YOUTUBE_API_KEY` or the file that `YOUTUBE_API_KEY_FILE` names.

    Raises CredentialsError if there is none, or if it cannot be sent in a header.
    """
    key = os.environ.get("YOUTUBE_API_KEY", "").strip()
    if not key and (file := os.environ.get("YOUTUBE_API_KEY_FILE")):
        try:
            key = Path(file).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            raise CredentialsError(
                "The file named by YOUTUBE_API_KEY_FILE cannot be read as a key.",
                next_step="Let it hold the key alone, readable by this user.",
            ) from None
    if not key:
        raise CredentialsError(
            "There is no API key.",
            state="Nothing was sent.",
            next_step="Set YOUTUBE_API_KEY, or YOUTUBE_API_KEY_FILE to a file that holds it. "
            "To try without one: harvester rehearse.",
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise CredentialsError(
            "The API key holds characters that no key has.",
            state="Nothing was sent.",
            next_step="Let YOUTUBE_API_KEY, or the file of YOUTUBE_API_KEY_FILE, hold the key alone.",
        )
    return Secret(key)


def api_key_file() -> Path | None:
    """The file that the key is read from; None if the environment holds the key itself, or there is none."""
    file = os.environ.get("YOUTUBE_API_KEY_FILE")
    return Path(file) if file and not os.environ.get("YOUTUBE_API_KEY", "").strip() else None
