"""The migrations travel: a wheel holds them, an editable install and a plain checkout find them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
DEPENDENCIES = sysconfig.get_paths()["purelib"]

PROGRAM = """
import json, site, sys
for folder in sys.argv[1:]:
    site.addsitedir(folder)  # minds the .pth files in it
import harvester
from pathlib import Path
from harvester.ledger.sqlite.migrate import check, migrations_folder, prepare
prepare(Path("harvest.db"))
check(Path("harvest.db"))
typed = Path(harvester.__file__).with_name("py.typed").is_file()
print(json.dumps({"package": harvester.__file__, "migrations": str(migrations_folder()), "typed": typed}))
"""


def try_out(cwd: Path, *, path: Path | None = None, site_folder: Path | None = None) -> dict[str, Any]:
    """Make a ledger with the harvester that is found; where it and its migrations are.

    `-S` leaves the environment's own editable install out; its other packages come by PYTHONPATH.
    """
    folders = [str(folder) for folder in (path, DEPENDENCIES) if folder]
    line = [sys.executable, "-S", "-c", PROGRAM, *([str(site_folder)] if site_folder else [])]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(folders), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(line, cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def install(kind: str, folder: Path) -> Path:
    """Build it and install it into a folder of its own."""
    built, installed = folder / "dist", folder / "site"
    build = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(built)]
    subprocess.run(build, cwd=CHECKOUT, check=True, capture_output=True)
    (wheel,) = built.glob("*.whl")
    options = ["--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", "--target", str(installed)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(wheel)], check=True)
    return installed


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, installed."""
    return install("wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture
def cwd(tmp_path: Path) -> Path:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    return elsewhere


def test_a_wheel_holds_all_it_needs(installed: Path, cwd: Path) -> None:
    found = try_out(cwd, path=installed)
    assert found == {
        "package": str(installed / "harvester" / "__init__.py"),
        "migrations": str(installed / "harvester" / "migrations"),
        "typed": True,
    }
    ours = {file.relative_to(CHECKOUT / "migrations") for file in (CHECKOUT / "migrations").rglob("*.py")}
    inside = {file.relative_to(found["migrations"]) for file in Path(found["migrations"]).rglob("*.py")}
    assert inside == ours
    templates = Path("harvester", "report", "page", "templates")
    assert {file.name for file in (installed / templates).iterdir()} == {"page.css", "page.html"}
    assert not (installed / "tests").exists()


def test_a_moved_installation_finds_its_own_migrations(installed: Path, tmp_path: Path, cwd: Path) -> None:
    """Also in a folder whose name Alembic's settings would take for something else."""
    moved = tmp_path / "100% here"
    # Under its first name nothing may be left that it could find.
    shutil.move(shutil.copytree(installed, tmp_path / "before"), moved)
    assert try_out(cwd, path=moved)["migrations"] == str(moved / "harvester" / "migrations")


def test_an_editable_install_finds_the_checkouts(tmp_path: Path, cwd: Path) -> None:
    found = try_out(cwd, site_folder=install("wheel:editable", tmp_path))
    assert found["package"] == str(CHECKOUT / "harvester" / "__init__.py")
    assert found["migrations"] == str(CHECKOUT / "migrations")


def test_a_plain_checkout_finds_its_own(cwd: Path) -> None:
    found = try_out(cwd, path=CHECKOUT)
    assert found["package"] == str(CHECKOUT / "harvester" / "__init__.py")
    assert found["migrations"] == str(CHECKOUT / "migrations")
