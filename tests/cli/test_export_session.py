"""From a list of songs to a published file, with the commands that a person types."""

from __future__ import annotations

import gzip
import hashlib
import json
from typing import Any

from command_line import Api, CommandLine

from harvester.simulator import truth


def by_hand(cli: CommandLine, *lines: str) -> str:
    """The output of the last of these commands."""
    return [cli.ok(*line.split()) for line in lines][-1]


def manifest(cli: CommandLine, name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((cli.folder / f"{name}.manifest.json").read_text(encoding="utf-8"))
    return read


def test_run_export_verify(cli: CommandLine, api: Api) -> None:
    cli.ok("init")
    ids = cli.load(220)
    by_hand(cli, "run", "export songs.json", "verify --export songs.json")
    data = (cli.folder / "songs.json").read_bytes()
    responses = json.loads(data)
    assert responses[0]["items"][0]["snippet"]["title"]
    assert [response["kind"] for response in responses] == ["youtube#videoListResponse"] * 5
    published = [{item["id"] for item in response["items"]} for response in responses]
    assert published == [
        {video_id for video_id in ids[start : start + 50] if truth(video_id) == "fetched"}
        for start in range(0, 220, 50)
    ]
    about = manifest(cli, "songs.json")
    assert (about["complete"], about["bytes"]) == (True, len(data))
    assert about["sha256"] == hashlib.sha256(data).hexdigest()


def test_a_compressed_export_holds_the_same(crawled: CommandLine) -> None:
    cli = crawled
    by_hand(cli, "export songs.json.gz --compression gzip")
    assert cli.ok("verify", "--export", "songs.json.gz").splitlines()[-1].startswith("songs.json.gz is what")
    plain = (cli.folder / "songs.json").read_bytes()
    with gzip.open(cli.folder / "songs.json.gz", "rb") as file:
        assert json.load(file) == json.loads(plain)
    assert (cli.folder / "songs.json.gz").stat().st_size < len(plain) / 2


def test_the_same_ledger_exports_the_same_bytes(crawled: CommandLine) -> None:
    by_hand(crawled, "export one.json", "export two.json")
    assert (crawled.folder / "one.json").read_bytes() == (crawled.folder / "two.json").read_bytes()


def test_an_export_that_is_not_complete_says_so(cli: CommandLine, api: Api) -> None:
    cli.load(120)
    shown = by_hand(cli, "run --max-calls 1", "export songs.json")
    assert "The crawl is not complete: 70 ids are left to ask for. The manifest says so." in shown
    assert manifest(cli, "songs.json")["complete"] is False
    assert len(json.loads((cli.folder / "songs.json").read_bytes())) == 1
    cli.ok("verify", "--export", "songs.json")


def test_the_settings_say_where_to_publish(cli: CommandLine, api: Api) -> None:
    cli.write("config.toml", '[export]\nuri = "out/songs.json.gz"\ncompression = "gzip"\n')
    (cli.folder / "out").mkdir()
    cli.load(120)
    by_hand(cli, "run", "export")
    with gzip.open(cli.folder / "out" / "songs.json.gz", "rb") as file:
        assert len(json.load(file)) == 3


def test_exporting_spends_nothing(cli: CommandLine, api: Api) -> None:
    cli.load(120)
    by_hand(cli, "run", "export songs.json", "verify --export songs.json")
    assert (api.calls, cli.status()["quota"]["spent"]) == (3, 33)


def test_verify_tells_what_it_proved(cli: CommandLine, api: Api) -> None:
    cli.load(120)
    assert cli.ok("verify") == "The ledger is consistent: 120 ids, 0 calls on 0 days, 0 stored responses.\n"
    cli.ok("run")
    assert cli.ok("verify") == "The ledger is consistent: 120 ids, 3 calls on 1 day, 3 stored responses.\n"
