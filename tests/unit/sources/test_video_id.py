"""One reading of a text for all who bring ids: what is taken for an id, and what stays as it is."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.sources.video_id import INVISIBLE, is_video_id, read_id

ID, DASHED = "dQw4w9WgXcQ", "-hGPfNK6Gng"


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "https://www.youtube.com/watch?v={}",
        "http://youtube.com/watch?v={}&t=42s",
        "https://m.youtube.com/watch?app=desktop&list=PL1&v={}#t=9",
        "https://music.youtube.com/watch?v={}&amp;list=RDAMVM",
        "https://www.youtube.com/watch?feature=share&amp;v={}",
        "www.youtube.com/watch?v={}",
        "youtube.com/watch/{}",
        "//youtube.com/watch?v={}",
        "HTTPS://WWW.YouTube.COM/watch?v={}",
        "https://youtu.be/{}",
        "youtu.be/{}?si=x",
        "https://youtu.be/{}&feature=share",
        "https://www.youtube.com/shorts/{}",
        "youtube.com/shorts/{}/",
        "https://www.youtube.com/live/{}?si=x",
        "https://www.youtube.com/embed/{}",
        "https://www.youtube-nocookie.com/embed/{}?rel=0",
        "https://www.youtube.com/v/{}&hl=en",
        "https://www.youtube.com/e/{}",
        "https://www.youtube.com/?v={}",
        "<https://youtu.be/{}>",
        "youtube {}",
        "youtube\t{}\n",
        '="{}"',
        '"{}"',
        "'{}",
        "“{}”",
        "  {}\t",
        "{}\r\n",
        "\ufeff\ufeff{}",
        "{}\u200b",
        "\u202a{}\u202c",
        "{}\0",
        "\u00a0{}\u00a0",
        "\u2060https://youtu.be/{}\u200b",
    ],
)
@pytest.mark.parametrize("video_id", [ID, DASHED])
def test_forms_of_an_id(text: str, video_id: str) -> None:
    assert read_id(text.format(video_id)) == video_id


@pytest.mark.parametrize(
    "text",
    [
        "",
        "dQw4w9WgXc",
        ID + "Q",
        ID[:5] + "\u200b" + ID[5:],
        ID[:-1] + "\u0421",
        f"{ID}_000300.mp4",
        f"{ID}, {ID}",
        f"https://youtu.be/{ID}_000300.mp4",
        f"https://youtu.be/{ID}Q",
        f"https://www.youtube.com/watch?x={ID}",
        f"https://www.youtube.com/watch?xv={ID}",
        f"https://www.youtube.com/results?search_query=x&v={ID}",
        f"https://www.youtube.com/playlist?list=PL{ID}",
        "https://www.youtube.com/embed/videoseries?list=PL1",
        "https://www.youtube.com/embed/live_stream?channel=UC1",
        f"https://www.youtube.com/@{ID}",
        f"https://www.youtube.com/{ID}",
        f"https://notyoutube.com/watch?v={ID}",
        f"https://youtube.com.example.org/watch?v={ID}",
        f"https://example.org/?u=https://youtu.be/{ID}",
        f"vimeo {ID}",
        f"youtube {ID} {ID}",
    ],
)
def test_what_holds_no_id_stays_as_it_is(text: str) -> None:
    assert read_id(f" {text}\n") == text
    assert not is_video_id(read_id(text))


@given(st.from_regex("[A-Za-z0-9_-]{11}", fullmatch=True))
def test_eleven_characters_stay_what_they_are(text: str) -> None:
    assert read_id(text) == text


@given(st.text())
def test_a_text_that_was_read_is_read_the_same_again(text: str) -> None:
    assert read_id(read_id(text)) == read_id(text)


def test_invisible_characters_are_those_that_unicode_calls_so() -> None:
    common = map(chr, [*range(0x600), *range(0x1680, 0x1681), *range(0x2000, 0x3001), 0xFEFF])
    hidden = [char for char in common if unicodedata.category(char) in ("Cc", "Cf", "Zs", "Zl", "Zp")]
    assert set(hidden) <= set(INVISIBLE)
    assert not any(char.isalnum() or char in "-_" for char in INVISIBLE if char.isascii())
