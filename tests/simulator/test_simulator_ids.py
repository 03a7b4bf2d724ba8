"""Ids are well-formed, distinct, and as awkward as real ones."""

import re
from itertools import islice

from harvester.simulator import make_ids


def test_ids_are_well_formed_and_distinct():
    ids = list(make_ids(1, 100_000))
    assert len(set(ids)) == 100_000
    form = re.compile(r"[A-Za-z0-9_-]{10}[048AEIMQUYcgkosw]")
    assert all(form.fullmatch(video_id) for video_id in ids)


def test_a_sequence_can_be_taken_up_anywhere():
    ids = list(make_ids(3, 2_000))
    assert list(make_ids(3, 700, start=1_300)) == ids[1_300:]
    assert list(make_ids(4, 10)) != ids[:10]
    assert list(islice(make_ids(3, 10**12), 5)) == ids[:5]


def test_some_ids_would_mislead_a_spreadsheet_or_a_command_line():
    ids = list(make_ids(2, 20_000))
    assert any(re.fullmatch(r"0[0-9]{10}", video_id) for video_id in ids)
    assert any(re.fullmatch(r"-[0-9]{10}", video_id) for video_id in ids)
    assert any(re.fullmatch(r"[0-9]{7}E[0-9]{3}", video_id) for video_id in ids)
    assert sum(video_id.startswith("-") for video_id in ids) > 200
    assert sum(video_id.startswith("_") for video_id in ids) > 200
