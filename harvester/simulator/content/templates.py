"""Templates of video resources: everything except id, etag and the size of counts."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from string import ascii_letters, ascii_lowercase, ascii_uppercase, digits
from typing import Any

# as many as fit into a processor's cache
POOL_SIZE = 256
LONGEST_DESCRIPTION_BYTES = 7_082
PARTS = ("snippet", "contentDetails", "status", "statistics", "topicDetails")

# the id in the URLs of thumbnails
ID_MARK = "\ue000id\ue001"

_THUMBNAILS = (
    ("default", "default", 120, 90),
    ("medium", "mqdefault", 320, 180),
    ("high", "hqdefault", 480, 360),
    ("standard", "sddefault", 640, 480),
    ("maxres", "maxresdefault", 1280, 720),
)
_COUNTRIES = tuple(a + b for a in ascii_uppercase for b in ascii_uppercase)[:249]
_TOPICS = ("Music", "Pop_music", "Film", "Lifestyle_(sociology)", "Video_game_culture", "Sport", "Jazz", "Food")
# letters of words, by language
_LETTERS = {
    "en": ascii_lowercase,
    "fr": ascii_lowercase + "éèêàçœ",
    "ja": "音楽公式動画新曲料理簡単旅行東京散歩雨の音作業用勉強猫",
    "ko": "음악공식영상신곡라이브커버요리여행서울산책빗소리공부고양이",
    "hi": "संगीतआधिकारिकवीडियोनयागानालाइवगिटार",
    "ar": "موسيقىفيديورسميأغنيةجديدةحفلةمباشرةدرس",
}
_EMOJI = ("🎵", "🔥", "👍", "👨‍👩‍👧‍👦", "🏳️‍🌈", "❤️", "🇫🇷", "🧑🏽‍🚀", "1️⃣")
_BIDI_MARKS = ("\u200e", "\u200f", "\u202a", "\u202b", "\u202c", "\u2066", "\u2069")

# One template each in every pool, so that every larger crawl contains them all.
_HOSTILE_TITLES = (
    "\x1b[31mRED\x1b[0m alert \x1b]0;owned\x07",
    "\x1b[2J\x1b[1;1H screen wiped",
    "<script>alert('title')</script> & more",
    '<img src=x onerror="alert(1)">',
    '=HYPERLINK("http://example.com","click")',
    "'; DROP TABLE videos; --",
    "\u202egnp.exe harmless \u202c picture",
    "line\u2028separator and\u2029paragraph",
    "100%s {0} {{braces}} ${HOME} `id` [bold]rich[/bold]",
    "tab\tand\rcarriage\r\nreturn",
    "Ze\u0301 combines, Z\u0351\u036b\u0343a\u0300\u0319\u034el\u0315g\u0321o",
    "back\\slash \"quotes\" 'and' /slash/ \\u0041 \\n",
    "nan",
    " \u00a0 leading and trailing \u3000 ",
    "\u200b\u200b\u200b",
    "null\u007f delete \u0085 next \ufeff bom",
)


@dataclass(frozen=True)
class Template:
    """`parts`, None if the video has none, have ID_MARK in place of the id; `counts` are the statistics that it has.

    The views of a video are below `views_below`.
    """

    parts: dict[str, Any]
    counts: tuple[str, ...]
    views_below: int


def build_template(seed: int, index: int) -> Template:
    """Return the `index`-th template of the seed's pool."""
    rng = random.Random(f"template:{seed}:{index}")
    broadcast = rng.choices(("none", "live", "upcoming"), (955, 20, 25))[0]
    counts = (("viewCount", 0.98, 0), ("likeCount", 0.96, 0), ("favoriteCount", 0.99, 0), ("commentCount", 0.95, 0))
    return Template(
        parts={
            "snippet": _snippet(rng, index, broadcast),
            "contentDetails": _content_details(rng, broadcast),
            "status": _status(rng),
            "topicDetails": _topic_details(rng) if rng.random() < 0.92 else None,
        },
        counts=tuple(_some(rng, *counts)) if rng.random() < 0.995 else (),
        views_below=int(10 ** rng.uniform(1, 10.2)),
    )


def _some(rng: random.Random, *fields: tuple[str, float, Any]) -> dict[str, Any]:
    """Return the fields of (name, probability, value) that this video has."""
    return {name: value for name, share, value in fields if rng.random() < share}


def _words(rng: random.Random, words: list[str], least: int, most: int) -> str:
    return " ".join(rng.choices(words, k=rng.randint(least, most)))


def _snippet(rng: random.Random, index: int, broadcast: str) -> dict[str, Any]:
    language = rng.choices(tuple(_LETTERS), (55, 20, 7, 7, 5, 6))[0]
    # few words a video, repeated, so that descriptions compress as well as real ones
    words = ["".join(rng.choices(_LETTERS[language], k=rng.randint(2, 8))) for _ in range(20)]
    title = _HOSTILE_TITLES[index] if index < len(_HOSTILE_TITLES) else _title(rng, words)
    description = _description(rng, words, index)
    published = datetime(2006, 1, 1, tzinfo=UTC) + timedelta(seconds=rng.randrange(20 * 365 * 86_400))
    tags = [_words(rng, words, 1, 3) for _ in range(min(94, int(rng.expovariate(1 / 18)) + 1))]
    sizes = _THUMBNAILS[: rng.choices((5, 4, 3), (87, 6, 7))[0]]
    thumbnails = {
        name: {"url": f"https://i.ytimg.com/vi/{ID_MARK}/{file}.jpg", "width": width, "height": height}
        for name, file, width, height in sizes
    }
    return _some(
        rng,
        ("publishedAt", 1, published.strftime("%Y-%m-%dT%H:%M:%SZ")),
        ("channelId", 1, "UC" + "".join(rng.choices(ascii_letters + digits + "-_", k=21)) + rng.choice("AQgw")),
        ("title", 1, title),
        ("description", 1, description),
        ("thumbnails", 1, thumbnails),
        ("channelTitle", 1, _words(rng, words, 1, 3).title()),
        ("tags", 0.83, tags),
        ("categoryId", 1, str(rng.choice((1, 2, 10, 17, 20, 22, 24, 26, 27, 28)))),
        ("liveBroadcastContent", 1, broadcast),
        ("defaultLanguage", 0.33, language),
        ("localized", 1, {"title": title, "description": description}),
        ("defaultAudioLanguage", 0.76, rng.choice((language, "en-US", "zxx", "es-419"))),
    )


def _title(rng: random.Random, words: list[str]) -> str:
    emoji, tags = f" {rng.choice(_EMOJI)}", f" | #{rng.choice(words)} & #{rng.choice(words)}"
    title = _words(rng, words, 2, 11).capitalize()
    return (title + emoji * (rng.random() < 0.2) + tags * (rng.random() < 0.1))[:100]


def _description(rng: random.Random, words: list[str], index: int) -> str:
    size = min(LONGEST_DESCRIPTION_BYTES, int(rng.lognormvariate(6.95, 0.85))) * (rng.random() < 0.96)
    if index == len(_HOSTILE_TITLES):
        size = LONGEST_DESCRIPTION_BYTES
    end = "\r\n" if rng.random() < 0.08 else "\n"
    lines: list[str] = []
    length = 0
    while length < size:
        lines.append(rng.choice(lines) if lines and rng.random() < 0.35 else _line(rng, words))
        length += len(lines[-1].encode()) + len(end)
    return end.join(lines).encode()[:size].decode(errors="ignore")


def _line(rng: random.Random, words: list[str]) -> str:
    word, emoji, mark = rng.choice(words), rng.choice(_EMOJI), rng.choice(_BIDI_MARKS)
    forms = {
        "": 15,
        f"{word}: https://example.com/{word}/{rng.getrandbits(24):06x}?a=1&b=2": 12,
        f"{rng.randrange(60):02d}:{rng.randrange(60):02d} {_words(rng, words, 1, 4)}": 9,
        " ".join(f"#{word}" for word in rng.choices(words, k=4)): 6,
        f"{emoji} {_words(rng, words, 2, 6)} {emoji}": 8,
        f"{mark}{_words(rng, words, 2, 5)}{rng.choice(_BIDI_MARKS)}": 2,
        f"{word}\r{word}\t<b>{word}</b>\v\\": 1,
        _words(rng, words, 6, 22) + rng.choice((".", "!", "…", " —", "")): 47,
    }
    return rng.choices(tuple(forms), tuple(forms.values()))[0]


def _content_details(rng: random.Random, broadcast: str) -> dict[str, Any]:
    countries = sorted(rng.sample(_COUNTRIES, rng.choice((0, 1, 1, 2, 5, 33, 106, len(_COUNTRIES)))))
    return _some(
        rng,
        ("duration", 0.98, _duration(rng) if broadcast == "none" else "P0D"),
        ("dimension", 1, "3d" if rng.random() < 0.01 else "2d"),
        ("definition", 1, "sd" if rng.random() < 0.12 else "hd"),
        ("caption", 1, "true" if rng.random() < 0.17 else "false"),
        ("licensedContent", 1, rng.random() < 0.7),
        ("regionRestriction", 0.06, {rng.choice(("blocked", "allowed")): countries}),
        ("contentRating", 0.99, {"ytRating": "ytAgeRestricted"} if rng.random() < 0.02 else {}),
        ("projection", 1, "360" if rng.random() < 0.01 else "rectangular"),
    )


def _duration(rng: random.Random) -> str:
    minutes, second = divmod(int(rng.lognormvariate(5.5, 1.1)), 60)
    hour, minute = divmod(minutes, 60)
    clock = "".join(f"{amount}{unit}" for amount, unit in ((hour, "H"), (minute, "M"), (second, "S")) if amount)
    return f"P{'1D' * (rng.random() < 0.005)}T{clock or '0S'}"


def _status(rng: random.Random) -> dict[str, Any]:
    return _some(
        rng,
        ("uploadStatus", 1, "uploaded" if rng.random() < 0.01 else "processed"),
        ("privacyStatus", 1, "unlisted" if rng.random() < 0.03 else "public"),
        ("license", 1, "creativeCommon" if rng.random() < 0.04 else "youtube"),
        ("embeddable", 1, rng.random() < 0.95),
        ("publicStatsViewable", 1, rng.random() < 0.93),
        ("madeForKids", 0.97, rng.random() < 0.05),
        ("containsSyntheticMedia", 0.02, rng.random() < 0.5),
    )


def _topic_details(rng: random.Random) -> dict[str, Any]:
    categories = [f"https://en.wikipedia.org/wiki/{topic}" for topic in rng.sample(_TOPICS, rng.choice((1, 1, 2, 3)))]
    return _some(
        rng,
        ("topicIds", 0.01, ["/m/" + "".join(rng.choices("bcdfghjklmnpqrst0123456789", k=6))]),
        ("relevantTopicIds", 0.01, ["/m/04rlf", "/m/02jjt"]),
        ("topicCategories", 1, categories),
    )
