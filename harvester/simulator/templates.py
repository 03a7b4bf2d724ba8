"""Templates of video resources: all of a video but its id, its etag and the size of its counts."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from .words import BIDI_MARKS, COUNTRIES, EMOJI, HOSTILE_TITLES, LANGUAGES, TOPICS

# so many fit into a processor's cache together
POOL_SIZE = 256
LONGEST_DESCRIPTION_BYTES = 7_082
PARTS = ("snippet", "contentDetails", "status", "statistics", "topicDetails")

# stands for the id in the addresses of thumbnails
ID_MARK = "\ue000id\ue001"

_THUMBNAILS = (
    ("default", "default", 120, 90),
    ("medium", "mqdefault", 320, 180),
    ("high", "hqdefault", 480, 360),
    ("standard", "sddefault", 640, 480),
    ("maxres", "maxresdefault", 1280, 720),
)
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_EPOCH = datetime(2006, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Template:
    """`parts`, None where the video has none, carry ID_MARK for the id; `counts` are the statistics present.

    The views of a video lie below `views_below`.
    """

    parts: dict[str, Any]
    counts: tuple[str, ...]
    views_below: int


def build_template(seed: int, index: int) -> Template:
    """The `index`-th template of the seed's pool."""
    rng = random.Random(f"template:{seed}:{index}")
    broadcast = rng.choices(("none", "live", "upcoming"), (955, 20, 25))[0]
    return Template(
        parts={
            "snippet": _snippet(rng, index, broadcast),
            "contentDetails": _content_details(rng, broadcast),
            "status": _status(rng),
            "topicDetails": _topic_details(rng),
        },
        counts=_counts(rng),
        views_below=int(10 ** rng.uniform(1, 10.2)),
    )


def _some(rng: random.Random, share: float) -> bool:
    return rng.random() < share


def _phrase(rng: random.Random, words: list[str], least: int, most: int) -> str:
    return " ".join(rng.choices(words, k=rng.randint(least, most)))


def _snippet(rng: random.Random, index: int, broadcast: str) -> dict[str, Any]:
    language = rng.choices(tuple(LANGUAGES), (50, 12, 8, 9, 9, 6, 6))[0]
    # few words to a video, said again and again: descriptions compress as well as real ones
    words = rng.choices(LANGUAGES[language].split(), k=20)
    title = HOSTILE_TITLES[index] if index < len(HOSTILE_TITLES) else _title(rng, words)
    description = _description(rng, words, index)
    published = _EPOCH + timedelta(seconds=rng.randrange(20 * 365 * 86_400))
    snippet: dict[str, Any] = {
        "publishedAt": published.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "channelId": "UC" + "".join(rng.choices(_ALPHABET, k=21)) + rng.choice("AQgw"),
        "title": title,
        "description": description,
        "thumbnails": _thumbnails(rng),
        "channelTitle": _phrase(rng, words, 1, 3).title(),
    }
    if _some(rng, 0.83):
        snippet["tags"] = [_phrase(rng, words, 1, 3) for _ in range(min(94, int(rng.expovariate(1 / 18)) + 1))]
    snippet |= {"categoryId": str(rng.choice((1, 2, 10, 17, 20, 22, 24, 26, 27, 28)))}
    snippet["liveBroadcastContent"] = broadcast
    if _some(rng, 0.33):
        snippet["defaultLanguage"] = language
    snippet["localized"] = {"title": title, "description": description}
    if _some(rng, 0.76):
        snippet["defaultAudioLanguage"] = rng.choice((language, "en-US", "zxx", "es-419"))
    return snippet


def _thumbnails(rng: random.Random) -> dict[str, Any]:
    sizes = _THUMBNAILS[: rng.choices((5, 4, 3), (87, 6, 7))[0]]
    return {
        name: {"url": f"https://i.ytimg.com/vi/{ID_MARK}/{file}.jpg", "width": width, "height": height}
        for name, file, width, height in sizes
    }


def _title(rng: random.Random, words: list[str]) -> str:
    title = _phrase(rng, words, 2, 11).capitalize()
    if _some(rng, 0.2):
        title += f" {rng.choice(EMOJI)}"
    if _some(rng, 0.1):
        title += f" | #{rng.choice(words)} & #{rng.choice(words)}"
    return title[:100]


def _description(rng: random.Random, words: list[str], index: int) -> str:
    if _some(rng, 0.04):
        return ""
    size = min(LONGEST_DESCRIPTION_BYTES, int(rng.lognormvariate(6.95, 0.85)))
    if index == len(HOSTILE_TITLES):
        size = LONGEST_DESCRIPTION_BYTES
    end = "\r\n" if _some(rng, 0.08) else "\n"
    lines: list[str] = []
    length = 0
    while length < size:
        lines.append(rng.choice(lines) if lines and _some(rng, 0.35) else _line(rng, words))
        length += len(lines[-1].encode()) + len(end)
    return end.join(lines).encode()[:size].decode(errors="ignore")


def _line(rng: random.Random, words: list[str]) -> str:
    kind = rng.random()
    if kind < 0.15:
        return ""
    if kind < 0.27:
        return f"{rng.choice(words)}: https://example.com/{rng.choice(words)}/{rng.getrandbits(24):06x}?a=1&b=2"
    if kind < 0.36:
        return f"{rng.randrange(60):02d}:{rng.randrange(60):02d} {_phrase(rng, words, 1, 4)}"
    if kind < 0.42:
        return " ".join(f"#{word}" for word in rng.choices(words, k=4))
    if kind < 0.50:
        return f"{rng.choice(EMOJI)} {_phrase(rng, words, 2, 6)} {rng.choice(EMOJI)}"
    if kind < 0.52:
        return f"{rng.choice(BIDI_MARKS)}{_phrase(rng, words, 2, 5)}{rng.choice(BIDI_MARKS)}"
    if kind < 0.53:
        return f"{rng.choice(words)}\r{rng.choice(words)}\t<b>{rng.choice(words)}</b>\v\\"
    return _phrase(rng, words, 6, 22) + rng.choice((".", "!", "…", " —", ""))


def _content_details(rng: random.Random, broadcast: str) -> dict[str, Any]:
    details: dict[str, Any] = {}
    if broadcast != "none":
        details["duration"] = "P0D"
    elif _some(rng, 0.98):
        details["duration"] = _duration(rng)
    details |= {
        "dimension": "3d" if _some(rng, 0.01) else "2d",
        "definition": "sd" if _some(rng, 0.12) else "hd",
        "caption": "true" if _some(rng, 0.17) else "false",
        "licensedContent": _some(rng, 0.7),
    }
    if _some(rng, 0.06):
        countries = sorted(rng.sample(COUNTRIES, rng.choice((0, 1, 1, 2, 5, 33, 106, len(COUNTRIES)))))
        details["regionRestriction"] = {rng.choice(("blocked", "allowed")): countries}
    if _some(rng, 0.99):
        details["contentRating"] = {"ytRating": "ytAgeRestricted"} if _some(rng, 0.02) else {}
    details["projection"] = "360" if _some(rng, 0.01) else "rectangular"
    return details


def _duration(rng: random.Random) -> str:
    seconds = int(rng.lognormvariate(5.5, 1.1))
    days, seconds = divmod(seconds + 90_000 * _some(rng, 0.005), 86_400)
    hours, seconds = divmod(seconds, 3_600)
    minutes, seconds = divmod(seconds, 60)
    date = f"P{days}D" if days else "P"
    units = ((hours, "H"), (minutes, "M"), (seconds, "S"))
    clock = "".join(f"{amount}{unit}" for amount, unit in units if amount)
    return f"{date}T{clock}" if clock else date if days else "PT0S"


def _status(rng: random.Random) -> dict[str, Any]:
    status: dict[str, Any] = {
        "uploadStatus": "uploaded" if _some(rng, 0.01) else "processed",
        "privacyStatus": "unlisted" if _some(rng, 0.03) else "public",
        "license": "creativeCommon" if _some(rng, 0.04) else "youtube",
        "embeddable": _some(rng, 0.95),
        "publicStatsViewable": _some(rng, 0.93),
    }
    if _some(rng, 0.97):
        status["madeForKids"] = _some(rng, 0.05)
    if _some(rng, 0.02):
        status["containsSyntheticMedia"] = _some(rng, 0.5)
    return status


def _topic_details(rng: random.Random) -> dict[str, Any] | None:
    if _some(rng, 0.08):
        return None
    details: dict[str, Any] = {}
    if _some(rng, 0.01):
        details["topicIds"] = ["/m/" + "".join(rng.choices("bcdfghjklmnpqrst0123456789", k=6))]
        details["relevantTopicIds"] = ["/m/04rlf", "/m/02jjt"]
    topics = rng.sample(TOPICS, rng.choice((1, 1, 2, 2, 3)))
    return details | {"topicCategories": [f"https://en.wikipedia.org/wiki/{topic}" for topic in topics]}


def _counts(rng: random.Random) -> tuple[str, ...]:
    if _some(rng, 0.005):
        return ()
    shares = {"viewCount": 0.98, "likeCount": 0.96, "favoriteCount": 0.99, "commentCount": 0.95}
    return tuple(name for name, share in shares.items() if _some(rng, share))
