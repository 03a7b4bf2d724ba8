"""The README says what is so: its commands run, its commands exist, its links lead somewhere."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from xml.etree import ElementTree

import pytest
from docs_kit import run_as_written

CHECKOUT = Path(__file__).parents[2]
README = (CHECKOUT / "README.md").read_text(encoding="utf-8")


def test_the_session_against_the_simulated_api_runs_as_written(tmp_path: Path) -> None:
    script = re.search(r"executed by tests.*?```sh\n(.*?)```", README, re.DOTALL)
    assert script is not None
    done = run_as_written(script[1], tmp_path)
    assert "Would send 1 call for 3 ids" in done.stdout
    assert "Every id is settled." in done.stdout
    assert "The ledger is consistent: 3 ids" in done.stdout
    assert (tmp_path / "harvester-demo" / "songs.json.manifest.json").exists()


def test_it_is_short() -> None:
    assert len(README.splitlines()) < 150


def test_the_badges_are_those_of_the_project_and_load_nothing_from_elsewhere() -> None:
    made = runpy.run_path(str(CHECKOUT / "docs/site/badges.py"))["badges"]()
    pictures = CHECKOUT / "docs/pictures"
    assert {path.name: path.read_text(encoding="utf-8") for path in pictures.glob("badge-*.svg")} == made
    images = re.findall(r"!\[([^]]*)\]\(([^)]*)\)", README)
    shown = {name.removeprefix("docs/pictures/"): documented for documented, name in images if "badge" in name}
    assert shown == {name: ElementTree.fromstring(svg).attrib["aria-label"] for name, svg in made.items()}
    assert all(name.startswith("docs/pictures/") for _, name in images)


@pytest.mark.parametrize("tool", ["the course's code", "Scrapy", "crawlee", "minet", "dlt", "Airbyte", "harvester"])
def test_the_figures_of_other_tools_are_those_that_were_measured(tool: str) -> None:
    (row,) = re.findall(rf"^\|(?: \*\*| \[| ){tool}\b.*$", README, re.MULTILINE)
    documented = re.search(r"\| \**([\d,]+)\**, (\d+ MB) \|$", row)
    measured = (CHECKOUT / "docs/performance.md").read_text(encoding="utf-8")
    name = "the course's way" if tool == "the course's code" else tool
    bench = re.search(rf"^\| {name}\b[^|]*\| ([\d,]+) [^|]*\|[^|]*\| (\d+ MB) \|", measured, re.MULTILINE)
    assert (documented and documented.groups()) == (bench and bench.groups())
    assert bench or row.endswith("| not measured |")


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/glossary.md"])
def test_links_lead_somewhere(document: str) -> None:
    folder = (CHECKOUT / document).parent
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", (CHECKOUT / document).read_text(encoding="utf-8")):
        assert (folder / target).exists(), target


def test_the_recipes_name_files_that_exist() -> None:
    text = (CHECKOUT / "CONTRIBUTING.md").read_text(encoding="utf-8").replace("cli/NAME.py", "cli/plan.py")
    named = set(re.findall(r"(?:harvester|tests|docs|migrations)/[\w/]*(?:\.(?:py|md|json|toml))?", text))
    assert len(named) > 30
    assert {name for name in named if not (CHECKOUT / name).exists()} == set()


def test_every_room_stands_in_the_architecture() -> None:
    text = (CHECKOUT / "docs/architecture.md").read_text(encoding="utf-8")
    rooms = {path.name for path in (CHECKOUT / "harvester").iterdir() if not path.name.startswith(("_", "py.typed"))}
    assert {room for room in rooms if f"`{room}`" not in text and f"`{room}/`" not in text} == set()


def test_the_targets_of_the_makefile_are_those_that_are_told() -> None:
    makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None
    assert set(phony[1].split()) >= {"rehearse", "test", "check", "bench", "clean"}
