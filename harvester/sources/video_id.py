"""Video ids, and the texts that contain one: URLs, archive lines, spreadsheet cells. Pure."""

from __future__ import annotations

import re

VIDEO_ID = re.compile("[A-Za-z0-9_-]{11}")
KNOWN_ID = re.compile("[A-Za-z0-9_-]{10}[048AEIMQUYcgkosw]")
"""The form of every known id: 64 bits leave sixteen choices for the last character."""

_INVISIBLE_RANGES = (
    "0-20 7F-A0 AD 34F 61C 115F-1160 1680 180B-180F 2000-200F 2028-202F 205F-206F 2800 3000 3164 FE00-FE0F FEFF FFA0 "
    "FFF9-FFFB E0000-E007F"
)
INVISIBLE = "".join(
    chr(code)
    for first, _, last in (span.partition("-") for span in _INVISIBLE_RANGES.split())
    for code in range(int(first, 16), int(last or first, 16) + 1)
)
"""White space, control characters, byte order marks, zero-width and direction marks."""

# Excel writes a text that begins with a dash as ="-abc", others as '-abc.
WRAPPING = INVISIBLE + "\"'`‘’‚‛“”„‟«»<>="

_ID = rf"({VIDEO_ID.pattern})(?![\w.-])"
ADDRESS = re.compile(
    r"(?:https?:)?/{0,2}(?:(?:www|m|music)\.)*"
    r"(?:(?P<short>youtu\.be)|youtube(?:-nocookie|kids)?\.com)/+(?P<path>[^?#]*)(?P<query>[^#]*)",
    re.IGNORECASE,
)
_IN_QUERY = re.compile(rf"[?&](?:amp;)?v={_ID}")
_IN_PATH = re.compile(rf"(?:shorts|live|embed|watch|v|e)/+{_ID}", re.IGNORECASE)
_IN_SHORT_PATH = re.compile(_ID)
_ARCHIVE_LINE = re.compile(rf"youtube\s+{_ID}\s*")
# Embedded players of something other than one video.
_NO_VIDEOS = {"videoseries", "live_stream"}


def is_video_id(text: str) -> bool:
    """Whether a text is eleven characters of the alphabet of video ids."""
    return VIDEO_ID.fullmatch(text) is not None


def read_id(text: str) -> str:
    """Return the video id in a text, or the text without the white space around it.

    White space, invisible characters and quotation marks around an id are removed. It is also taken out of a YouTube
    URL (`watch?v=`, `youtu.be/`, `/shorts/`, `/live/`, `/embed/`, with or without `https://`) and of a line of yt-dlp's
    archive (`youtube ID`).
    """
    if VIDEO_ID.fullmatch(text):
        return text
    bare = text.strip(WRAPPING)
    if VIDEO_ID.fullmatch(bare):
        return bare
    if match := _ARCHIVE_LINE.fullmatch(bare):
        return match[1]
    return id_of_address(bare) or text.strip()


def id_of_address(text: str) -> str | None:
    """Return the video id in a YouTube URL, or None."""
    address = ADDRESS.match(text)
    if not address:
        return None
    path = address["path"]
    if address["short"] and (match := _IN_SHORT_PATH.match(path)):
        return match[1]
    if (not path or path.lower().startswith("watch")) and (match := _IN_QUERY.search(address["query"])):
        return match[1]
    match = None if address["short"] else _IN_PATH.match(path)
    return match[1] if match and match[1] not in _NO_VIDEOS else None
