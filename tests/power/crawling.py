"""A crawl that tells what it has settled: `python crawling.py SETTINGS`, the settings as JSON.

The number of each call is written to standard output as soon as `settle` has said that it is done. The WAL is often
taken into the file.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

from harvester.app import Harvester
from harvester.config import isolated_config
from harvester.crawl.run_report import RunReport
from harvester.ledger.ledger import Ledger
from harvester.ledger.sqlite import transaction_runner
from harvester.support.secret import Secret


def tell_what_is_settled() -> None:
    settle = Ledger.settle

    async def settle_and_tell(ledger: Ledger, batch: Any, outcome: Any, now: Any) -> bool:
        settled = await settle(ledger, batch, outcome, now)
        if settled:
            os.write(1, b"%d\n" % batch.call_id)
        return settled

    Ledger.settle = settle_and_tell  # type: ignore[method-assign]


if __name__ == "__main__":
    tell_what_is_settled()
    transaction_runner.CHECKPOINT_JOBS = 20
    harvester = Harvester(isolated_config(json.loads(sys.argv[1])), key=Secret("any"))
    asyncio.run(harvester.run(RunReport()))
