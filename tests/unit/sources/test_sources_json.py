"""JSON sources: JSON Lines of any size, arrays of objects or texts, and a clear refusal of all other JSON."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from harvester.errors import ConfigError
from harvester.sources import read_ids
from harvester.sources.formats import json_rows

A, B, C = "dQw4w9WgXcQ", "9bZkp7q19f0", "-hGPfNK6Gng"


def load(path: Path, column: str = "id") -> tuple[int, list[str], set[str]]:
    """Rows, valid ids and invalid texts."""
    chunks = list(read_ids(str(path), column=column, require_id=True))
    ids = [text for chunk in chunks for text in chunk.ids if text not in chunk.invalid]
    return sum(chunk.rows for chunk in chunks), ids, {text for chunk in chunks for text in chunk.invalid}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "videos.json"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_json_lines(path: Path, end: str, mark: str) -> None:
    rows = [{"id": A, "title": '12" Vinyl\n'}, {"title": "no id"}, {"id": None}, {"id": 7}, {"title": "x", "id": B}]
    path.write_text(mark + end.join([*map(json.dumps, rows), "", ""]), encoding="utf-8", newline="")
    assert load(path) == (5, [A, B], {"", "7"})


def test_json_lines_of_many_pieces_packed(tmp_path: Path) -> None:
    ids = [f"{number:010}A" for number in range(60_000)]
    lines = "".join(json.dumps({"id": text, "note": "x" * 40}) + "\n" for text in ids)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines.encode(), 1))
    assert load(tmp_path / "a.jsonl.gz") == (60_000, ids, set())


def test_an_array_of_objects_as_google_takeout_writes_it(path: Path) -> None:
    entries = [
        {"header": "YouTube", "title": "Watched", "titleUrl": f"https://www.youtube.com/watch?v={text}"}
        for text in (A, B, C)
    ]
    path.write_text(
        json.dumps([*entries, {"header": "YouTube", "title": "Watched a video that has been removed"}], indent=2)
    )
    assert load(path, "titleUrl") == (4, [A, B, C], {""})


def test_an_array_of_texts_needs_no_name(path: Path) -> None:
    path.write_text(json.dumps([A, B, A]))
    assert load(path, "song") == (3, [A, B], set())


def test_an_id_that_looks_like_a_number_or_a_date_stays_as_it_is(path: Path) -> None:
    path.write_text('{"id": "00000000010"}\n{"id": "2020-01-018"}\n{"id": "1234567890e"}\n')
    assert load(path)[1] == ["00000000010", "2020-01-018", "1234567890e"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"video": "dQw4w9WgXcQ"}\n', r"no column 'id'. Its columns: video"),
        ('{\n  "items": [{"id": "dQw4w9WgXcQ"}]\n}\n', "JSON that cannot be read: after row 0"),
        ('{"id": "dQw4w9WgXcQ"}\n{"id": "9bZkp7q19f0"\n', "JSON that cannot be read: after row 0"),
        ("[]", "has no rows"),
        ("[{}, {}]", "no column 'id'"),
        ('[{"id": {"videoId": "dQw4w9WgXcQ"}}]', "Its only row holds no video id"),
    ],
)
def test_other_json_is_refused(path: Path, content: str, message: str) -> None:
    path.write_text(content)
    with pytest.raises(ConfigError, match=message):
        load(path)


def test_an_array_past_the_limit_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_rows, "MAX_ARRAY_BYTES", 1 << 20)
    path.write_text(json.dumps([A] * 200_000, indent=1))
    with pytest.raises(ConfigError, match="an array of more than 1 MiB is not read"):
        load(path)


def test_damage_past_the_first_piece_names_the_rows_before_it(path: Path) -> None:
    line = json.dumps({"id": A, "note": "x" * 1000}) + "\n"
    path.write_text(line * 3000 + "{broken\n")
    with pytest.raises(ConfigError, match=r"after row [1-9]"):
        load(path)
