"""One run at a simulated time: `python discovering.py SETTINGS NOW`, the settings as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import datetime

from harvester.app import Harvester
from harvester.config import isolated_config
from harvester.crawl.run_report import RunReport
from harvester.rehearsal import ScaledClock
from harvester.support.secret import Secret

if __name__ == "__main__":
    clock = ScaledClock(datetime.fromisoformat(sys.argv[2]), speed=1.0)
    harvester = Harvester(isolated_config(json.loads(sys.argv[1])), clock, key=Secret("any"), proxies=False)
    report = RunReport()
    asyncio.run(harvester.run(report))
    print(report.ending)
