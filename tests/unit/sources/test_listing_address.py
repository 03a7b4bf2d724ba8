"""What a user types for a channel or a playlist, and what is told about everything else."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.errors import ConfigError
from harvester.listing_types import ListingKind, Target
from harvester.sources.listing_address import NotATarget, read_target
from harvester.sources.listing_file import read_targets
from harvester.sources.video_id import INVISIBLE

KEY = "a-Zb_9sIqj5QIoCl6yOJhg"
CHANNEL, UPLOADS, LIST = f"UC{KEY}", f"UU{KEY}", "PLMC9KNkIncKtPzgY-5rmhvj7fax8fdxoj"
ALBUM, EDITED = "OLAK5uy_l1m0thk3g31NmIIz_vMIbWtyv7eZixlH0", "RDCLAK5uy_m_h-nx7OCFaq9AlyXv78lG0AuloqW_NUA"
VIDEO = "dQw4w9WgXcQ"
KEYS = st.text(alphabet=string.ascii_letters + string.digits + "-_", min_size=22, max_size=22)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("@Handle", "@handle"),
        ("%40handle", "@handle"),
        ("@a.b-c_d·e", "@a.b-c_d·e"),
        ("@संगीत", "@संगीत"),
        ("@Cafe\u0301", "@café"),
        (CHANNEL, CHANNEL),
        ("https://www.youtube.com/@Handle", "@handle"),
        ("youtube.com/@handle/videos?view=0&sort=p", "@handle"),
        ("https://m.youtube.com/%40handle/featured", "@handle"),
        ("https://www.youtube.com/@%E6%9D%B1%E4%BA%AC", "@東京"),
        (f"https://www.youtube.com/channel/{CHANNEL}", CHANNEL),
        (f"music.youtube.com/channel/{CHANNEL}?si=x", CHANNEL),
        (f"HTTPS://WWW.YouTube.COM/channel/{CHANNEL}/playlists#top", CHANNEL),
        (f"https://www.youtube.com/feeds/videos.xml?channel_id={CHANNEL}", CHANNEL),
        (f"<https://youtube.com/channel/{CHANNEL}>", CHANNEL),
    ],
)
def test_forms_of_a_channel(text: str, wanted: str) -> None:
    assert read_target(text) == Target(ListingKind.CHANNEL, wanted)


@pytest.mark.parametrize("playlist", [LIST, UPLOADS, ALBUM, EDITED, "PL0123456789ABCDEF", f"UULF{KEY}"])
@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "VL{}",
        '"{}"',
        "https://www.youtube.com/playlist?list={}",
        r"https://www.youtube.com/playlist\?list\={}",
        "https://www.youtube.com/playlist?feature=share&amp;list={}&si=x",
        f"https://www.youtube.com/watch?v={VIDEO}&list={{}}&index=3",
        f"https://youtu.be/{VIDEO}?list={{}}",
        "https://music.youtube.com/playlist?list={}",
        "https://music.youtube.com/browse/VL{}",
        "https://www.youtube.com/embed/videoseries?list={}",
        "https://www.youtube.com/feeds/videos.xml?playlist_id={}",
    ],
)
def test_forms_of_a_playlist(text: str, playlist: str) -> None:
    assert read_target(text.format(playlist)) == Target(ListingKind.PLAYLIST, playlist)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        ("@", "is neither a channel"),
        ("@a b", "is neither a channel"),
        ("handle", "if it is a handle, write @handle"),
        (CHANNEL[:-1], "has 24 characters: it has 23"),
        (VIDEO, "is a video"),
        (f"https://youtu.be/{VIDEO}", "is the address of a video"),
        (f"https://www.youtube.com/shorts/{VIDEO}", "is the address of a video"),
        (f"https://www.youtube.com/watch?v={VIDEO}&list=RD{VIDEO}&start_radio=1", "is a mix"),
        (f"RDMM{VIDEO}", "is a mix"),
        ("TLGGabcdefghijkl", "is a mix"),
        ("WL", "only its owner can read"),
        ("https://www.youtube.com/playlist?list=LL", "only its owner can read"),
        ("https://www.youtube.com/c/Google", "take the @handle"),
        ("https://www.youtube.com/user/Google/videos", "take the @handle"),
        ("youtube.com/Google", "take the @handle"),
        ("https://www.youtube.com/feed/subscriptions", "of no channel and no playlist"),
        ("https://www.youtube.com/channel/UCshort", "of no channel and no playlist"),
        ("https://www.youtube.com/playlist", "of no channel and no playlist"),
        ("https://vimeo.com/@handle", "is no address of a channel"),
        ("https://notyoutube.com/@handle", "is no address of a channel"),
        ("songs.csv", "is neither a channel"),
    ],
)
def test_everything_else_is_refused_with_a_reason(text: str, told: str) -> None:
    with pytest.raises(NotATarget, match=told.replace("(", r"\(")):
        read_target(text)


@given(st.text(alphabet=INVISIBLE, max_size=5), KEYS, st.text(alphabet=INVISIBLE + "\"'”»", max_size=5))
def test_what_surrounds_a_target_is_removed(before: str, key: str, after: str) -> None:
    for kind, text in ((ListingKind.CHANNEL, f"UC{key}"), (ListingKind.PLAYLIST, f"PL{key}")):
        assert read_target(before + text + after) == Target(kind, text)
        assert read_target(f"{before}https://youtube.com/playlist?list=PL{key}{after}").text == f"PL{key}"


@given(st.text(max_size=60) | st.text(alphabet="@/?=&%.:UCPLRDabc0_-\\", max_size=60).map("youtube.com/{}".format))
def test_any_text_is_a_target_or_refused_and_a_target_stays_one(text: str) -> None:
    try:
        target = read_target(text)
    except NotATarget:
        return
    assert read_target(target.text) == target
    assert read_target(target.address) == target


def test_a_list_of_them(tmp_path: Path) -> None:
    takeout, lines = tmp_path / "subscriptions.csv", tmp_path / "lists.txt"
    takeout.write_text(
        f"Channel Id,Channel Url,Channel Title\n{CHANNEL},http://www.youtube.com/channel/x,Some, one\n\n"
    )
    lines.write_text(f"\ufeff# mine\n@one\r\n{LIST}\n@ONE\n", encoding="utf-8")
    found = read_targets(["@two", "@one"], [str(takeout), str(lines)])
    assert [target.text for target in found] == ["@two", "@one", CHANNEL, LIST]


def test_all_that_is_wrong_is_told_at_once_and_only_some_of_it_shown(tmp_path: Path) -> None:
    file = tmp_path / "ids.txt"
    file.write_text(f"{VIDEO}\n" * 7)
    with pytest.raises(ConfigError) as told:
        read_targets(["@fine"], [str(file)])
    assert told.value.what.startswith("7 of 8 texts can't be listed:")
    assert told.value.what.endswith("and 2 more")
    assert f"{file}, line 1: '{VIDEO}' is a video" in told.value.what
    with pytest.raises(ConfigError) as told:
        read_targets([], [str(file)])
    assert told.value.next_step == "Load videos: harvester load FILE"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"\xff\xfe@\x00a\x00", "is no UTF-8 text"),
        (b"# nothing\n\n", "is named in it"),
        (b"@a\n" * 6_000_000, "too long"),
        ("é".encode() * 9_000_000, "too long"),  # cut within a character
    ],
)
def test_files_that_are_no_lists(tmp_path: Path, data: bytes, told: str) -> None:
    (tmp_path / "list").write_bytes(data)
    with pytest.raises(ConfigError, match=told):
        read_targets([], [str(tmp_path / "list")])
    with pytest.raises(ConfigError, match="There is no file") as missing:
        read_targets([], [str(tmp_path / "none")])
    assert "discover --from" in missing.value.next_step
