"""docs/decisions/: one form, an index, and figures that are those of the code."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from harvester.export.formats.stored_videos import HELD_BYTES, PAGES_HELD
from harvester.export.storage.s3_multipart_upload import IN_FLIGHT_BYTES, MIB, PART_BYTES
from harvester.ledger.transaction_runner import MAX_AT_ONCE
from harvester.youtube.validate_body import MAX_DEPTH, MAX_RAW_BYTES

CHECKOUT = Path(__file__).parents[2]
FOLDER = CHECKOUT / "docs" / "decisions"
DECISIONS = sorted(FOLDER.glob("[0-9]*.md"))
FORM = re.compile(
    r"# (\d+)\. ([^\n]+)\n\n- Date: (\d{4}-\d\d-\d\d)\n- Status: ((?:accepted|superseded)[^\n]*)\n\n"
    r"## Context\n\n.+?\n\n## Choice\n\n.+?\n\n## Figures\n\n.+?\n\n## Consequences\n\n[^#]+",
    re.DOTALL,
)


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_has_the_common_form_and_stands_in_the_index(path: Path) -> None:
    match = FORM.fullmatch(path.read_text(encoding="utf-8"))
    assert match is not None
    number, title, day, _ = match.groups()
    assert path.name.startswith(f"{int(number):04}-")
    date.fromisoformat(day)
    index = (FOLDER / "README.md").read_text(encoding="utf-8").splitlines()
    assert f"| {number} | [{title}]({path.name}) | {day} |" in index


def test_decisions_are_numbered_without_gaps() -> None:
    assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))


@pytest.mark.parametrize("path", [*DECISIONS, FOLDER / "README.md"], ids=lambda path: path.stem)
def test_files_and_pages_that_are_named_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    named = [name for name in re.findall(r"`([\w/]+(?:\.py|/))`", text) if "/" in name]
    assert [
        name for name in named if not (CHECKOUT / name).exists() and not (CHECKOUT / "harvester" / name).exists()
    ] == []
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    assert [link for link in links if not (FOLDER / link).exists()] == []


@pytest.mark.parametrize(
    ("number", "figure"),
    [
        (6, f"Up to {PAGES_HELD} decoded responses or {HELD_BYTES // MIB} MiB"),
        (9, f"Pieces of {PART_BYTES // MIB} MiB, at most {IN_FLIGHT_BYTES // MIB} MiB under way"),
        (11, f"up to {MAX_AT_ONCE} "),
        (12, f"at most {MAX_RAW_BYTES // MIB} MiB decompressed"),
        (12, f"nests at most {MAX_DEPTH} levels"),
    ],
)
def test_a_figure_is_that_of_the_code(number: int, figure: str) -> None:
    assert figure in " ".join(DECISIONS[number - 1].read_text(encoding="utf-8").split())
