"""What is no source of ids is refused before anything comes of it, with what it looks like and what to type."""

from __future__ import annotations

import gzip
import io
import re
import struct
import sys
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harvester import sources
from harvester.errors import ConfigError
from harvester.sources import IdChunk, Limit, read_ids
from harvester.support.addresses import source_name

A, B, C = "dQw4w9WgXcQ", "9bZkp7q19f0", "kJQP7kiw5Fk"


def load(name: str, content: bytes, folder: Path, **options: Any) -> list[IdChunk]:
    (folder / name).write_bytes(content)
    return list(read_ids(str(folder / name), require_id=True, **{"column": "song", **options}))


def ids(name: str, content: bytes, folder: Path, **options: Any) -> list[str]:
    return [text for chunk in load(name, content, folder, **options) for text in chunk.ids]


def tar(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        member = tarfile.TarInfo("ids.txt")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


LIST = f"{A}\n{B}\n{C}\n".encode()
UTF_16 = f"{A}\r\n{B}\r\n".encode("utf-16-le")


@pytest.mark.parametrize(
    ("name", "content", "what", "step"),
    [
        ("a.tar", tar(LIST), "a tar archive", "Unpack it"),
        ("a.tar.gz", gzip.compress(tar(LIST)), "a tar archive", "Unpack it"),
        ("a.7z", b"7z\xbc\xaf\x27\x1c" + LIST, "a 7z archive", "Unpack it"),
        ("a.zip", b"PK\x03\x04" + LIST, "a zip archive or a workbook", "Unpack it"),
        ("a.txt", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "Git LFS", "git lfs pull"),
        ("a.txt", UTF_16, "UTF-16 text without", "--encoding utf-16-le"),
        ("a.txt", f"{A}\r\n{B}\r\n".encode("utf-16-be"), "UTF-16 text without", "--encoding utf-16-be"),
        ("a.csv", b"\xff\xfe" + UTF_16, "UTF-16", "--encoding utf-16"),
        ("a.pdf", b"%PDF-1.7\n", "a PDF", "CSV"),
        ("a.db", b"SQLite format 3\0" + bytes(84), "an SQLite database", "sqlite3"),
        ("a.txt", Path(sys.executable).read_bytes()[:100_000], "a program", "CSV"),
        ("a.txt", struct.pack("<400d", *range(400)), "binary data", "CSV"),
        ("a.txt", b"import sys\nprint(sys.argv)\n", "names or other text, such as 'import sys'", "a file of ids"),
        ("a.txt", b"1\n2\n3\n", "numbers", "a file of ids"),
        ("a.csv", b"song,title\n", "has a header and no rows", "another source"),
        ("a.csv", b"song,title\n,a\n,b\n", "they are empty", "--column NAME"),
        (
            "a.csv",
            b"song,n\n1,2\n3,4\n",
            r"Not one of its 2 rows .* in column 'song': they look like numbers",
            "--column",
        ),
        ("a.csv", f"song,id\nYesterday,{A}\nImagine,{B}\n".encode(), "names", "load .*a.csv --column id"),
        ("a.csv", f"Yesterday,{A}\nImagine,{B}\n".encode(), "has no column 'song'", "load .*a.csv --column 2"),
        (
            "a.csv",
            f"user,Songs\n1,{A}\n".encode(),
            r"has no column 'song'. Did you mean 'Songs'\? Its",
            "--column Songs",
        ),
        ("a.jsonl", f'{{"sonng": "{A}"}}'.encode(), r"has no column 'song'. Did you mean 'sonng'\? Its", "--column"),
        ("a.csv", b"song\nUCuAXFkgsw1L7xaCfnd5JJOw\n", "Its only row .* channels", "--column"),
        (
            "a.csv",
            f"song\n{A}_000300.mp4\n{B}_000010.mp4\n".encode(),
            r"and go on, such as 'dQw4w9WgXcQ_0",
            "cut -c 1-11",
        ),
        ("a.csv", b"song\ndQw4w9\xe2\x80\x8bWgXcQ\n", r"'dQw4w9\\u200bWgXcQ'", "--column"),
        ("a.csv", "song\ndQw4w9WgXc\u0421\n".encode(), r"'dQw4w9WgXc\\u0421'", "--column"),
        ("a.csv", f"song,x,song\n{A},1,{B}\n".encode(), "2 columns 'song': numbers 1 and 3", "tail .* --column 1"),
    ],
)
def test_what_is_refused(tmp_path: Path, name: str, content: bytes, what: str, step: str) -> None:
    with pytest.raises(ConfigError, match=what) as caught:
        load(name, content, tmp_path)
    assert re.search(step, caught.value.next_step)
    assert "Nothing was stored" in caught.value.state or "No id was read" in caught.value.state


def test_a_number_past_the_last_column(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has no column 3: its rows have 2 columns") as caught:
        load("a.csv", f"{A},1\n{B},2\n".encode(), tmp_path, column="3")
    assert "--delimiter" in caught.value.next_step


def test_two_columns_of_one_name_in_parquet(tmp_path: Path) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_arrays([pa.array([A]), pa.array([B])], names=["song", "song"]), sink)
    with pytest.raises(ConfigError, match="2 columns 'song': numbers 1 and 2"):
        load("a.parquet", sink.getvalue(), tmp_path)


def test_parquet_without_rows_or_ids(tmp_path: Path) -> None:
    for values, what in (([], "no rows"), ([1, 2], "they look like numbers")):
        sink = io.BytesIO()
        pq.write_table(pa.table({"song": pa.array(values, pa.int64())}), sink)
        with pytest.raises(ConfigError, match=what):
            load("a.parquet", sink.getvalue(), tmp_path)


def test_an_empty_list_is_no_mistake(tmp_path: Path) -> None:
    assert load("a.txt", b"", tmp_path) == []


def test_nothing_comes_before_the_first_id(tmp_path: Path) -> None:
    lines = [*(f"name {number}" for number in range(1000)), A, "another name"]
    chunks = load("a.txt", "\n".join(lines).encode(), tmp_path, chunk_rows=10)
    assert [text for chunk in chunks for text in chunk.ids] == lines
    assert sum(chunk.invalid_rows for chunk in chunks) == 1001


def test_a_source_is_given_up_after_many_texts_without_an_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_HELD_TEXTS", 50)
    lines = [*(f"name {number}" for number in range(1000)), A]
    with pytest.raises(ConfigError, match="Not one of its first 60 rows"):
        load("a.txt", "\n".join(lines).encode(), tmp_path, chunk_rows=10)


def test_rows_that_hold_no_id_are_counted_each(tmp_path: Path) -> None:
    (chunk,) = load("a.csv", f"song\n{A}\nno id\nno id\n{A}\n\u200b{A}\nno\n".encode(), tmp_path)
    assert (chunk.rows, chunk.ids, chunk.invalid_rows) == (6, [A, "no id", "no"], 3)


def test_one_id_in_two_forms_is_one_id(tmp_path: Path) -> None:
    forms = [A, f"https://youtu.be/{A}", f"\ufeff{A}\0", f'=""{A}""', f"youtube {A}"]
    rows = "".join(f'"{form}",x\n' for form in forms)
    assert ids("a.csv", ("song,title\n" + rows).encode(), tmp_path) == [A]
    assert ids("a.txt", "\n".join(forms).encode(), tmp_path) == [A]
    assert ids("b.txt", f"https://youtu.be/{A}?a=1,2;3\nhttps://youtu.be/{B}?a=1,2;3\n".encode(), tmp_path) == [A, B]


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (f"sep=;\r\nsong;title\r\n{A};a\r\n{B};b\r\n", {}),
        (f'"sep=:"\n{A}:a\n{B}:b\n', {"column": "1"}),
        (f"\ufeff\ufeffsong,title\n{A},a\n{B},b\n", {}),
        (f"\ufeff\u200bsong ,title\n{A},a\n{B},b\n", {}),
        (f"a,{A}\nb,{B}\n", {"column": "2"}),
        (f"# made by hand\n\na\t{A}\nb\t{B}\n", {"column": "2"}),
        (f'"Hello, ""you""",{A}\n"a\nb",{B}\n', {"column": "2"}),
        (f"2,1\n{A},x\n{B},y\n", {"column": "2", "delimiter": ","}),
        (f"song:title\n{A}:a\n{B}:b\n", {"delimiter": ":"}),
        (f"{A}\n{B}\n", {"column": "1"}),
        (f"song,a,b\n{A}\n{B},1\n", {}),
        (f"a,b,c,song\n{A}\n1,2,3,{A}\n4,{B}\n5,6,7,{B},8\n", {}),
    ],
)
@pytest.mark.parametrize("name", ["a.csv", "a"])
def test_forms_of_tables(tmp_path: Path, name: str, content: str, options: dict[str, str]) -> None:
    assert [text for text in ids(name, content.encode(), tmp_path, **options) if text] == [A, B]


def test_rows_that_are_all_shorter_than_the_header(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Not one of its 2 rows"):
        load("a.csv", b"a,b,song\n1\n2,3\n", tmp_path)
    (chunk,) = read_ids("-", stdin=io.BytesIO(b"a,b,song\n1\n2,3\n"), column="song")
    assert (chunk.rows, chunk.ids) == (2, [""])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "cp1252", "utf-8-sig"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    content = f"titre;song\né;{A}\nà;{B}\n".encode(encoding)
    assert ids("a.csv", content, tmp_path, encoding=encoding) == [A, B]


@pytest.mark.parametrize("encoding", ["nonsense", "rot13", "base64"])
def test_what_is_no_encoding(tmp_path: Path, encoding: str) -> None:
    with pytest.raises(ConfigError, match="no encoding"):
        load("a.csv", b"song\n", tmp_path, encoding=encoding)


def test_a_limit_counts_over_several_sources(tmp_path: Path) -> None:
    limit = Limit(2)
    found = [ids(name, content, tmp_path, limit=limit) for name, content in (("a.txt", LIST[:24]), ("b.txt", LIST))]
    assert found == [[A, B], []]


def test_what_is_no_text_in_that_encoding(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no text in 'punycode'"):
        load("a.csv", "song\né-é\n".encode(), tmp_path, encoding="punycode")


@pytest.mark.parametrize(
    "address",
    [
        "https://[::1/ids.csv",
        "https://user:secret@host:99999/ids.csv",
        "https://host:port/ids.csv",
        "file://[::1/ids.csv",
    ],
)
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(ConfigError) as caught:
        list(read_ids(address, column="song"))
    assert caught.value.next_step
    assert "secret" not in str(caught.value) + source_name(address)
