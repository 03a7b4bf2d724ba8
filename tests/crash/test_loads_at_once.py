"""Two loads at once, of lists that overlap, into a ledger that neither finds made."""

from __future__ import annotations

from children import Program
from crawl_children import on_both_unmade

from harvester.ledger.open import open_reader
from harvester.simulator import make_ids


@on_both_unmade
def test_two_loads_at_once_bring_every_id_once(harvester: Program, ledger_url: str) -> None:
    harvester.env["HARVESTER_LEDGER__URL"] = ledger_url
    ids = list(make_ids(1, 60_000))
    for name, part in (("one.txt", ids[:40_000]), ("two.txt", ids[20_000:])):
        (harvester.folder / name).write_text("\n".join(part), encoding="ascii")
    loads = [harvester.start("load", name) for name in ("one.txt", "two.txt")]
    assert [load.wait() for load in loads] == [0, 0], [load.stderr for load in loads]
    with open_reader(ledger_url) as reader:
        loaded = [video_id for video_id, _ in reader.states()]
        assert len(loaded) == 60_000
        assert set(loaded) == set(ids)
        assert reader.findings() == []
