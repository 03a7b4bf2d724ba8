"""A crawl by Airflow 3: each day's units soon after the quota's reset, and an export once the last id has come.

Copy this file into the DAGs folder and set the names below: docs/airflow.md of harvester says what the tasks need.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from airflow.sdk import BaseOperator, Connection, dag, task
from airflow.sdk.exceptions import AirflowFailException

HARVESTER = "/opt/harvester/bin/harvester"
"""In a virtual environment of its own: what it depends on and what Airflow does need not agree."""
FOLDER = "/srv/crawl"
"""Where config.toml is, on every machine that these tasks may run on."""
DEST = "s3://bucket/youtube/songs.json"
SECRETS = {"YOUTUBE_API_KEY": "harvester_youtube"}
"""Variables, and the Airflow connections whose passwords they hold. For a ledger in PostgreSQL: "PGPASSWORD" too."""

TRY_AGAIN = 4
"""The outside world failed for now. Any other failure wants a person, and would be the same an hour later."""


def environment() -> dict[str, str]:
    return os.environ | {name: Connection.get(connection).password or "" for name, connection in SECRETS.items()}


def judge(command: str, exit_code: int) -> None:
    """Fail the task where the command failed, for good or to be tried again."""
    if exit_code == TRY_AGAIN:
        raise RuntimeError(f"harvester {command} ended with exit code {exit_code}, and is tried again")
    if exit_code != 0:
        raise AirflowFailException(f"harvester {command} ended with exit code {exit_code}")


class Harvester(BaseOperator):
    """A command of harvester, line by line into the task's log. There is no shell that could mistake a word."""

    process: subprocess.Popen[str] | None = None

    def __init__(self, *, command: Sequence[str], **settings: Any) -> None:
        super().__init__(**settings)
        self.command = command

    def execute(self, context: Any) -> None:
        self.process = subprocess.Popen(
            [HARVESTER, *self.command],
            cwd=FOLDER,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        with self.process:
            try:
                for line in self.process.stdout:
                    self.log.info("%s", line.rstrip())
            except BaseException:  # this task's time is over
                self.on_kill()
                self.process.wait()
                raise
        judge(self.command[0], self.process.returncode)

    def on_kill(self) -> None:
        """The calls under way come home, and the units that they cost are not lost."""
        if self.process is not None:
            self.process.terminate()


def ids_left() -> int:
    line = [HARVESTER, "status", "--json"]
    done = subprocess.run(line, cwd=FOLDER, env=environment(), stdout=subprocess.PIPE, text=True, check=False)
    judge("status", done.returncode)
    videos = json.loads(done.stdout)["videos"]
    return videos["pending"] + videos["claimed"]


@dag(
    # In the zone of start_date, so ten minutes after the reset in summer and winter.
    schedule="10 0 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=ZoneInfo("America/Los_Angeles")),
    # A day that is gone is gone with its units.
    catchup=False,
    max_active_runs=1,
    default_args={
        "retries": 4,
        "retry_delay": timedelta(minutes=15),
        "retry_exponential_backoff": True,
        "execution_timeout": timedelta(hours=20),
    },
    doc_md=__doc__,
    tags=["harvester"],
)
def harvest_daily() -> None:
    @task
    def look() -> int:
        """How many ids are left before today."""
        return ids_left()

    @task.short_circuit
    def finished(left_before: int) -> bool:
        """Whether the last id came today. On all other days what follows is skipped."""
        return left_before > 0 and ids_left() == 0

    left = look()
    # Each may be tried again: a run continues where it was, an export appears whole or not at all.
    run = Harvester(task_id="run", command=["run"])
    export = Harvester(task_id="export", command=["export", DEST, "--require-complete"])
    verify = Harvester(task_id="verify", command=["verify", "--export", DEST])
    left >> run >> finished(left) >> export >> verify


harvest_daily()
