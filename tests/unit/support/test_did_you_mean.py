from __future__ import annotations

import pytest

from harvester.support.sanitize import did_you_mean


@pytest.mark.parametrize(
    ("wrong", "known", "message"),
    [
        ("sng", ["user", "song"], " Did you mean 'song'?"),
        ("SONG", ["Song"], " Did you mean 'Song'?"),
        ("song", ["so\x1b[31mng"], r" Did you mean 'so\x1b[31mng'?"),
        ("weather", ["user", "song"], ""),
        ("song", [], ""),
    ],
)
def test_the_nearest_name_or_nothing(wrong: str, known: list[str], message: str) -> None:
    assert did_you_mean(wrong, known) == message
