"""What the documents and the messages tell people to install is this program, and can be typed as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from docs_kit import CHECKOUT

from harvester.errors import LedgerUnusable
from harvester.ledger.open import open_ledger

DISTRIBUTION = "youtube-harvester"
ON_PYPI = "harvester"
"""Another program's name there."""
GENERATED = {
    ".venv",
    ".venv-peers",
    ".venv-airflow",
    ".venv-docs",
    ".venv-release",
    ".git",
    "build",
    "dist",
    "rehearsal",
}

# What would install the other program, or ask for the version of it.
WRONG = re.compile(
    rf"""(?<![\w/.-]){ON_PYPI}\[[a-z]                              # an extra of it
    | \b(?:pip3?|pipx|uv|uvx|poetry|pdm|conda|mamba)\b[^\n`#]*\s['"]?{ON_PYPI}(?![\w./:\]-])
    | (?:version|metadata|distribution|requires|files)\(\s*['"]{ON_PYPI}['"]
    | package_name\s*=\s*['"]{ON_PYPI}['"]
    | ^\s*["']?{ON_PYPI}\s*(?:==|>=|<|~=|@\s)                      # a requirement
    """,
    re.VERBOSE | re.MULTILINE,
)
KNOWN_TO_A_SHELL = {"HOME", "PATH", "PWD", "USER", "YOUTUBE_API_KEY"}
DOCUMENTS = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))]


def tracked() -> list[Path]:
    """The files that git tracks; all that were unpacked, where this is no clone."""
    if (CHECKOUT / ".git").exists():
        line = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
        names = subprocess.run(line, cwd=CHECKOUT, check=True, capture_output=True, text=True).stdout
        return [path for name in names.split("\0") if name and (path := CHECKOUT / name).is_file()]
    inside = (path for path in CHECKOUT.rglob("*") if not GENERATED.intersection(path.relative_to(CHECKOUT).parts))
    return [path for path in inside if path.is_file() and "__pycache__" not in path.parts]


def test_no_file_tells_to_install_the_other_program() -> None:
    found = {}
    for path in tracked():
        if hits := [hit[0].strip() for hit in WRONG.finditer(path.read_text(encoding="utf-8", errors="replace"))]:
            found[str(path.relative_to(CHECKOUT))] = hits
    assert found == {}


@pytest.mark.parametrize(
    "line",
    [
        f"pip install '{ON_PYPI}[postgres]'",
        f"The extra {ON_PYPI}[dask] is needed.",
        f"pip install --upgrade {ON_PYPI}",
        f"uv tool install {ON_PYPI}",
        f"pipx install {ON_PYPI}",
        f'importlib.metadata.version("{ON_PYPI}")',
        f'@click.version_option(package_name="{ON_PYPI}")',
        f"{ON_PYPI}>=0.1",
    ],
)
def test_the_search_would_find_it(line: str) -> None:
    assert WRONG.search(line)
    assert not WRONG.search(line.replace(ON_PYPI, DISTRIBUTION))


def test_the_distribution_has_its_own_name_and_the_command_keeps_its() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["name"] == DISTRIBUTION
    assert list(project["scripts"]) == ["harvester"]
    assert {"postgres", "dask"} <= set(project["optional-dependencies"])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_no_command_has_a_variable_that_nobody_has_set(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for block in re.findall(r"```(?:sh|console)\n(.*?)```", text, re.DOTALL):
        used = set(re.findall(r"\$\{?([A-Za-z_]\w*)", block))
        so_far = text[: text.index(block)] + block
        known = {name for name in used if re.search(rf"\b{name}=|\bfor {name} in|read -rs {name}", so_far)}
        assert used - known - KNOWN_TO_A_SHELL == set(), block


def test_the_missing_client_of_postgresql_is_named_with_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(LedgerUnusable) as caught:
        open_ledger("postgresql://db.example/crawl")
    assert f"pip install '{DISTRIBUTION}[postgres]'" in caught.value.next_step
