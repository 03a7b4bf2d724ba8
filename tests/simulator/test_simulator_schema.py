"""The synthetic videos are what the API's own description says a video is."""

import gzip
import json
from collections import Counter
from typing import Any

import pytest
from outside_data import outside_data
from simulator_schema import discovery_document, problems

from harvester.simulator import Content, make_ids
from harvester.simulator.content.render import render_list
from harvester.simulator.content.templates import PARTS

SCHEMAS = discovery_document()["schemas"]


def _found(seed: int, count: int) -> list[dict[str, Any]]:
    content = Content(seed)
    resources = map(content.resource, make_ids(seed, count))
    return [resource for resource in resources if resource is not None]


def _paths(value: Any, path: str = "") -> set[str]:
    if isinstance(value, dict):
        return {path}.union(*(_paths(item, f"{path}.{key}") for key, item in value.items()))
    return {path}


def test_thousands_of_videos_keep_to_the_discovery_schema():
    videos = _found(seed=11, count=4_000)
    assert len(videos) > 3_500
    assert [problem for video in videos for problem in problems(video, "Video", SCHEMAS)] == []


@pytest.mark.parametrize("parts", [PARTS, ("id",), ("snippet",), ("statistics", "status"), PARTS[1:]])
def test_whole_answers_keep_to_the_schema_and_carry_the_parts_asked_for(parts: tuple[str, ...]):
    answer = json.loads(render_list(Content(3), list(make_ids(3, 50)), parts))
    assert problems(answer, "VideoListResponse", SCHEMAS) == []
    assert list(answer) == ["kind", "etag", "items", "pageInfo"]
    assert answer["pageInfo"] == {"totalResults": len(answer["items"]), "resultsPerPage": len(answer["items"])}
    for video in answer["items"]:
        assert video.keys() - {"kind", "etag", "id", "topicDetails"} == set(parts) - {"id", "topicDetails"}


def test_the_checker_refuses_what_the_schema_does_not_know():
    video = {"kind": "youtube#video", "news": 1, "statistics": {"viewCount": 5, "likeCount": "-1"}}
    assert len(problems(video, "Video", SCHEMAS)) == 3
    assert problems({"snippet": {"publishedAt": "yesterday Z"[:-2]}}, "Video", SCHEMAS)
    assert problems({"contentDetails": {"caption": True, "definition": "8k"}}, "Video", SCHEMAS)


def test_the_oddities_of_real_videos_turn_up():
    videos = _found(seed=5, count=6_000)
    counts: Counter[str] = Counter()
    for video in videos:
        snippet, details, statistics = video["snippet"], video["contentDetails"], video["statistics"]
        description = snippet["description"]
        counts["no tags"] += "tags" not in snippet
        counts["no duration"] += "duration" not in details
        counts["P0D"] += details.get("duration") == "P0D"
        counts["live"] += snippet["liveBroadcastContent"] == "live"
        counts["upcoming"] += snippet["liveBroadcastContent"] == "upcoming"
        counts["rated"] += bool(details.get("contentRating"))
        counts["not rated"] += details.get("contentRating") == {}
        counts["blocked"] += "blocked" in details.get("regionRestriction", {})
        counts["allowed"] += "allowed" in details.get("regionRestriction", {})
        counts["no topics"] += "topicDetails" not in video
        counts["carriage return"] += "\r" in description
        counts["emoji"] += "🔥" in description
        counts["bidi"] += "\u200f" in description
        counts["escape in title"] += "\x1b" in snippet["title"]
        counts["script in title"] += "<script>" in snippet["title"]
        counts["longest"] += len(description.encode()) == 7_082
        counts["beyond 32 bits"] += int(statistics.get("viewCount", 0)) > 2**32
        for name in ("viewCount", "likeCount", "commentCount"):
            counts[f"no {name}"] += name not in statistics
    assert [name for name, count in counts.items() if not count] == []
    assert counts["not rated"] > len(videos) * 0.9
    assert max(len(video["snippet"]["description"].encode()) for video in videos) == 7_082


def test_recorded_videos_hold_no_key_that_the_simulator_never_sends():
    with gzip.open(outside_data("recorded_videos.jsonl.gz"), "rt") as lines:
        recorded = [{key: video.get(key) for key in PARTS if key in video} for video in map(json.loads, lines)]
    known = set().union(*map(_paths, _found(seed=2, count=3_000)))
    # dislikes have not been public since 2021
    assert set().union(*map(_paths, recorded)) - known <= {".statistics.dislikeCount"}
