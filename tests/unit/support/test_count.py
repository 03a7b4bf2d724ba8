"""Numbers agree with their noun and verb."""

from __future__ import annotations

from harvester.report.progress_figures import advanced
from harvester.support.progress_callback import Advance
from harvester.support.sanitize import agree, count


def test_one_and_many() -> None:
    assert [count(number, "video") for number in (0, 1, 2, 1000)] == ["0 videos", "1 video", "2 videos", "1,000 videos"]
    assert [count(number, "address") for number in (1, 2)] == ["1 address", "2 addresses"]
    assert [count(number, "id", "is") for number in (1, 2)] == ["1 id is", "2 ids are"]
    assert [agree(number, "was") for number in (0, 1)] == ["were", "was"]


def test_progress_of_one() -> None:
    assert advanced(Advance(1, 1), "video", 1, 0).parts[0] == "1 of 1 video"
    assert advanced(Advance(1), "row", 1, 0).parts[0] == "1 row"
    assert advanced(Advance(2), "row", 1, 0).parts[0] == "2 rows"
