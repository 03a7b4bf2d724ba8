"""What a destination's name tells: over the settings, below the options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harvester.config import ExportSettings, load_config
from harvester.errors import ConfigError
from harvester.export.formats.registry import FORMATS
from harvester.support import export_file_names
from harvester.support.export_file_names import refuse_misleading_name


def settings(folder: Path, text: str = "", **options: Any) -> ExportSettings:
    (folder / "config.toml").write_text(f"[export]\n{text}\n", encoding="utf-8")
    return load_config(folder / "config.toml", {"export": options}).export


def reported(wanted: ExportSettings) -> tuple[str, str]:
    return wanted.format, wanted.compression


@pytest.mark.parametrize("place", ["", "s3://bucket/year.2026/"])
@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("songs.json", ("json", "none")),
        ("songs.jsonl", ("jsonl", "none")),
        ("songs.ndjson", ("jsonl", "none")),
        ("songs.parquet", ("parquet", "none")),
        ("songs.PARQUET", ("parquet", "none")),
        ("songs.json.gz", ("json", "gzip")),
        ("songs.ndjson.zst", ("jsonl", "zstd")),
        ("songs.parquet/", ("parquet", "none")),
        ("songs.jsonl.bak", ("json", "none")),
        ("songs", ("json", "none")),
    ],
)
def test_a_name_tells_format_and_compression(tmp_path: Path, place: str, name: str, what: tuple[str, str]) -> None:
    assert reported(settings(tmp_path, uri=place + name)) == what
    assert reported(settings(tmp_path, f'uri = "{place + name}"')) == what


def test_every_ending_of_a_format_is_told(tmp_path: Path) -> None:
    """A CSV made safe for spreadsheets is named as any other."""
    by_option = {name for name, _ in FORMATS if name not in export_file_names.FORMATS.values()}
    assert by_option == {"csv-safe"}
    for key, form in FORMATS.items():
        if key[0] not in by_option:
            assert reported(settings(tmp_path, uri=f"songs{form.suffix}")) == key
    assert set(export_file_names.FORMATS.values()) == {name for name, _ in FORMATS} - by_option


class TestOrder:
    OTHERS = 'format = "parquet"\nmax_part_bytes = 1_000_000'

    def test_a_name_that_was_typed_is_over_the_settings(self, tmp_path: Path) -> None:
        assert reported(settings(tmp_path, self.OTHERS, uri="songs.jsonl.gz")) == ("jsonl", "gzip")
        assert reported(settings(tmp_path, 'format = "json"\ncompression = "gzip"', uri="songs.jsonl")) == (
            "jsonl",
            "none",
        )

    def test_and_over_the_environment(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HARVESTER_EXPORT__FORMAT", "parquet")
        assert reported(settings(tmp_path, uri="songs.jsonl")) == ("jsonl", "none")

    def test_where_it_tells_nothing_the_settings_do(self, tmp_path: Path) -> None:
        assert reported(settings(tmp_path, self.OTHERS, uri="songs")) == ("parquet", "none")
        assert reported(settings(tmp_path, 'format = "jsonl"\ncompression = "gzip"', uri="songs")) == ("jsonl", "gzip")

    def test_settings_are_over_a_name_among_them(self, tmp_path: Path) -> None:
        assert reported(settings(tmp_path, 'uri = "songs.json"\ncompression = "gzip"')) == ("json", "gzip")

    def test_options_are_over_both(self, tmp_path: Path) -> None:
        chosen = settings(tmp_path, self.OTHERS, uri="songs.json", compression="zstd")
        assert reported(chosen) == ("json", "zstd")

    @pytest.mark.parametrize("uri", ["songs", "-"])
    @pytest.mark.parametrize("name", ["parquet", "sqlite"])
    def test_a_format_that_was_typed_and_has_no_compression_is_over_that_of_the_settings(
        self, tmp_path: Path, uri: str, name: str
    ) -> None:
        assert reported(settings(tmp_path, 'compression = "gzip"', uri=uri, format=name)) == (name, "none")

    def test_a_database_is_no_folder(self, tmp_path: Path) -> None:
        chosen = settings(tmp_path, self.OTHERS, uri="songs.db")
        assert (reported(chosen), chosen.max_part_bytes) == (("sqlite", "none"), None)

    def test_standard_output_is_no_folder(self, tmp_path: Path) -> None:
        chosen = settings(tmp_path, self.OTHERS, uri="-")
        assert (reported(chosen), chosen.max_part_bytes) == (("parquet", "none"), None)


@pytest.mark.parametrize(
    ("uri", "options", "typed"),
    [
        ("songs.json", {"format": "parquet"}, "songs.parquet"),
        ("songs.jsonl.gz", {"format": "json"}, "songs.json.gz"),
        ("songs.json.gz", {"compression": "none"}, "songs.json"),
        ("songs.json.gz", {"compression": "zstd"}, "songs.json.zst"),
        ("songs.parquet.gz", {}, "songs.parquet"),
        ("songs.db.gz", {}, "songs.sqlite"),
        ("songs.csv", {"format": "sqlite"}, "songs.sqlite"),
        ("songs.json.gz", {"format": "parquet"}, "songs.parquet"),
        ("s3://bucket/songs.zst", {"format": "parquet"}, "s3://bucket/songs.parquet"),
    ],
)
def test_a_contradiction_is_refused_with_what_to_type(
    tmp_path: Path, uri: str, options: dict[str, str], typed: str
) -> None:
    def check() -> None:
        refuse_misleading_name(uri, *reported(settings(tmp_path, uri=uri, **options)))

    with pytest.raises(ConfigError) as caught:
        check()
    assert caught.value.next_step.endswith(f"harvester export {typed}")
    wanted = settings(tmp_path, uri=typed)
    refuse_misleading_name(typed, *reported(wanted))
