"""Every format, packing and place, by real files, a real web server and a real pipe."""

from __future__ import annotations

import csv
import gc
import gzip
import http.server
import io
import random
import re
import subprocess
import sys
import tempfile
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from outside_data import outside_data

from harvester.errors import ConfigError, CredentialsError, HarvesterError, SourceUnavailable
from harvester.sources import IdChunk, decompress, is_video_id, read_ids
from harvester.sources.formats import line_blocks
from harvester.sources.listing_file import read_targets

A, B, C = "dQw4w9WgXcQ", "-0000000000", "_bcdefghij8"
LOOKALIKES = [B, "12345678900", "nanNaNnullA", "1e10abcdefA", "NA", "null", "True", "NaN", "1.50", "007", "2020-01-01"]

Write = Callable[[str, bytes], Path]


def load(source: Path | str, column: str = "song", **options: Any) -> list[IdChunk]:
    return list(read_ids(str(source), column=column, **options))


def ids(source: Path | str, column: str = "song", **options: Any) -> list[str]:
    return ids_of(load(source, column, **options))


def ids_of(chunks: list[IdChunk]) -> list[str]:
    return list(dict.fromkeys(text for chunk in chunks for text in chunk.ids))


def rows_of(chunks: list[IdChunk]) -> int:
    return sum(chunk.rows for chunk in chunks)


def piped(content: bytes, **options: Any) -> list[str]:
    """Read it from a real pipe, which cannot seek."""
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(content)
        process.stdin.close()
        assert not process.stdout.seekable()
        return ids("-", stdin=process.stdout, **options)


def read_little_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that few rows are many blocks."""
    monkeypatch.setattr(decompress, "BLOCK_BYTES", 1 << 16)
    monkeypatch.setattr(line_blocks, "PIECE_BYTES", 1 << 16)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def writer(name: str, content: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return writer


def parquet_bytes(values: Any, name: str = "song") -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"other": list(range(len(values))), name: values}), sink)
    return sink.getvalue()


class TestIds:
    @pytest.mark.parametrize("text", [A, B, C, "12345678900", "nanNaNnullA", "___________"])
    def test_what_can_be_an_id(self, text: str) -> None:
        assert is_video_id(text)

    @pytest.mark.parametrize("text", ["", "short", A + "x", A + "\n", "dQw4w9WgXc ", "dQw4w9WgXc\n", "dQw4w9WgXcé"])
    def test_what_cannot(self, text: str) -> None:
        assert not is_video_id(text)

    @pytest.mark.parametrize("name", ["a.csv", "a.txt", "a.parquet"])
    def test_texts_that_look_like_something_else_survive_as_they_stand(self, write: Write, name: str) -> None:
        content = {
            "a.csv": "\n".join(["user,song", *(f"1,{text}" for text in LOOKALIKES)]).encode(),
            "a.txt": "\n".join(LOOKALIKES).encode(),
            "a.parquet": parquet_bytes(LOOKALIKES),
        }
        (chunk,) = load(write(name, content[name]))
        assert chunk.ids == LOOKALIKES
        assert chunk.rows == len(LOOKALIKES)
        assert chunk.invalid == set(LOOKALIKES[4:])

    def test_unusual_ids_are_named_but_not_invalid(self, write: Write) -> None:
        unusual = [f"dQw4w9WgX{number}B" for number in range(7)]
        (chunk,) = load(write("a.txt", "\n".join([A, *unusual, "no id", A]).encode()))
        assert chunk == IdChunk(10, [A, *unusual, "no id"], frozenset({"no id"}), tuple(unusual[:5]))

    def test_white_space_around_ids_is_no_part_of_them(self, write: Write) -> None:
        (chunk,) = load(write("a.csv", f'u,song\n1,  {A} \n2,"\t{A}\n"\n3,{A}\n4,\u00a0{B}\n'.encode()))
        assert (chunk.rows, chunk.ids, chunk.invalid) == (4, [A, B], frozenset())

    @pytest.mark.parametrize("name", ["a.csv", "a.txt"])
    def test_invalid_utf8_is_replaced_and_so_invalid(self, write: Write, name: str) -> None:
        header = b"song\n" if name == "a.csv" else b""
        (chunk,) = load(write(name, header + b"dQw4w9WgXc\xff\nabc\xe2\x82\n" + A.encode() + b"\n"))
        assert chunk.ids == ["dQw4w9WgXc�", "abc�", A]
        assert chunk.invalid == {"dQw4w9WgXc�", "abc�"}

    @pytest.mark.parametrize("name", ["a.csv", "a.txt"])
    def test_a_nul_does_not_end_a_text(self, write: Write, name: str) -> None:
        header = b"song\n" if name == "a.csv" else b""
        (chunk,) = load(write(name, header + f"{A}\0junk\n{A}\0trash\n{A}\n".encode()))
        assert chunk.ids == [f"{A}\0junk", f"{A}\0trash", A]
        assert chunk.invalid == {f"{A}\0junk", f"{A}\0trash"}

    @pytest.mark.parametrize("name", ["a.csv", "a.txt", "a.parquet"])
    @pytest.mark.parametrize("length", [201, 1024, 1025, 3_000_000])
    def test_absurdly_long_texts_are_cut_and_stay_distinct(self, write: Write, name: str, length: int) -> None:
        long = ["x" * (length - 1) + last for last in "abab"]
        content = parquet_bytes(long) if name == "a.parquet" else "\n".join(["song", *long, A]).encode()
        first, second, *rest = ids(write(name, content))
        assert first != second
        assert all(re.fullmatch(r"x{200}…sha256:[0-9a-f]{12}", text) for text in (first, second))
        assert rest == ([] if name == "a.parquet" else [A])


class TestTables:
    @pytest.mark.parametrize(
        "content",
        [
            f"timestamp,user,song\n1,2,{A}\n-3,4,{B}\n1,2,{A}\n",
            f"timestamp,user,song\r\n1,2,{A}\r\n-3,4,{B}\r\n",
            f"timestamp,user,song\r1,2,{A}\r-3,4,{B}",
            f"\ufefftimestamp,user,song\n1,2,{A}\n-3,4,{B}",
            f"\ufeffsong\n{A}\n{B}\n",
            f'"song"\n"{A}"\n"{B}"\n',
            f" timestamp , user , song \n1, 2, {A}\n-3, 4, {B}\n",
            f'a,"song",b\n"x, y\nz",{A},"he said ""no"""\n"\n\n",{B},\n',
            f'"two\nlines",song\n1,{A}\n2,{B}\n',
            f"a\tsong\n1\t{A}\n2\t{B}\n",
            f"a;song\n1,5;{A}\n2;{B}\n",
            f"a|song\n1|{A}\n2|{B}\n",
            f"\n\nsong,a\n{A}\n\n{B},1,2,3,4\n\n",
            f"# made by hand, with song and all\n# 2 rows\nuser,song\n1,{A}\n2,{B}\n",
            f"# made by hand\n# song, start, end\n{A}, 1, 2\n{B}, 1, 2\n",
        ],
    )
    @pytest.mark.parametrize("name", ["a.csv", "a", "a.txt"])
    def test_dialects(self, write: Write, content: str, name: str) -> None:
        chunks = load(write(name, content.encode()))
        assert ids_of(chunks) == [A, B]
        assert not any(chunk.invalid for chunk in chunks)

    def test_tabs_come_first_in_tsv(self, write: Write) -> None:
        assert ids(write("a.tsv", f"song,artist\tsong\nx\t{A}\n".encode())) == [A]

    def test_empty_cells_and_short_rows_are_the_empty_invalid_id(self, write: Write) -> None:
        (chunk,) = load(write("a.csv", f'u,song,x\n1,,2\n2\n3,"",\n4,  ,\n5,{A},\n'.encode()))
        assert (chunk.rows, chunk.ids, chunk.invalid) == (5, ["", A], frozenset({""}))

    @pytest.mark.parametrize("end", ["", "\n", "\r\n"])
    def test_a_header_without_rows(self, write: Write, end: str) -> None:
        assert load(write("a.csv", f"user,song{end}".encode())) == []

    def test_a_missing_column_names_those_there_are(self, write: Write) -> None:
        with pytest.raises(ConfigError, match=r"no column 'song'. Its columns: timestamp, user, track\.") as caught:
            load(write("a.csv", f"timestamp,user,track\n1,2,{A}\n".encode()))
        assert "--column NAME" in caught.value.next_step
        assert "safe" in caught.value.state

    def test_a_missing_column_with_hundreds_of_others(self, write: Write) -> None:
        header = ",".join(f"{number:0300}" for number in range(500))
        with pytest.raises(ConfigError, match="and 480 more") as caught:
            load(write("a.csv", header.encode()))
        assert len(str(caught.value)) < 2000

    @pytest.mark.parametrize("content", [f"{A}\n{B}\n", f"{A},1\n{B},2\n"])
    def test_a_csv_without_header_is_told_how_to_go_on(self, write: Write, content: str) -> None:
        with pytest.raises(ConfigError, match=A) as caught:
            load(write("a.csv", content.encode()))
        assert ".txt" in caught.value.next_step

    def test_a_table_by_another_name_is_not_loaded_line_by_line(self, write: Write) -> None:
        for name in ("a.txt", "a"):
            with pytest.raises(ConfigError, match="Its columns: user, track"):
                load(write(name, f"user,track\n1,{A}\n2,{B}\n".encode()))

    def test_an_empty_csv(self, write: Write) -> None:
        with pytest.raises(ConfigError, match="is empty"):
            load(write("a.csv", b""))

    def test_an_open_quote_is_an_error_that_says_where(self, write: Write) -> None:
        path = write("a.csv", f"song,x\n{A},1\n".encode() + b'3,"open\nno row\nnor this\n')
        chunks: list[IdChunk] = []
        with pytest.raises(ConfigError, match="after row 1 of its data, in line 3") as caught:
            chunks.extend(read_ids(str(path), column="song", chunk_rows=1))
        assert "quotation mark" in caught.value.next_step

    def test_an_open_quote_before_rows_is_a_character(self, write: Write) -> None:
        assert ids(write("a.csv", f'song,x\n{A},1\n{B},"open\n{C},1\n'.encode())) == [A, B, C]

    def test_a_row_without_end_does_not_fill_the_memory(self, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
        path = write("a.csv", b'song,x\n1,"' + b"y\n" * (8 << 20))
        with pytest.raises(ConfigError, match="a row has no end"):
            load(path)
        monkeypatch.setattr(line_blocks, "MAX_LINE_BYTES", 4 << 20)
        path = write("b.csv", b"song,x\n1," + b"y" * (16 << 20))
        with pytest.raises(ConfigError, match="a row has no end"):
            load(path)

    def test_wide_rows_take_little_memory(self, tmp_path: Path) -> None:
        with gzip.open(tmp_path / "a.csv.gz", "wb", 1) as file:
            file.write(b"x,song\n")
            for number in range(10_000):
                file.write(b'"%s",id%06d\n' % (b"w" * 10_000, number))
        tracemalloc.start()
        try:
            chunks = load(tmp_path / "a.csv.gz")
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert rows_of(chunks) == len(ids_of(chunks)) == 10_000
        assert peak_bytes < 75 << 20  # 36 of them for recent ids; the file is of 95

    @settings(max_examples=75, deadline=None)
    @given(
        texts=st.lists(st.one_of(st.text(max_size=15), st.sampled_from([A, B, "", " ", '"', "a\nb", "\r", "NA", ","]))),
        chunk_rows=st.integers(1, 5),
        width=st.integers(0, 2),
        quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    )
    def test_whatever_a_csv_writer_wrote(self, texts: list[str], chunk_rows: int, width: int, quoting: Any) -> None:
        texts = [text.encode(errors="replace").decode() for text in texts]
        buffer = io.StringIO(newline="")
        writer = csv.writer(buffer, quoting=quoting)
        writer.writerows([[*"xy"[:width], "song", "z"], *([*"xy"[:width], text, "a\n,b"] for text in texts)])
        chunks = load("-", stdin=io.BytesIO(buffer.getvalue().encode()), chunk_rows=chunk_rows)
        assert ids_of(chunks) == list(dict.fromkeys(text.strip() for text in texts))
        assert rows_of(chunks) == len(texts)
        assert all(chunk.invalid == {text for text in chunk.ids if not is_video_id(text)} for chunk in chunks)


class TestLines:
    @pytest.mark.parametrize(
        "content",
        [
            f"{A}\n{B}\n{A}",
            f"{A}\r\n{B}\r\n",
            f"{A}\r{B}",
            f"\ufeff{A}\n{B}",
            f"\n\n  {A}\t\n \n{B}\n\n",
            f"song\n{A}\n{B}",
        ],
    )
    @pytest.mark.parametrize("name", ["a.txt", "a.ids", "a.lst", "a", "a.dat"])
    def test_one_id_a_line(self, write: Write, name: str, content: str) -> None:
        assert ids(write(name, content.encode())) == [A, B]

    @pytest.mark.parametrize("name", ["a.txt", "a"])
    def test_nothing_in_it(self, write: Write, name: str) -> None:
        assert load(write(name, b"")) == []

    def test_lines_across_blocks(self, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
        texts = [f"{number:011}" for number in range(1000)]
        for end in ("\n", "\r\n"):
            path = write("a.txt", end.join(texts).encode())
            for size in (1, 7, 12, 13, 1000):
                monkeypatch.setattr("harvester.sources.decompress.BLOCK_BYTES", size)
                monkeypatch.setattr("harvester.sources.detect_format.HEAD_BYTES", size)
                chunks = load(path, chunk_rows=300)
                assert [chunk.rows for chunk in chunks] == [300, 300, 300, 100]
                assert ids_of(chunks) == texts

    @pytest.mark.parametrize(
        ("content", "what"),
        [
            (b"<!DOCTYPE html><html></html>", "a web page"),
            (A.encode("utf-16"), "UTF-16"),
        ],
    )
    def test_what_is_no_file_of_ids_at_all(self, write: Write, content: bytes, what: str) -> None:
        with pytest.raises(ConfigError, match=what):
            load(write("a.txt", content))

    def test_a_gigantic_line_takes_little_memory(self, tmp_path: Path) -> None:
        with gzip.open(tmp_path / "a.txt.gz", "wb", 1) as file:
            for _ in range(100):
                file.write(b"x" * (1 << 20))
            file.write(b"\n" + A.encode())
        tracemalloc.start()
        try:
            first, second = ids(tmp_path / "a.txt.gz")
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert (len(first), second) == (220, A)
        assert peak_bytes < 50 << 20


class TestParquet:
    @pytest.mark.parametrize(
        "kind",
        [
            pa.string(),
            pa.large_string(),
            pa.string_view(),
            pa.binary(),
            pa.large_binary(),
            pa.binary(11),
            pa.dictionary(pa.int32(), pa.string()),
        ],
        ids=str,
    )
    def test_kinds_of_text(self, write: Write, kind: pa.DataType) -> None:
        path = write("a.parquet", parquet_bytes(pa.array([A, B, None, A, "nanNaNnullA"]).cast(kind)))
        (chunk,) = load(path)
        assert (chunk.rows, chunk.ids, chunk.invalid) == (5, [A, B, "", "nanNaNnullA"], frozenset({""}))

    def test_numbers_are_texts_as_they_stand(self, write: Write) -> None:
        assert ids(write("a.pq", parquet_bytes(pa.array([12345678900, None, 1])))) == ["12345678900", "", "1"]

    def test_a_column_of_nulls(self, write: Write) -> None:
        assert ids(write("a.pq", parquet_bytes(pa.nulls(3)))) == [""]

    def test_invalid_utf8_is_replaced(self, write: Write) -> None:
        raw = pa.array([b"abc\xff", A.encode(), None], pa.binary())
        for values in (raw, raw.view(pa.string())):
            (chunk,) = load(write("a.parquet", parquet_bytes(values)))
            assert chunk.ids == ["abc�", A, ""]

    @pytest.mark.parametrize("name", [" song ", "the.song"])
    def test_names_of_columns(self, write: Write, name: str) -> None:
        assert ids(write("a.parquet", parquet_bytes([A], name)), column=name.strip()) == [A]

    def test_a_missing_column_names_those_there_are(self, write: Write) -> None:
        with pytest.raises(ConfigError, match="Its columns: other, track"):
            load(write("a.parquet", parquet_bytes([A], "track")))

    def test_a_nested_column(self, write: Write) -> None:
        with pytest.raises(ConfigError, match="list<"):
            load(write("a.parquet", parquet_bytes([[A], [B]])))

    def test_the_content_knows_better_than_the_name(self, write: Write) -> None:
        assert ids(write("a.csv", parquet_bytes([A, B]))) == [A, B]
        with pytest.raises(ConfigError, match="named as Parquet, but is not"):
            load(write("a.parquet", b"user,song\n"))

    def test_ids_may_begin_as_parquet_does(self, write: Write) -> None:
        assert ids(write("a.txt", b"PAR1abcdefg\n")) == ["PAR1abcdefg"]

    def test_cut_files(self, write: Write) -> None:
        with pytest.raises(SourceUnavailable, match="ended in the middle"):
            load(write("a.parquet", parquet_bytes([A] * 1000)[:-50]))

    @pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
    def test_streams_go_through_a_temporary_file(
        self, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack: Callable[[bytes], bytes]
    ) -> None:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "spool"))
        (tmp_path / "spool").mkdir()
        content = pack(parquet_bytes([f"{number:011}" for number in range(10_000)]))
        assert len(piped(content)) == 10_000
        assert len(ids(write("a.parquet.gz", content))) == 10_000
        assert list((tmp_path / "spool").iterdir()) == []

    def test_a_full_disk_under_the_temporary_file(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Full(io.BytesIO):
            def write(self, _: object, /) -> int:
                raise OSError(28, "No space left on device")

        monkeypatch.setattr(tempfile, "TemporaryFile", Full)
        with pytest.raises(SourceUnavailable, match="No space left") as caught:
            piped(parquet_bytes([A]))
        assert "TMPDIR" in caught.value.next_step


class TestPacking:
    content = ("user,song\n" + "".join(f"{number},{number:011}\n" for number in range(20_000))).encode()
    expected: ClassVar = [f"{number:011}" for number in range(20_000)]

    @pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.csv.zst", "a.CSV.GZ", "a.txt", "a"])
    @pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
    def test_the_bytes_tell_and_not_the_name(self, write: Write, name: str, pack: Callable[[bytes], bytes]) -> None:
        assert ids(write(name, pack(self.content))) == self.expected

    @pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
    def test_members_end_to_end_and_padding(self, write: Write, pack: Callable[[bytes], bytes]) -> None:
        cuts = [0, 1, 1000, 1000, 150_000, len(self.content)]
        members = [pack(self.content[start:end]) for start, end in pairwise(cuts)]
        assert ids(write("a.csv.gz", b"".join(members) + b"\0" * 100_000)) == self.expected

    def test_zstd_streams_without_their_size_and_with_skippable_frames(self, write: Write) -> None:
        packer = zstandard.ZstdCompressor().compressobj()
        content = packer.compress(self.content) + packer.flush()
        assert ids(write("a.csv.zst", b"\x50\x2a\x4d\x18\x04\0\0\0abcd" + content)) == self.expected

    @pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
    @pytest.mark.parametrize("kept", [0.001, 0.3, 0.99999])
    def test_cut_streams(self, write: Write, pack: Callable[[bytes], bytes], kept: float) -> None:
        packed = pack(self.content)
        path = write("a.csv.gz", packed[: max(11, int(len(packed) * kept))])
        with pytest.raises(SourceUnavailable, match="the source ended in the middle"):
            load(path)

    @pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
    @pytest.mark.parametrize("lost", [1, 5, "all but one"])
    def test_a_last_member_that_is_cut(self, write: Write, pack: Callable[[bytes], bytes], lost: int | str) -> None:
        half = len(self.content) // 2
        last = pack(self.content[half:])
        kept = last[:1] if isinstance(lost, str) else last[:-lost]
        with pytest.raises(SourceUnavailable, match="the source ended in the middle"):
            load(write("a.csv.gz", pack(self.content[:half]) + kept))

    @pytest.mark.parametrize(
        "pack", [gzip.compress, lambda data: zstandard.ZstdCompressor(write_checksum=True).compress(data)]
    )
    def test_damaged_streams(self, write: Write, pack: Callable[[bytes], bytes]) -> None:
        packed = bytearray(pack(self.content))
        packed[-3] ^= 0xFF
        with pytest.raises(SourceUnavailable, match="damaged"):
            load(write("a.csv.gz", bytes(packed)))
        with pytest.raises(SourceUnavailable, match="damaged"):
            load(write("a.csv.gz", pack(self.content) + b"garbage after the end"))

    def test_the_rows_before_the_cut_come_first_and_are_counted(
        self, write: Write, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        read_little_at_a_time(monkeypatch)
        generator = random.Random(1)
        texts = ["".join(generator.choices("abcdefghijk", k=11)) for _ in range(80_000)]
        packed = gzip.compress("\n".join(texts).encode())
        path = write("a.txt.gz", packed[: len(packed) // 2])
        chunks: list[IdChunk] = []
        with pytest.raises(SourceUnavailable) as caught:
            chunks.extend(read_ids(str(path), column="song", chunk_rows=1_000))
        error = caught.value
        assert "in the ledger" in error.state
        assert "safe" in error.state
        assert "harvester load" in error.next_step

    @pytest.mark.parametrize(
        ("magic", "name"), [(b"PK\x03\x04", "zip"), (b"\xfd7zXZ\x00", "xz"), (b"BZh91AY&SY", "bzip2")]
    )
    def test_what_is_not_unpacked(self, write: Write, magic: bytes, name: str) -> None:
        with pytest.raises(ConfigError, match=name):
            load(write("a.csv", magic + b"\0" * 100))

    def test_an_id_may_begin_as_bzip2_does(self, write: Write) -> None:
        assert ids(write("a.txt", b"BZhabcdefgh\n")) == ["BZhabcdefgh"]


class TestLimit:
    texts: ClassVar = [f"{number % 700:011}" for number in range(1000)]

    @pytest.fixture
    def path(self, write: Write) -> Path:
        return write("a.csv", "\n".join(["song", *(text for text in self.texts for _ in range(2))]).encode())

    @pytest.mark.parametrize("limit", [1, 2, 299, 300, 301, 699, 700])
    @pytest.mark.parametrize("chunk_rows", [1, 7, 600, 250_000])
    def test_the_first_distinct_ids(self, path: Path, limit: int, chunk_rows: int) -> None:
        chunks = load(path, limit=limit, chunk_rows=chunk_rows)
        assert ids_of(chunks) == self.texts[:limit]
        # the last row read is the one that brought the last id
        assert rows_of(chunks) == 2 * limit - 1

    def test_more_than_there_are(self, path: Path) -> None:
        chunks = load(path, limit=5000)
        assert (len(ids_of(chunks)), rows_of(chunks)) == (700, 2000)

    def test_none_at_all(self, path: Path) -> None:
        assert load(path, limit=0) == []

    def test_invalid_and_unusual_ids_count_and_stay_known(self, write: Write) -> None:
        path = write("a.txt", f"{A}\nno id\ndQw4w9WgXcB\n no id\nnever read\n".encode())
        (chunk,) = load(path, limit=3)
        assert chunk == IdChunk(3, [A, "no id", "dQw4w9WgXcB"], frozenset({"no id"}), ("dQw4w9WgXcB",))
        (chunk,) = load(path, limit=2)
        assert chunk == IdChunk(2, [A, "no id"], frozenset({"no id"}), ())

    def test_the_rest_is_not_read(self, write: Write) -> None:
        packed = gzip.compress("\n".join(f"{n:011}" for n in range(100_000)).encode())
        assert len(ids(write("a.txt.gz", packed[:-10]), limit=1000)) == 1000

    @pytest.mark.parametrize("wrong", [{"limit": -1}, {"chunk_rows": 0}])
    def test_nonsense(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="must be positive"):
            read_ids("-", column="song", **wrong)


class TestReading:
    @pytest.mark.parametrize("name", ["a.csv", "a.txt", "a.parquet"])
    def test_the_chunk_size_changes_nothing(self, write: Write, name: str) -> None:
        generator = random.Random(7)
        texts = [f"{generator.randrange(150):011}" for _ in range(600)]
        plain = "\n".join(["song", *texts]).encode()
        path = write(name, parquet_bytes(texts) if name == "a.parquet" else plain)
        for chunk_rows in (1, 3, 64, 599, 600, 601, 250_000):
            chunks = load(path, chunk_rows=chunk_rows)
            assert ids_of(chunks) == list(dict.fromkeys(texts))
            assert rows_of(chunks) == 600
            assert all(chunk.rows <= chunk_rows for chunk in chunks)
            assert all(len(set(chunk.ids)) == len(chunk.ids) for chunk in chunks)

    @pytest.mark.parametrize("name", ["a.csv", "a.txt", "a.parquet", "a.csv.gz", "a.parquet.zst"])
    def test_a_consumer_that_stops_early_leaves_nothing_open(self, write: Write, name: str) -> None:
        texts = [f"{number:011}" for number in range(5000)]
        content = parquet_bytes(texts) if "parquet" in name else "\n".join(["song", *texts]).encode()
        packed = gzip.compress(content) if name.endswith(".gz") else content
        path = write(name, zstandard.compress(content) if name.endswith(".zst") else packed)
        process = psutil.Process()
        load(path)  # what libraries open for good, they open now
        before = process.num_fds()
        chunks = read_ids(str(path), column="song", chunk_rows=10)
        next(chunks)
        chunks.close()  # type: ignore[attr-defined]
        assert process.num_fds() == before
        gc.collect()

    def test_importing_it_brings_no_heavy_library(self) -> None:
        heavy = ("pandas", "pyarrow", "s3fs", "fsspec", "botocore", "aiohttp", "zstandard")
        code = f"import sys, harvester.sources; print([m for m in {heavy} if m in sys.modules])"
        out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        assert out.stdout.strip() == "[]"


class TestPlaces:
    def test_standard_input_stays_open(self) -> None:
        stdin = io.BytesIO(f"{A}\n{B}\n".encode())
        assert ids("-", stdin=stdin) == [A, B]
        assert not stdin.closed

    def test_standard_input_is_the_default(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"x,song\n1,{A}".encode())))
        assert ids("-") == [A]

    @pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
    def test_a_pipe(self, pack: Callable[[bytes], bytes]) -> None:
        assert piped(pack(f"{A}\n{B}\n".encode())) == [A, B]

    def test_bytes_that_trickle_in(self) -> None:
        class Trickle(io.BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                return super().read(1)

        content = f"x,song\n1,{A}\n".encode()
        assert ids("-", stdin=Trickle(content)) == [A]
        assert ids("-", stdin=Trickle(gzip.compress(content))) == [A]

    def test_a_file_address(self, write: Write) -> None:
        assert ids(write("a b.txt", A.encode()).as_uri()) == [A]

    def test_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"There is no file .*nothing\.csv") as caught:
            load(tmp_path / "nothing.csv")
        assert caught.value.state
        assert caught.value.next_step

    def test_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="is a folder"):
            load(tmp_path)

    def test_a_file_that_may_not_be_read(self, monkeypatch: pytest.MonkeyPatch, write: Write) -> None:
        def refuse(*_: object) -> None:
            raise PermissionError(13, "Permission denied")

        path = write("a.txt", b"")
        monkeypatch.setattr(Path, "open", refuse)
        with pytest.raises(ConfigError, match="may not be read"):
            load(path)

    def test_a_disk_that_fails_in_the_middle(self) -> None:
        class Failing(io.BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                if self.tell() > 0:
                    raise OSError(5, "Input/output error")
                return super().read(size)

        with pytest.raises(SourceUnavailable, match="Input/output error"):
            load("-", stdin=Failing(b"song\n" + b"x" * 100))

    @pytest.mark.parametrize("uri", ["gs://bucket/key", "ftp://host/a.csv", "s4://x/y"])
    def test_other_places(self, uri: str) -> None:
        with pytest.raises(ConfigError, match=r"cannot be read from \w+://"):
            load(uri)

    def test_a_name_that_no_file_can_have(self) -> None:
        with pytest.raises(ConfigError):
            load("a\0b")


class Handler(http.server.BaseHTTPRequestHandler):
    """`/status/500` answers 500, `/cut/…` breaks off, `/chunked/…` sends no length, `/to/…` sends elsewhere."""

    protocol_version = "HTTP/1.1"
    files: ClassVar[dict[str, bytes]] = {}
    requests: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.requests.append(self.path)
        first, _, rest = self.path.partition("?")[0].removeprefix("/").partition("/")
        if first == "status":
            self.send_error(int(rest))
        elif first == "to":
            self.send_response(302)
            self.send_header("Location", f"/{rest}")
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self.send_file(first, self.files[rest or first])

    def send_file(self, how: str, body: bytes) -> None:
        self.close_connection = True
        self.send_response(200)
        if how in ("chunked", "cutchunked"):
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(body), body) + (b"0\r\n\r\n" if how == "chunked" else b""))
        else:
            self.send_header("Content-Length", str(len(body) + (1000 if how == "cut" else 0)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    Handler.files.clear()
    Handler.requests.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class TestWeb:
    expected: ClassVar = [f"{number:011}" for number in range(9_000)]
    content = ("x,song\n" + "".join(f"1,{text}\n" for text in expected)).encode()

    @pytest.fixture(autouse=True)
    def in_several_blocks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        read_little_at_a_time(monkeypatch)

    @pytest.mark.parametrize("way", ["", "chunked/", "to/"])
    @pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
    def test_tables(self, web: str, way: str, pack: Callable[[bytes], bytes]) -> None:
        Handler.files["a.csv"] = pack(self.content)
        assert ids(f"{web}/{way}a.csv") == self.expected

    def test_parquet(self, web: str) -> None:
        Handler.files["a.parquet"] = parquet_bytes(self.expected)
        assert ids(f"{web}/a.parquet") == self.expected

    def test_one_request_and_the_address_as_it_was_given(self, web: str) -> None:
        Handler.files["a.csv"] = self.content
        load(f"{web}/a.csv?X-Amz-Signature=a%2Fb%3D&x=é ü\udce9")  # the last character: an argument's byte E9
        assert Handler.requests == ["/a.csv?X-Amz-Signature=a%2Fb%3D&x=%C3%A9%20%C3%BC%E9"]

    @pytest.mark.parametrize("way", ["cut", "cutchunked"])
    def test_cut_downloads(self, web: str, way: str) -> None:
        Handler.files["a.csv"] = self.content * 3
        chunks: list[IdChunk] = []
        with pytest.raises(SourceUnavailable, match="the source ended in the middle") as caught:
            chunks.extend(read_ids(f"{web}/{way}/a.csv", column="song", chunk_rows=1_000))
        assert "in the ledger" in caught.value.state

    @pytest.mark.parametrize("way", ["cut", "cutchunked"])
    def test_a_list_of_channels_that_is_cut(self, web: str, way: str) -> None:
        Handler.files["list"] = b"@one\n@two\n"
        with pytest.raises(SourceUnavailable, match="the source ended in the middle") as caught:
            read_targets([], [f"{web}/{way}/list"])
        assert caught.value.next_step.startswith("Run harvester discover again;")
        assert len(read_targets([], [f"{web}/chunked/list"])) == 2

    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (401, CredentialsError),
            (403, CredentialsError),
            (404, ConfigError),
            (410, ConfigError),
            (408, SourceUnavailable),
            (429, SourceUnavailable),
            (500, SourceUnavailable),
            (503, SourceUnavailable),
        ],
    )
    def test_refusals(self, web: str, status: int, kind: type[HarvesterError]) -> None:
        with pytest.raises(kind, match=f"HTTP {status}") as caught:
            load(f"{web}/status/{status}?token=hidden")
        assert type(caught.value) is kind
        assert "hidden" not in str(caught.value)
        assert caught.value.next_step

    def test_nobody_there(self, web: str) -> None:
        with pytest.raises(SourceUnavailable, match="cannot be read now") as caught:
            load("http://127.0.0.1:1/a.csv?token=hidden")
        assert "hidden" not in str(caught.value)

    def test_a_silent_server(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import socket

        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.setattr("harvester.sources.web.SILENCE_SECONDS", 0.05)
        with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(SourceUnavailable, match="timed out"):
            load(f"http://127.0.0.1:{server.getsockname()[1]}/a.csv")

    @pytest.mark.parametrize(
        "uri", ["http://user:hidden@127.0.0.1/a.csv", "http://127.0.0.1:hidden/a", "http:///a", "http://[x/a"]
    )
    def test_addresses_that_are_none(self, uri: str) -> None:
        with pytest.raises(ConfigError) as caught:
            load(uri)
        assert "user:hidden" not in str(caught.value)


class TestRealData:
    def test_musiccaps(self) -> None:
        chunks = load(outside_data("musiccaps.csv"), "ytid", chunk_rows=1000)
        assert len(ids_of(chunks)) == rows_of(chunks) == 5521
        assert not any(chunk.invalid or chunk.unusual for chunk in chunks)

    def test_audioset_at_the_size_of_the_course(self) -> None:
        chunks = load(outside_data("audioset_ids.txt.gz"), limit=631_348)
        assert len(ids_of(chunks)) == rows_of(chunks) == 631_348
        assert not any(chunk.invalid or chunk.unusual for chunk in chunks)

    def test_audioset_segments(self) -> None:
        chunks = load(outside_data("audioset_balanced_segments.csv"), "YTID")
        assert len(ids_of(chunks)) == rows_of(chunks) == 22_160
        assert not any(chunk.invalid or chunk.unusual for chunk in chunks)

    def test_audioset_segments_by_another_name(self) -> None:
        with pytest.raises(ConfigError, match="Its columns: YTID, start_seconds, end_seconds, positive_labels"):
            load(outside_data("audioset_balanced_segments.csv"), "song")
