"""Values as CSV and SQLite write them."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from waiting import LIMIT_SECONDS

from harvester.errors import LedgerDamaged
from harvester.export.formats.csv.write_csv import row_by_fields
from harvester.export.formats.table_rows import moment_as_text

NOW = datetime(2026, 11, 22, 9, 0, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("sent", "written"),
    [
        ("2010-05-01T12:00:00Z", "2010-05-01T12:00:00Z"),
        ("2010-05-01T12:00:00.5Z", "2010-05-01T12:00:00.500000Z"),
        ("2010-05-01T12:00:00.000Z", "2010-05-01T12:00:00Z"),
        ("0999-12-31T23:30:00-01:00", "1000-01-01T00:30:00Z"),
    ],
)
def test_a_moment_is_in_utc_and_has_six_digits_or_none(sent: str, written: str) -> None:
    assert moment_as_text(sent) == written


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (48.8566, "48.8566"),
        (-2.0, "-2"),
        (0, "0"),
        (0.00001, "0.00001"),
        (1e-7, "1e-7"),
        (12345678901.5, "1.23456789015e+10"),
    ],
)
def test_a_number_has_all_its_digits(number: float, written: str) -> None:
    video = {"id": "a", "recordingDetails": {"location": {"latitude": number}}}
    assert f",{written}," in row_by_fields(json.dumps(video).encode(), NOW, safe=False).decode()


@pytest.mark.parametrize("text", [b'{"id":"a","snippet":{"title":"\xff"}}', b'{"id":5}', b"[]", b"{"])
def test_what_is_no_video_is_damage(text: bytes) -> None:
    with pytest.raises(LedgerDamaged):
        row_by_fields(text, NOW, safe=False)


def test_arrow_is_not_imported_for_it() -> None:
    """60 MB, which would be nearly half of what such an export may take."""
    files = "harvester.export.formats.csv.write_csv, harvester.export.formats.sqlite.write_database"
    program = f"import sys, {files}; print('pyarrow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=LIMIT_SECONDS)
    assert done.stdout.strip() == "False", done.stderr
