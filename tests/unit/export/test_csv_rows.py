"""The rows of usual videos, made in a shorter way, are those of any video."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec
import pytest

from harvester.errors import LedgerDamaged
from harvester.export.formats.csv.write_csv import row_by_fields, usual_rows
from harvester.export.formats.video_columns import PATHS, fields_of, is_list, is_map, is_struct
from harvester.export.formats.video_fields import Count, Flag, Moment, Video
from harvester.support.json_text import parse_text, without_lone_surrogates

NOW = datetime(2026, 11, 22, 9, 0, 0, 123456, tzinfo=UTC)
PARTS = {"id", "etag", "kind", "snippet", "contentDetails", "status", "statistics", "topicDetails"}
TEXT = 'a "b", \\ \n 🎵'
USUAL: dict[str, Any] = {
    "id": "abcdefghijk",
    "snippet": {
        "title": "=1",
        "description": TEXT,
        "localized": {"title": "=1", "description": TEXT},
        "thumbnails": {"default": {"url": "https://i.ytimg.com/vi/abcdefghijk/default.jpg", "width": 120}},
    },
    "contentDetails": {"duration": "PT4M13S", "caption": "true", "contentRating": {}},
    "statistics": {"viewCount": "12"},
}


def value_of(kind: Any) -> Any:
    """A value of that kind, as the API sends it."""
    if is_struct(kind):
        return {name: value_of(hint) for name, hint in fields_of(kind).items()}
    simple = {Moment: "2020-02-29T01:02:03Z", Count: "7", Flag: "true", bool: True, int: 7, float: 0.5}
    if is_list(kind):
        return [TEXT, "b"]
    return {"fr": value_of(kind.__args__[1])} if is_map(kind) else simple.get(kind, TEXT)


def with_value(path: tuple[str, ...], value: Any) -> bytes:
    for name in reversed(path):
        value = {name: value}
    return json.dumps({"id": "abcdefghijk"} | value, ensure_ascii=len(path) % 2 == 0).encode(errors="surrogatepass")


def changed(path: tuple[str, ...], value: bytes) -> bytes:
    """A usual video with that JSON in its field."""
    video = changing = json.loads(json.dumps(USUAL))
    for name in path[:-1]:
        changing = changing.setdefault(name, {})
    changing[path[-1]] = "HERE"
    return json.dumps(video).encode().replace(b'"HERE"', value)


def usual(line: bytes, *, safe: bool = False) -> bytes | msgspec.Raw:
    """The row of a video that is alone in its response, or the video if it is not usual."""
    (found,) = parse_text(partial(usual_rows, fetched_at=NOW, safe=safe), b'{"items":[%b]}' % line).values()
    return found


def row_of(line: bytes, *, safe: bool) -> bytes:
    found = usual(line, safe=safe)
    return found if isinstance(found, bytes) else row_by_fields(bytes(found), NOW, safe=safe)


def assert_same(sent: bytes) -> None:
    line = without_lone_surrogates(sent)  # as every response is read
    for safe in (False, True):
        try:
            wanted = row_by_fields(line, NOW, safe=safe)
        except LedgerDamaged:
            with pytest.raises((LedgerDamaged, ValueError)):
                row_of(line, safe=safe)
        else:
            assert row_of(line, safe=safe) == wanted, line


@pytest.mark.parametrize(("path", "kind"), PATHS, ids=lambda each: "_".join(each) if isinstance(each, tuple) else "")
def test_every_field_is_in_its_column(path: tuple[str, ...], kind: Any) -> None:
    for value in (value_of(kind), "", "-1", 5, -0.5, None, [None], {"x": 1}, {"title": "=x"}, "\ud83d"):
        assert_same(with_value(path, value))


@pytest.mark.parametrize(("path", "kind"), PATHS, ids=lambda each: "_".join(each) if isinstance(each, tuple) else "")
def test_every_field_of_a_usual_video_is_in_its_column(path: tuple[str, ...], kind: Any) -> None:
    for value in (value_of(kind), "", "-1", "=x", "None", 'a"b', 5, -0.5, None, [None], ["a", "b"], {"title": "=x"}):
        assert_same(changed(path, json.dumps(value).encode()))


def test_times_are_in_the_form_that_the_api_sends() -> None:
    for time in ("2020-02-29T01:02:03Z", "2021-02-29T01:02:03Z", "2020-02-29t01:02:03z", "2020-02-29 01:02:03Z"):
        assert_same(changed(("snippet", "publishedAt"), json.dumps(time).encode()))
    for time in ("2020-01-01T01:02:03", "2020-01-01T01:02:03.5Z", "2020-01-01T01:02:60Z", "2020-01-01T24:00:00Z"):
        assert_same(changed(("snippet", "publishedAt"), json.dumps(time).encode()))
    for time in ("0000-01-01T01:02:03Z", "9999-12-31T23:59:59Z", "2020-01-01T01:02+02:00", "2020-01-01T01:02:0\u0663Z"):
        assert_same(changed(("snippet", "publishedAt"), json.dumps(time).encode()))


TAGS = rb"""[] [""] [","] ["a","b"] ["a,","b"] ["",","] ["a",",",","] ["",5] [",",5] [",",5,"b"] ["a",5,"b"] ["a",null]
[["a"],"b"] ["a",["b"]] {"a":"b"} "a" 5 ["a\\\\","b"] ["\\"","\\u0026"] ["\\ud83d"]""".split()


@pytest.mark.parametrize("tags", [*TAGS, b'[ "a" ]', b'["a" ,"b"]', b'["a", ",",5]', b'["\xc3\xa9"]', b'["\xff"]'])
def test_tags_are_a_list_of_texts(tags: bytes) -> None:
    assert_same(changed(("snippet", "tags"), tags))


def test_all_fields_together() -> None:
    everything = value_of(Video)
    assert_same(json.dumps(everything).encode())
    for some in (USUAL, {name: everything[name] for name in PARTS} | {"id": 'a"b'}):
        assert_same(json.dumps(some).encode())
    row = usual(json.dumps(USUAL).encode(), safe=True)
    assert isinstance(row, bytes)
    assert b'"\'=1","a ""b"", \\ \n' in row


@pytest.mark.parametrize(
    "line",
    [
        b'{"id":"a","snippet":{"title":"\xff"}}',
        b'{"id":"a","snippet":{"title":"x","title":"y","thumbnails":{"x":1}}}',
        b'{"id":"a","snippet":{"thumbnails":{"/vi/a/width":1}}}',
        b'{"id":"a","snippet":{"thumbnails":{"default":{"url":"\\/vi/a/","width":1}}}}',
        b'{"id":"a","status":{"license":"\xff"}}',
        b'{"id":"a","status":{"license":"x"} ,"status" : {"license":5}}',
        b'{"id":"a","contentDetails":{"regionRestriction":{"blocked":[' + b'"FR",' * 1000 + b'"FR"]}}}',
        b'{"id":"a","snippet":{"localized":null,"tags":["x"  , "\\/"]}}',
        b'{"id":"=a","etag":"=","kind":"@","snippet":{"channelTitle":"-1","localized":{"title":"+"}}}',
        b'{"id":5}',
        b"[]",
    ],
)
def test_what_is_unusual_is_found(line: bytes) -> None:
    assert_same(line)


@pytest.mark.parametrize("fields", ['"a":1', '"snippet":{"a":1}', '"status":null', '"topicDetails":{"topicIds":[1]}'])
def test_nothing_is_lost_for_speed(fields: str) -> None:
    assert isinstance(usual(b'{"id":"a",%b}' % fields.encode()), msgspec.Raw)


def test_one_unusual_video_does_not_slow_those_beside_it() -> None:
    page = b'{"items":[%b,{"id":"b","a":1}]}' % json.dumps(USUAL).encode()
    found = usual_rows(page, NOW, safe=False)
    assert [type(each) for each in found.values()] == [bytes, msgspec.Raw]
