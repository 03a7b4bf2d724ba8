"""The course's play log at its size, made up: `python -m benchmarks.playlog PATH [--rows N] [--songs N]`.

`timestamp,user,song`: a few songs are played far more often than most, 123,651 rows stand twice, one timestamp is
negative, and every song is there. The same arguments give the same bytes.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np

from harvester.simulator import make_ids

ROWS = 25_700_000
SONGS = 631_348
DUPLICATES = 123_651
FIRST_SECOND = 1_446_336_000
BLOCK_ROWS = 1_000_000
HEADER = b"timestamp,user,song\n"
WIDTH = len("1446336000,100000,dQw4w9WgXcQ\n")


def write_playlog(path: Path, rows: int = ROWS, songs: int = SONGS, duplicates: int = DUPLICATES) -> None:
    """Write it; a reader never sees half of it."""
    rng = np.random.default_rng(1)
    ids = np.array(list(make_ids(1, songs)), dtype="S11")
    order = _plays(rng, rows - duplicates, songs)
    twice = np.sort(rng.choice(rows - duplicates, duplicates, replace=False))
    numbers = np.insert(np.arange(rows - duplicates), twice, twice)
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as file:
        file.write(HEADER)
        for start in range(0, rows, BLOCK_ROWS):
            block = numbers[start : start + BLOCK_ROWS]
            file.write(_lines(block, ids[order[block]]))
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)


def _plays(rng: np.random.Generator, plays: int, songs: int) -> np.ndarray:
    """Which song each play is of: each song once, the rest by a power law."""
    more = (songs * rng.random(plays - songs) ** 3).astype(np.int32)
    order = np.concatenate([np.arange(songs, dtype=np.int32), more])
    rng.shuffle(order)
    return order


def _lines(numbers: np.ndarray, songs: np.ndarray) -> bytes:
    """Three plays a second by three users, so that no two rows are the same but those that are meant to be."""
    lines = np.full((len(numbers), WIDTH), ord(","), dtype=np.uint8)
    lines[:, :10] = _digits(FIRST_SECOND + numbers // 3, 10)
    lines[:, 11:17] = _digits(100_000 + numbers * 7_919 % 900_000, 6)
    lines[:, 18:29] = songs.view(np.uint8).reshape(-1, 11)
    lines[:, 29] = ord("\n")
    for index in np.flatnonzero(numbers == 1):
        lines[index, :10] = np.frombuffer(b"-139955897", np.uint8)
    return lines.tobytes()


def _digits(numbers: np.ndarray, width: int) -> np.ndarray:
    return (numbers[:, None] // 10 ** np.arange(width - 1, -1, -1) % 10 + ord("0")).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.playlog", description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--songs", type=int, default=SONGS)
    parser.add_argument("--duplicates", type=int, default=DUPLICATES)
    arguments = parser.parse_args()
    write_playlog(arguments.path, arguments.rows, arguments.songs, arguments.duplicates)


if __name__ == "__main__":
    main()
