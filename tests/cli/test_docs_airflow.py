"""docs/airflow/harvest_daily.py drives the real commands. Airflow is a stand-in; `make airflow` has the real one."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from command_line import Api, CommandLine
from docs_kit import DOCS, dead_links, text_of
from forks import commands

from harvester import errors
from harvester.quota_calendar import RESET_GRACE

PAGE = "airflow.md"
DAG = DOCS / "airflow" / "harvest_daily.py"
SECRET = "the-password-of-the-connection"
LOG = logging.getLogger("airflow.task")


class FailsForGood(Exception):
    """Airflow's exception for what is not tried again."""


class Node:
    """A task in its place."""

    def __rshift__(self, other: Node) -> Node:
        return other


class Dag:
    """The file as Airflow reads it, with a program and a folder of the test's. Its tasks are plain functions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings: dict[str, Any] = {}
        self.tasks: dict[str, Callable[..., Any]] = {}
        # Its tasks are made of these names as it is read.
        text = re.sub(r"^DEST = .*", 'DEST = "songs.json"', DAG.read_text(encoding="utf-8"), flags=re.MULTILINE)
        self.names: dict[str, Any] = {"__name__": "harvest_daily"}
        with pytest.MonkeyPatch.context() as patch:
            for name, content in self._airflow().items():
                module = ModuleType(name)
                vars(module).update(content)
                patch.setitem(sys.modules, name, module)
            exec(compile(text, DAG, "exec"), self.names)
        self.names["FOLDER"] = str(folder)

    def use(self, script: str) -> None:
        """Its tasks start this instead of an installed harvester."""
        path = self.folder / "program"
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(0o755)
        self.names["HARVESTER"] = str(path)

    def _airflow(self) -> dict[str, dict[str, Any]]:
        tasks = self.tasks

        class Operator(Node):
            log = LOG

            def __init__(self, task_id: str) -> None:
                tasks[task_id] = lambda: self.execute(None)

            def execute(self, context: object) -> None:
                raise NotImplementedError

        def task(function: Callable[..., Any]) -> Callable[..., Node]:
            tasks[function.__name__] = function
            return lambda *_: Node()

        def dag(**settings: Any) -> Callable[..., Any]:
            self.settings = settings
            return lambda function: function

        vars(task)["short_circuit"] = task
        connection = SimpleNamespace(get=lambda name: SimpleNamespace(password=SECRET))
        sdk = {"BaseOperator": Operator, "Connection": connection, "dag": dag, "task": task}
        return {"airflow": {}, "airflow.sdk": sdk, "airflow.sdk.exceptions": {"AirflowFailException": FailsForGood}}


@pytest.fixture
def dag(cli: CommandLine) -> Dag:
    return Dag(cli.folder)


def test_it_starts_a_little_after_each_reset_and_never_twice_at_once(dag: Dag) -> None:
    minute, hour, *rest = dag.settings["schedule"].split()
    assert (int(hour), int(minute), rest) == (0, RESET_GRACE.seconds // 60, ["*", "*", "*"])
    assert str(dag.settings["start_date"].tzinfo) == "America/Los_Angeles"
    assert (dag.settings["catchup"], dag.settings["max_active_runs"]) == (False, 1)


def test_only_what_may_heal_by_itself_is_tried_again(dag: Dag) -> None:
    known = {kind.exit_code for kind in vars(errors).values() if hasattr(kind, "exit_code")}
    assert known == {1, 3, 4, 5}
    dag.use("exit 4")
    with pytest.raises(RuntimeError, match="is tried again"):
        dag.tasks["run"]()
    for code in (known | {2}) - {4}:
        dag.use(f"exit {code}")
        with pytest.raises(FailsForGood, match=f"exit code {code}"):
            dag.tasks["run"]()


def test_a_day_with_the_real_commands(
    dag: Dag, cli: CommandLine, api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cli.ok("init")
    cli.load(60)
    monkeypatch.delenv("YOUTUBE_API_KEY")
    dag.use(f'test "$YOUTUBE_API_KEY" = {SECRET} && exec {commands()}/harvester "$@"')
    caplog.set_level("INFO")
    dag.tasks["run"]()
    assert "Nothing left: 2 calls" in caplog.text
    assert not dag.tasks["finished"](0)
    assert dag.tasks["finished"](60)
    dag.tasks["export"]()
    dag.tasks["verify"]()
    assert "songs.json is what its manifest says" in caplog.text
    assert SECRET not in caplog.text
    assert api.calls == 2


def test_a_task_whose_time_is_over_lets_its_calls_come_home(dag: Dag, monkeypatch: pytest.MonkeyPatch) -> None:
    dag.use("trap 'touch home; exit 0' TERM\necho begun\nwhile :; do sleep 0.01; done")

    def time_is_over(*_: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(LOG, "info", time_is_over)
    with pytest.raises(TimeoutError):
        dag.tasks["run"]()
    assert (dag.folder / "home").exists()


def test_links_lead_somewhere() -> None:
    assert dead_links(PAGE) == []
    assert "airflow/harvest_daily.py" in text_of(PAGE)
