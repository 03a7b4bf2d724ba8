"""Content follows from the seed; bodies are of real size, and gzip says what identity says."""

import gzip
import json
import statistics
import zlib

import pytest

from harvester.simulator import Content, make_ids, truth
from harvester.simulator.answers import GOOD, Answer
from harvester.simulator.content import videos
from harvester.simulator.content.render import answer_order, render_list, render_statistics
from harvester.simulator.content.style import STYLES, Style


def packed(body: bytes) -> bytes:
    return Answer(200, body, GOOD).sent(gzipped=True)


def _batches(seed: int, count: int) -> list[list[str]]:
    ids = list(make_ids(seed, count * 50))
    return [ids[start : start + 50] for start in range(0, len(ids), 50)]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    (ids,) = _batches(1, 1)
    assert packed(render_list(Content(1), ids)) == packed(render_list(Content(1), ids))
    assert render_list(Content(1), ids) != render_list(Content(2), ids)


def test_what_was_asked_before_changes_nothing():
    first, second = _batches(4, 2)
    content = Content(4)
    render_list(content, first, ("snippet",))
    assert render_list(content, second) == render_list(Content(4), second)


def test_fifty_videos_have_the_size_of_real_ones():
    content = Content(9)
    batches = _batches(9, 12)
    plain = [len(render_list(content, ids)) for ids in batches]
    gzipped = [len(packed(render_list(content, ids))) for ids in batches]
    assert all(150_000 <= size <= 350_000 for size in plain)
    assert all(25_000 <= size <= 70_000 for size in gzipped)
    assert 200_000 < statistics.median(plain) < 260_000


def test_gzip_holds_the_identity_body_byte_for_byte():
    content = Content(6)
    for ids in [*_batches(6, 12), [], ["absent"], next(iter(_batches(6, 1)))[:1]]:
        plain = render_list(content, ids)
        assert gzip.decompress(packed(plain)) == plain
        reader = zlib.decompressobj(zlib.MAX_WBITS | 16)
        assert reader.decompress(packed(plain)) == plain
        assert (reader.eof, reader.unused_data) == (True, b"")


def test_pretty_printing_changes_nothing_but_space():
    (ids,) = _batches(2, 1)
    content = Content(2)
    pretty = render_list(content, ids, pretty=True)
    assert json.loads(pretty) == json.loads(render_list(content, ids))
    assert pretty.startswith(b'{\n  "kind": "youtube#videoListResponse",\n  "etag"')
    assert gzip.decompress(packed(pretty)) == pretty


@pytest.mark.parametrize("seed", range(len(STYLES)))
def test_the_spelling_of_a_seed_changes_nothing_that_is_said(seed: int, monkeypatch: pytest.MonkeyPatch):
    batches = _batches(seed, 2)
    spelled = Content(seed)
    monkeypatch.setattr(videos, "style_of", lambda _: Style())
    plain = Content(seed)
    assert (spelled.style, plain.style) == (STYLES[seed], STYLES[0])
    for ids in [*batches, [], batches[0][:1]]:
        body, terse = render_list(spelled, ids), render_list(plain, ids)
        assert json.loads(body) == json.loads(terse)
        assert (body == terse) == (seed == 0) or not ids
        assert gzip.decompress(packed(body)) == body
        counts = [render_statistics(each, ids, ["statistics"]) for each in (spelled, plain)]
        assert json.loads(counts[0]) == json.loads(counts[1])


def test_the_spellings_are_those_that_readers_stumble_over():
    bodies = [render_list(Content(seed), _batches(seed, 1)[0]) for seed in range(len(STYLES))]
    assert sum(body.endswith(b"\n") for body in bodies) >= 3
    assert sum(body.endswith(b"}") for body in bodies) >= 3
    assert any(body.startswith(b"\n") for body in bodies)
    for form in (b"\r\n", b"\\/", b"\\ud83", b"\t", b'": "', b'":"', b"\n  "):
        assert 0 < sum(form in body for body in bodies) < len(bodies), form
    first = {next(iter(json.loads(body))) for body in bodies}
    assert first == {"kind", "etag"}


def test_angle_brackets_are_escaped_as_on_the_wire():
    body = b"".join(render_list(Content(2), ids) for ids in _batches(2, 20))
    assert b"\\u003cscript\\u003e" in body
    assert b"<" not in body


def test_a_seventh_of_a_tenth_is_missing():
    content = Content(8)
    share = sum(not content.exists(video_id) for video_id in make_ids(8, 20_000)) / 20_000
    assert 0.06 < share < 0.08
    assert all(Content(8, missing_share=0).exists(video_id) for video_id in make_ids(8, 2_000))


def test_items_come_in_another_order_each_once():
    content = Content(3, missing_share=0)
    for count in (2, 3, 7, 50):
        ids = list(make_ids(3, count))
        found = [item["id"] for item in json.loads(render_list(content, [*ids, ids[0]]))["items"]]
        assert sorted(found) == sorted(ids)
        assert found != ids
        assert answer_order(ids) == answer_order(list(ids))


@pytest.mark.parametrize("video_id", ["", "short", "twelve_chars", "elevenchar!", "elevenchär", "elevenchar\n"])
def test_an_ill_formed_id_is_absent(video_id: str):
    content = Content(1, missing_share=0)
    assert not content.exists(video_id)
    assert content.resource(video_id) is None
    assert json.loads(render_list(content, [video_id]))["items"] == []


def test_everything_that_carries_the_id_carries_its_own():
    content = Content(5, missing_share=0)
    for video_id in make_ids(5, 1_000):
        resource = content.resource(video_id)
        assert resource is not None
        assert resource["id"] == video_id
        for thumbnail in resource["snippet"]["thumbnails"].values():
            assert thumbnail["url"].startswith(f"https://i.ytimg.com/vi/{video_id}/")


def test_truth_agrees_with_the_content():
    content = Content(7)
    for video_id in make_ids(7, 500):
        assert truth(video_id, seed=7) == ("fetched" if content.exists(video_id) else "missing")
