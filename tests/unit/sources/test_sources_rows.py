"""No row disappears: thousands of small tables, each against the rows that were written into it."""

from __future__ import annotations

import csv
import io
import random
from typing import NamedTuple

import pytest

from harvester.errors import ConfigError
from harvester.simulator import make_ids
from harvester.sources import read_ids, read_text
from harvester.sources.formats import line_blocks

FILES_A_SEED = 300
SEEDS = range(4)
IDS = list(make_ids(3, 400))
WORDS = ["Heroes.", "12", "Vinyl.", "by", "Bowie.", "é", "\0", "#1", "'", "=", " ", "", "x", "\ufeff", "\\", "-", "007"]
NO_IDS = ["", "no id", "1446336000", "nan", "dQw4w9WgXc", "\0", "#"]
ENDS = ["\n", "\r\n", "\r"]


class Written(NamedTuple):
    """A file, and the texts of its column, row by row."""

    content: bytes
    texts: list[str]
    options: dict[str, str]


def id_or_not(rng: random.Random) -> str:
    return rng.choice(IDS) if rng.random() < 0.9 else rng.choice(NO_IDS)


def title(rng: random.Random, marks: str) -> str:
    """A few words with these characters among them, also at the ends."""
    parts = rng.choices(WORDS, k=rng.randrange(4))
    for _ in range(rng.choice([0, 0, 1, 1, 2])):
        parts.insert(rng.choice([0, len(parts), rng.randrange(len(parts) + 1)]), rng.choice(marks))
    return "".join(parts)


def before_the_rows(rng: random.Random, names: list[str], delimiter: str, end: str) -> tuple[str, dict[str, str]]:
    """A header or none, and what may stand above it; the options that the file needs."""
    lines = ["\ufeff" * rng.choice([0, 0, 1, 2])]
    options: dict[str, str] = {}
    if rng.random() < 0.1:
        lines.append(f"sep={delimiter}{end}")
    elif rng.random() < 0.3:
        options["delimiter"] = delimiter
    if rng.random() < 0.2:
        lines.append(f"# made by a test, with song and all{end}{end}")
    if rng.random() < 0.75:
        lines.append(delimiter.join(names) + end)
    else:
        options["column"] = str(names.index("song") + 1)
        options["delimiter"] = delimiter
    return "".join(lines), options


def by_a_writer(rng: random.Random) -> Written:
    """What csv.writer makes of anything, line breaks and separators in quotes too."""
    delimiter, end = rng.choice(",\t;|"), rng.choice(ENDS)
    names = rng.choice([["song"], ["song", "title"], ["title", "song"], ["a", "title", "song", "b"]])
    head, options = before_the_rows(rng, names, delimiter, end)
    buffer = io.StringIO(newline="")
    quoting = csv.QUOTE_ALL if len(names) == 1 else rng.choice([csv.QUOTE_ALL, csv.QUOTE_MINIMAL])
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator=end, quoting=quoting)
    texts = []
    for number in range(rng.randrange(1, 20)):
        row = {name: title(rng, f'",\t;|{end}') for name in names} | {"song": id_or_not(rng)}
        # A first field that begins a comment, or is blank, would be one.
        row[names[0]] = row[names[0]] if number or names[0] == "song" else "first"
        if number == 0:
            row["song"] = IDS[0]
        texts.append(row["song"])
        writer.writerow(row.values())
    return Written((head + buffer.getvalue()).encode(), texts, options)


def by_hand(rng: random.Random) -> Written:
    """Fields and separators one after another, quotation marks as they come: each line is a row."""
    delimiter, end = rng.choice(",\t;|"), rng.choice(ENDS)
    names = rng.choice([["song", "title"], ["title", "song"], ["a", "title", "song", "b"]])
    head, options = before_the_rows(rng, names, delimiter, end)
    lines, texts = [], []
    for number in range(rng.randrange(1, 20)):
        row = {name: title(rng, '"').replace("\\", "") for name in names} | {"song": rng.choice(IDS)}
        if number == 0:
            row |= {names[0]: "first", "song": IDS[0]}
        line = delimiter.join(row.values())
        if rng.random() < 0.05 and names[-1] != "song" and '"' not in line:
            line += delimiter + "more"
        texts.append(row["song"])
        lines.append(line)
    last = rng.choice(["", end, end * 2])
    return Written((head + end.join(lines) + last).encode(), texts, options)


def read(written: Written, rng: random.Random, monkeypatch: pytest.MonkeyPatch) -> tuple[int, list[str]]:
    """Rows, and the distinct texts in the order in which they came first."""
    monkeypatch.setattr(line_blocks, "PIECE_BYTES", rng.choice([1, 30, 200, 1 << 20]))
    options = {"column": "song"} | written.options
    chunks = list(
        read_ids("-", stdin=io.BytesIO(written.content), chunk_rows=rng.choice([1, 7, 1000]), limit=10**6, **options)
    )
    return sum(chunk.rows for chunk in chunks), list(dict.fromkeys(text for chunk in chunks for text in chunk.ids))


def expected(written: Written) -> tuple[int, list[str]]:
    return len(written.texts), list(dict.fromkeys(map(read_text, written.texts)))


@pytest.mark.parametrize("seed", SEEDS)
def test_what_a_writer_wrote_is_read_row_by_row(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)
    for number in range(FILES_A_SEED):
        written = by_a_writer(rng)
        assert read(written, rng, monkeypatch) == expected(written), (number, written)


@pytest.mark.parametrize("seed", SEEDS)
def test_stray_quotation_marks_hide_no_row(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)
    refused = []
    for number in range(FILES_A_SEED):
        written = by_hand(rng)
        try:
            found = read(written, rng, monkeypatch)
        except ConfigError as error:
            refused.append(str(error))
        else:
            assert found == expected(written), (number, written)
    assert all("in line" in error for error in refused)
    assert len(refused) < FILES_A_SEED / 50
