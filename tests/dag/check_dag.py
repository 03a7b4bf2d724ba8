"""docs/airflow/harvest_daily.py under a real Airflow: `make airflow`. The argument is the harvester to use.

It is read without an error and is due after each reset of the quota. Its tasks crawl, export and verify against the
simulated API; where harvester fails, Airflow tries again or gives up, as docs/airflow.md says.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
DAG = CHECKOUT / "docs" / "airflow" / "harvest_daily.py"
HARVESTER = Path(sys.argv[1]).absolute()
KEY = "the-password-of-the-connection"
IDS = 60
# Of `run`: the first time the world has failed, from then on it is what the file `ends` says, or harvester itself.
PROGRAM = f"""#!/bin/sh
test "$YOUTUBE_API_KEY" = {KEY} || exit 3
if test "$1" = run; then
    test -e tried || {{ touch tried; exit 4; }}
    test ! -e ends || exit "$(cat ends)"
fi
exec {HARVESTER} "$@"
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home, crawl = Path(folder, "airflow"), Path(folder, "crawl")
        for made in (home / "dags", crawl):
            made.mkdir(parents=True)
        # Airflow reads them as it is imported.
        os.environ |= {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW_CONN_HARVESTER_YOUTUBE": json.dumps({"conn_type": "generic", "password": KEY}),
            "NO_PROXY": "127.0.0.1",
        }
        install(home, crawl)
        subprocess.run([Path(sys.executable).with_name("airflow"), "db", "migrate"], check=True, capture_output=True)
        dag = read()
        check_schedule(dag)
        check_days(dag, crawl)
    sys.stdout.write("The DAG is read, is due after each reset, and does what docs/airflow.md says.\n")


def install(home: Path, crawl: Path) -> None:
    """The file in the DAGs folder, with the names at its top set. It does not wait between two tries."""
    program = crawl / "program"
    program.write_text(PROGRAM, encoding="utf-8")
    program.chmod(0o755)
    text = DAG.read_text(encoding="utf-8").replace("timedelta(minutes=15)", "timedelta(seconds=1)")
    for name, value in {"HARVESTER": program, "FOLDER": crawl, "DEST": "songs.json"}.items():
        text, found = re.subn(rf"^{name} = .*", f'{name} = "{value}"', text, flags=re.MULTILINE)
        assert found == 1, name
    (home / "dags" / DAG.name).write_text(text, encoding="utf-8")


def read() -> Any:
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag()
    assert bag.import_errors == {}
    (dag,) = bag.dags.values()
    assert (dag.dag_id, dag.catchup, dag.max_active_runs) == ("harvest_daily", False, 1)
    return dag


def check_schedule(dag: Any) -> None:
    """At ten past midnight in Los Angeles, before and after its clocks change."""
    import pendulum
    from airflow.serialization.serialized_objects import DagSerialization
    from airflow.timetables.base import TimeRestriction

    timetable = DagSerialization.from_dict(DagSerialization.to_dict(dag)).timetable
    last, due = None, []
    for _ in range(3):
        info = timetable.next_dagrun_info(
            last_automated_data_interval=last,
            restriction=TimeRestriction(pendulum.datetime(2026, 3, 7, tz="UTC"), None, catchup=True),
        )
        last = info.data_interval
        due.append(info.run_after.isoformat())
    assert due == ["2026-03-07T08:10:00+00:00", "2026-03-08T08:10:00+00:00", "2026-03-09T07:10:00+00:00"], due


def check_days(dag: Any, crawl: Path) -> None:
    simulator = subprocess.Popen([HARVESTER, "simulate"], stdout=subprocess.PIPE, text=True)
    try:
        assert simulator.stdout is not None
        os.environ["HARVESTER_YOUTUBE__BASE_URL"] = simulator.stdout.readline().strip()
        ids = "\n".join(f"{number:010}A" for number in range(IDS))
        for words in (["init"], ["load", "-"]):
            subprocess.run([HARVESTER, "-q", *words], cwd=crawl, input=ids, text=True, check=True, capture_output=True)

        states, tries = day(dag)
        assert states == dict.fromkeys(("look", "run", "finished", "export", "verify"), "success"), states
        assert tries["run"] == 2, tries
        manifest = json.loads((crawl / "songs.json.manifest.json").read_text(encoding="utf-8"))
        assert (manifest["complete"], manifest["counts"]["total"]) == (True, IDS)

        states, _ = day(dag)
        assert (states["run"], states["finished"]) == ("success", "success"), states
        assert (states["export"], states["verify"]) == ("skipped", "skipped"), states

        (crawl / "ends").write_text("3", encoding="utf-8")
        states, tries = day(dag)
        assert (states["run"], states["export"]) == ("failed", "upstream_failed"), states
        assert tries["run"] == 1, tries
    finally:
        simulator.terminate()
        simulator.wait()


def day(dag: Any) -> tuple[dict[str, str], dict[str, int]]:
    """The tasks' states and how often each was tried, after the whole DAG has run once in this process."""
    tasks = dag.test().get_task_instances()
    return {task.task_id: str(task.state) for task in tasks}, {task.task_id: task.try_number for task in tasks}


if __name__ == "__main__":
    main()
