"""Newest statistics in the place of older ones: those counts alone, and every other byte of a video as it was sent."""

from __future__ import annotations

import json

import pytest

from harvester.export.formats.stored_videos import videos_of, with_statistics

VIDEO = (
    '{"kind":"youtube#video","id":"%s","snippet":{"title":"caf\\u00e9 \\/ \\ud83c\\udfb5 é","n": 1.50e2},'
    '"statistics":{"viewCount":"10","favoriteCount":"0","likeCount":"3"},"zzz":[1, 2]}'
)


def page(*videos: str) -> bytes:
    return ('{"kind":"youtube#videoListResponse","items":[' + ", ".join(videos) + '],"pageInfo":{}}').encode()


def videos(plain: bytes) -> dict[str, bytes]:
    return {video_id: bytes(raw) for video_id, raw in videos_of(plain).items()}


def newest(**counts: dict[str, str]) -> bytes:
    return json.dumps({"items": [{"id": name, "statistics": value} for name, value in counts.items()]}).encode()


def test_new_counts_take_the_place_of_old_ones_and_the_rest_stays() -> None:
    merged = videos(with_statistics(page(VIDEO % "a", VIDEO % "b"), newest(a={"viewCount": "11", "commentCount": "1"})))
    counts = '{"viewCount":"11","favoriteCount":"0","likeCount":"3","commentCount":"1"}'
    before = '{"viewCount":"10","favoriteCount":"0","likeCount":"3"}'
    assert merged == {"a": (VIDEO % "a").replace(before, counts).encode(), "b": (VIDEO % "b").encode()}


def test_a_video_without_statistics_gets_them() -> None:
    merged = videos(with_statistics(page('{"id":"a"}', '{"id":"b"}'), newest(a={"viewCount": "1"}, b={})))
    assert merged == {"a": b'{"id":"a","statistics":{"viewCount":"1"}}', "b": b'{"id":"b"}'}


@pytest.mark.parametrize("odd", ["null", "[]", '"12"', "{}"])
def test_statistics_that_are_no_counts_give_way_and_renew_nothing(odd: str) -> None:
    video = '{"id":"a","statistics":' + odd + "}"
    merged = with_statistics(page(video), newest(a={"viewCount": "1"}))
    assert videos(merged) == {"a": b'{"id":"a","statistics":{"viewCount":"1"}}'}
    same = with_statistics(page(VIDEO % "a"), page(video))
    assert videos(same) == {"a": (VIDEO % "a").encode()}


@pytest.mark.parametrize("broken", [b"", b"{}", b'{"items":[{}]}', b'{"items":[{"id":1}]}', b"[]"])
def test_what_is_no_list_of_videos_is_refused(broken: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        with_statistics(broken, newest())
    with pytest.raises(ValueError, match=r"."):
        with_statistics(page(), broken)
