"""The shape of the code: who may import whom, how long things may be, what the package brings along."""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
import tomllib
from functools import cache
from importlib import import_module
from itertools import chain
from pathlib import Path

import pytest
from waiting import LIMIT_SECONDS

import harvester

CHECKOUT = Path(__file__).parents[2]
PACKAGE = CHECKOUT / "harvester"
MODULES = sorted(PACKAGE.rglob("*.py"))

# Each room, and the rooms below it that it may import; they stand in order. What is missing is a decision to be made.
LOW = {"_version", "errors", "support", "listing_types", "model", "quota_calendar", "plan", "clock", "config"}
ROOMS = {
    "_version": set(),
    "errors": set(),
    "support": {"errors"},
    "listing_types": set(),
    "model": {"listing_types", "support"},
    "quota_calendar": set(),
    "plan": {"model", "quota_calendar"},
    "clock": set(),
    "config": {"errors", "support"},
    "protected_files": {"config", "errors", "support"},
    "simulator": set(),
    "sources": {"errors", "listing_types", "support"},
    "youtube": LOW,
    "ledger": {"errors", "listing_types", "model", "support", "youtube.endpoints"},
    "loader": {"errors", "ledger", "model", "sources", "support"},
    "export": LOW | {"ledger.records", "ledger.reader"},
    "crawl": LOW | {"ledger.ledger", "ledger.reader", "youtube"},
    "changes_between_runs": LOW | {"ledger"},
    "scheduling": LOW,
    "report": LOW | {"crawl.run_report", "export", "ledger.records", "ledger.reader", "protected_files"},
    "app": LOW
    | {
        "crawl",
        "export",
        "ledger",
        "loader",
        "changes_between_runs",
        "protected_files",
        "report",
        "sources",
        "youtube",
    },
    "notebook": LOW | {"app", "crawl", "ledger", "report.progress_figures", "sources"},
    "rehearsal": LOW | {"app", "crawl", "ledger", "report", "simulator"},
    "doctor": LOW | {"app", "crawl.run_report", "export", "ledger", "protected_files", "report", "sources", "youtube"},
    "cli": LOW
    | {
        "app",
        "crawl.refresh",
        "crawl.run_report",
        "crawl.stop",
        "doctor",
        "ledger",
        "changes_between_runs",
        "protected_files",
    }
    | {"rehearsal", "report", "scheduling", "simulator", "sources.listing_file"},
    "__init__": {"_version", "app", "clock", "config", "crawl.run_report", "errors", "notebook"},
    "__main__": {"cli"},
}
PURE = [
    "listing_types",
    "model",
    "errors",
    "_version",
    "quota_calendar",
    "plan",
    "support/sanitize",
    "support/gzip_body",
    "support/json_text",
    "support/progress_callback",
]
PURE += ["support/addresses", "crawl/backoff", "crawl/concurrency_controller", "ledger/records", "youtube/classify"]
PURE += ["youtube/validate_body", "sources/listing_address"]
FOREIGN_TO_PURE = {"aiohttp", "sqlalchemy", "sqlite3", "click", "os", "asyncio", "boto3", "pandas"}


def room_of(module: Path) -> str:
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def nodes_of(module: Path) -> list[ast.AST]:
    """Of its syntax tree; each module is parsed once."""
    return list(ast.walk(ast.parse(module.read_text(encoding="utf-8"))))


@cache
def imports_of(module: Path) -> list[str]:
    names: list[str] = []
    for node in nodes_of(module):
        if isinstance(node, ast.Import):
            names += (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names += (f"{node.module}.{alias.name}" for alias in node.names)
    return names


def allowed(room: str, target: str) -> bool:
    parts = target.split(".")[1:]
    return any(target_of == ".".join(parts[: target_of.count(".") + 1]) for target_of in ROOMS[room] | {room})


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(PACKAGE)))
def test_imports_run_downwards_only(module: Path) -> None:
    room = room_of(module)
    wrong = [name for name in imports_of(module) if name.startswith("harvester.") and not allowed(room, name)]
    assert wrong == []


def test_a_room_may_import_only_those_that_stand_before_it() -> None:
    order = list(ROOMS)
    upwards = {
        room: {name for name in below if order.index(name.split(".")[0]) >= order.index(room)}
        for room, below in ROOMS.items()
    }
    assert {room: names for room, names in upwards.items() if names} == {}


LEDGER = PACKAGE / "ledger"


@pytest.mark.parametrize("module", sorted((LEDGER / "transactions").glob("*.py")), ids=lambda module: module.stem)
def test_the_transactions_know_no_database(module: Path) -> None:
    assert [name for name in imports_of(module) if "sqlite" in name or "postgres" in name or "psycopg" in name] == []


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_each_database_has_a_statement_of_every_name_that_the_transactions_use(database: str) -> None:
    """mypy does not see it: the module of statements is a value."""
    used = {
        node.attr
        for module in (LEDGER / "transactions").glob("*.py")
        for node in nodes_of(module)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute) and node.value.attr == "sql"
    }
    assert len(used) > 40
    assert used - statements_of(database) == set()


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_each_statement_is_used_and_described_in_the_line_before_it(database: str) -> None:
    for folder in (database, "transactions"):
        text = (LEDGER / folder / "statements.py").read_text(encoding="utf-8")
        lines = text.splitlines()
        assert [name for name, line in texts_in(folder).items() if not lines[line - 2].startswith("# ")] == []
        assert ".replace(" not in text, "a text made from another's is no text of its own"
    code = "".join(module.read_text(encoding="utf-8") for module in LEDGER.rglob("*.py"))
    assert statements_of(database) - set(re.findall(r"\b(?:sql|statements)\.(\w+)", code)) == set()


def test_a_statement_that_both_databases_run_is_written_once() -> None:
    assert set(texts_in("transactions")) & (set(texts_in("sqlite")) | set(texts_in("postgres"))) == set()
    sqlite, postgres = (import_module(f"harvester.ledger.{name}.statements") for name in ("sqlite", "postgres"))
    alike = {
        name
        for name in set(texts_in("sqlite")) & set(texts_in("postgres"))
        if getattr(sqlite, name).split() == re.sub(r"%\((\w+)\)s", r":\1", getattr(postgres, name)).split()
    }
    assert alike == set()


def statements_of(database: str) -> set[str]:
    """The names of a database's statements, with those of both."""
    return {*texts_in(database), *texts_in("transactions")}


def texts_in(folder: str) -> dict[str, int]:
    """Each public name of a module of statements, and its line."""
    tree = ast.parse((LEDGER / folder / "statements.py").read_text(encoding="utf-8"))
    targets = (node.targets[0] for node in tree.body if isinstance(node, ast.Assign))
    return {t.id: t.lineno for t in targets if isinstance(t, ast.Name) and t.id.isupper() and t.id[0] != "_"}


def test_no_module_imports_itself_by_a_detour() -> None:
    """Neither when it is imported nor for its types alone."""
    names = {".".join(module.relative_to(PACKAGE.parent).with_suffix("").parts): module for module in MODULES}
    graph: dict[str, set[str]] = {name: set() for name in names}
    for name, module in names.items():
        for imported in imports_of(module):
            found = next(
                (n for n in (imported, imported.rpartition(".")[0]) if n in names or f"{n}.__init__" in names), None
            )
            if found is not None:
                graph[name].add(found if found in names else f"{found}.__init__")
        graph[name].discard(name)
    graphlib.TopologicalSorter(graph).prepare()


def test_cli_holds_one_module_a_command() -> None:
    from harvester.cli.program import main

    assert sorted(main.commands) == sorted(path.stem for path in PACKAGE.glob("cli/[!_]*.py") if path.stem != "program")


@pytest.mark.parametrize("module", PURE)
def test_pure_modules_know_no_outside(module: str) -> None:
    tops = {name.split(".")[0] for name in imports_of(PACKAGE / f"{module}.py")}
    assert not tops & FOREIGN_TO_PURE


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(PACKAGE)))
def test_modules_and_functions_stay_short(module: Path) -> None:
    assert module.read_text(encoding="utf-8").count("\n") <= 400
    functions = (n for n in nodes_of(module) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))
    long = {f.name: f.end_lineno - f.lineno for f in functions if (f.end_lineno or 0) - f.lineno > 60}
    assert long == {}


def test_what_is_imported_is_declared() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    declared = {re.split(r"[\[<>=~]", line)[0].lower().replace("-", "_") for line in lines}
    brought_along = {
        "botocore": "aiobotocore",
        "dask": "distributed",
        "aiobotocore": "s3fs",
        "fsspec": "s3fs",
        "markupsafe": "jinja2",
        "yarl": "aiohttp",
        "alembic": "alembic",
        "simdjson": "pysimdjson",
    }
    tops = {name.split(".")[0] for module in MODULES for name in imports_of(module)}
    third_party = tops - set(sys.stdlib_module_names) - {"harvester", "__future__"}
    undeclared = {top for top in third_party if brought_along.get(top, top) not in declared}
    assert undeclared - {"types_boto3_s3", "mypy_boto3_s3"} == set()


def test_the_public_names_are_all_there_and_documented() -> None:
    for name in harvester.__all__:
        value = getattr(harvester, name)
        assert isinstance(value, str) or value.__doc__
    with pytest.raises(AttributeError, match="nonsense"):
        _ = harvester.nonsense


def test_importing_harvester_or_asking_for_help_brings_nothing_heavy() -> None:
    heavy = (
        "pandas",
        "pyarrow",
        "boto3",
        "s3fs",
        "aiohttp",
        "sqlalchemy",
        "alembic",
        "msgspec",
        "rich",
        "distributed",
    )
    program = f"""
import sys, harvester, harvester.cli.program
print([name for name in {heavy!r} if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=LIMIT_SECONDS
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "lock",
    [
        "requirements.lock",
        "tests/spark/requirements.lock",
        "tests/dag/requirements.lock",
        "benchmarks/peers/requirements.lock",
        "docs/site/requirements.lock",
        ".ci/release/requirements.lock",
    ],
)
def test_a_lock_file_pins_with_hashes_and_names_no_host(lock: str) -> None:
    text = (CHECKOUT / lock).read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index-url" not in text
    for block in re.split(r"\n(?=[a-z])", text):
        assert "==" in block.splitlines()[0]
        assert "--hash=sha256:" in block


# --- docs/architecture.md names what there is

ARCHITECTURE = (CHECKOUT / "docs/architecture.md").read_text(encoding="utf-8")


def named_in_the_architecture() -> set[str]:
    """Modules and folders, from `harvester/` on. In the table of rooms a file may be named within its room."""
    names = set()
    for line in ARCHITECTURE.splitlines():
        room = re.match(r"\| `(\w+/)` \|", line)
        for name in re.findall(r"`([\w/]+(?:\.py|/))`", line):
            names.add(name if "/" in name or room is None else room[1] + name)
    return names


def test_the_architecture_names_every_room_and_folder_and_nothing_else() -> None:
    named = named_in_the_architecture()
    outside = {"harvester/", "migrations/"}
    assert {name for name in named - outside if not (PACKAGE / name).exists()} == set()
    folders = {f"{path.relative_to(PACKAGE)}/" for path in PACKAGE.rglob("*") if path.is_dir()}
    modules = {path.name for path in PACKAGE.glob("[!_]*.py")}
    assert {name for name in folders | modules if "__pycache__" not in name} - named == set()


def test_the_picture_of_the_rooms_shows_imports_that_are_allowed() -> None:
    picture = re.findall(r"```mermaid\n(.*?)```", ARCHITECTURE, re.DOTALL)[0]
    arrows = re.findall(r"^ *(\w+) --> (\w+)$", picture, re.MULTILINE)
    assert len(arrows) > 10
    for room, target in arrows:
        assert any(below.split(".")[0] == target for below in ROOMS[room]), f"{room} --> {target}"


def test_the_architecture_names_every_table_of_the_ledger() -> None:
    from harvester.ledger.schema import metadata

    rows = re.findall(r"^\| (`[a-z_`, ]+`) \|", ARCHITECTURE, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == set(metadata.tables)


# --- how tests wait

# But the program that waits, and those of the soak test, which is no part of the suite.
TESTS = sorted(
    {*(CHECKOUT / "tests").rglob("*.py")} - {CHECKOUT / "tests/waiting.py", *(CHECKOUT / "tests/soak").glob("[!t]*.py")}
)
CLOCKS = {"time.monotonic", "time.perf_counter", "time.process_time"}
SLEEPS = {"time.sleep", "asyncio.sleep"}
WAITS = {"wait", "result", "wait_for", "timeout", "join", "select"}
"""Methods whose last argument may be a limit in seconds."""


def called(node: ast.AST) -> str:
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


def number(node: ast.expr | None) -> float:
    return float(node.value) if isinstance(node, ast.Constant) and isinstance(node.value, int | float) else 0.0


def depends_on_the_moment(node: ast.AST) -> bool:
    """A wait for a fixed time, a limit that a busy machine may reach, or a judgement of how long something took."""
    if isinstance(node, ast.Compare):
        return any(called(part) in CLOCKS for part in ast.walk(node))
    if not isinstance(node, ast.Call):
        return False
    if (name := called(node)) in SLEEPS:
        return not (node.args and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0)
    limits = [keyword.value for keyword in node.keywords if keyword.arg == "timeout"]
    if name.rpartition(".")[2] in WAITS:
        limits += node.args[-1:]
    return any(0 < number(limit) < LIMIT_SECONDS for limit in limits)


def test_tests_wait_for_conditions_and_judge_no_speed() -> None:
    """`wait_until` and `until` of tests/waiting.py wait. Where a pause is meant, `# pause: …` in its line says why."""
    found = []
    for module in TESTS:
        text = module.read_text(encoding="utf-8")
        lines = text.splitlines()
        numbers = {getattr(node, "lineno", 0) for node in ast.walk(ast.parse(text)) if depends_on_the_moment(node)}
        at_fault = [number for number in sorted(numbers) if "# pause: " not in lines[number - 1]]
        found += [f"{module.relative_to(CHECKOUT)}:{number}: {lines[number - 1].strip()}" for number in at_fault]
    assert found == []


@pytest.mark.parametrize(
    "line",
    ["time.sleep(0.1)", "asyncio.sleep(n)", "assert time.monotonic() - t < 5", "child.wait(9)", "run(x, timeout=60)"],
)
def test_the_search_finds_what_depends_on_the_moment(line: str) -> None:
    assert any(map(depends_on_the_moment, ast.walk(ast.parse(line))))


@pytest.mark.parametrize(
    "line", ["asyncio.sleep(0)", "wait_until(done)", "child.wait(LIMIT_SECONDS)", "clock.sleep(9)"]
)
def test_the_search_lets_conditions_pass(line: str) -> None:
    assert not any(map(depends_on_the_moment, ast.walk(ast.parse(line))))


# --- whatever is said of a file

SAID_IN = sorted({*CHECKOUT.glob("*.md"), *(CHECKOUT / "docs").rglob("*.md"), *MODULES})


def test_each_file_of_python_that_is_named_is_there() -> None:
    there = [
        f"/{path.relative_to(CHECKOUT)}"
        for top in ("harvester", "tests", "docs", "benchmarks", "migrations")
        for path in (CHECKOUT / top).rglob("*.py")
    ]
    named = {
        name
        for said in SAID_IN
        for name in re.findall(r"`((?:[\w-]+/)*[a-z_0-9]+\.py)`", said.read_text(encoding="utf-8"))
    }
    assert len(named) > 60
    assert {name for name in named if not any(path.endswith(f"/{name}") for path in there)} == set()
