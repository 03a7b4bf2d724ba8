"""What is never replaced is known by whatever name it is given."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harvester.errors import ConfigError, DestinationRefused
from harvester.protected_files import Protected


def link(path: Path, to: Path | str) -> str:
    path.symlink_to(to)
    return str(path)


def hard_link(path: Path, to: Path) -> str:
    os.link(to, path)
    return str(path)


def is_refused(protected: str, uri: str, *, folder: bool = False) -> bool:
    try:
        Protected(((protected, "the source"),)).refuse(uri, folder=folder)
    except DestinationRefused:
        return True
    return False


@pytest.fixture
def songs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "songs.csv"
    path.write_text("song\n", encoding="utf-8")
    return path


SPELLINGS: dict[str, Callable[[Path], str]] = {
    "absolute": str,
    "relative": lambda songs: songs.name,
    "through another folder": lambda songs: f"../{songs.parent.name}/./{songs.name}",
    "address": lambda songs: f"file://{songs}",
    "link": lambda songs: link(songs.parent / "a-link", songs),
    "link to a link": lambda songs: link(songs.parent / "a-link", link(songs.parent / "another", songs)),
    "linked folder": lambda songs: link(songs.parent / "here", songs.parent) + "/songs.csv",
    "hard link": lambda songs: hard_link(songs.parent / "twin", songs),
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_a_file_by_every_spelling_on_either_side(songs: Path, spelling: Callable[[Path], str]) -> None:
    spelled = spelling(songs)
    assert is_refused(str(songs), spelled)
    assert is_refused(spelled, str(songs))


@pytest.mark.parametrize("other", ["songs.json", "songs.csv.bak", "other/songs.csv", "s3://bucket/songs.csv"])
def test_others_are_not_meant(songs: Path, other: str) -> None:
    assert not is_refused(str(songs), other)


def test_what_is_not_there_now_is_known_by_its_name_in_either_case(songs: Path) -> None:
    assert is_refused("harvest.db-wal", str(songs.with_name("Harvest.db-WAL")))
    assert not is_refused("harvest.db-wal", "harvest.db-shm")


def test_a_folder_that_holds_it(songs: Path) -> None:
    linked = link(songs.parent / "here", songs.parent)
    for folder in (str(songs.parent), ".", linked, str(songs.parent.parent)):
        assert is_refused(str(songs), folder, folder=True)
    assert not is_refused(str(songs), str(songs.parent / "elsewhere"), folder=True)


def test_a_folder_that_holds_a_link_to_it(songs: Path) -> None:
    (songs.parent / "parts").mkdir()
    linked = link(songs.parent / "parts" / "part-000000000001.json", songs)
    assert is_refused(linked, str(songs.parent / "parts"), folder=True)


@pytest.mark.parametrize(
    "uri",
    [
        "s3://bucket/deep/songs.csv",
        "S3://bucket/deep/songs.csv",
        "s3a://bucket/deep/songs.csv",
        "s3://bucket//deep//songs.csv",
        "s3://bucket/deep/songs.csv?versionId=abc",
    ],
)
def test_an_object_by_every_spelling_on_either_side(uri: str) -> None:
    assert is_refused("s3://bucket/deep/songs.csv", uri)
    assert is_refused(uri, "s3://bucket/deep/songs.csv")


@pytest.mark.parametrize("uri", ["s3://bucket/songs.csv", "s3://other/deep/songs.csv", "s3://bucket/deep/Songs.csv"])
def test_other_objects_are_not_meant(uri: str) -> None:
    assert not is_refused("s3://bucket/deep/songs.csv", uri)


def test_a_folder_of_objects_that_holds_it() -> None:
    assert is_refused("s3://bucket/deep/songs.csv", "s3://bucket/deep/", folder=True)
    assert is_refused("s3://bucket/deep/songs.csv", "s3://bucket/deep", folder=True)
    assert not is_refused("s3://bucket/deep/songs.csv", "s3://bucket/dee", folder=True)


def test_what_is_no_address() -> None:
    with pytest.raises(ConfigError, match=r"file://\[::1/x is no address"):
        is_refused("songs.csv", "file://[::1/x")
