"""The videos that are exported and read back."""

from __future__ import annotations

import pytest
from hostile import hostile_videos
from memory_reader import MemoryReader
from outside_data import is_there
from published import pages_of, reader_of
from sent import RECORDED, recorded_videos, synthetic_videos


@pytest.fixture(scope="session", params=["synthetic", "hostile", "recorded"])
def videos(request: pytest.FixtureRequest) -> list[bytes]:
    """The JSON of each video, as it was sent, in load order."""
    sources = {"synthetic": synthetic_videos, "hostile": hostile_videos, "recorded": recorded_videos}
    return list(sources[request.param]())


@pytest.fixture(scope="session")
def pages(videos: list[bytes]) -> list[bytes]:
    """Responses that hold them, each as it was sent."""
    return pages_of(videos)


@pytest.fixture
def reader(pages: list[bytes]) -> MemoryReader:
    return reader_of(pages)


@pytest.fixture
def real_videos() -> list[bytes]:
    """The recorded ones where they are, or else the simulator's."""
    return list(recorded_videos() if is_there(RECORDED) else synthetic_videos())
