"""Build what is to be released and try it as those do who install it. `make release-check`.

The sdist and the wheel that is built from it are checked by twine and installed by pip, uv and pipx, without the lock
file and away from the checkout; the wheel under each Python of SUPPORTED that is found here too. Each installation
rehearses a small crawl and exports it. `dist/` keeps both files and a CycloneDX list of what the wheel brings along.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
DIST = CHECKOUT / "dist"
TOOLS = Path(sys.executable).parent
SUPPORTED = ("3.11", "3.12", "3.13", "3.14")
STEP_SECONDS = 900
# What would decide versions for pip and uv, or settings for harvester.
OURS = ("PIP_CONSTRAINT", "PIP_REQUIREMENT", "PYTHONPATH", "UV_CONSTRAINT", "HARVESTER_", "YOUTUBE_")


def main() -> int:
    version = (CHECKOUT / "harvester" / "_version.py").read_text(encoding="utf-8").split('"')[-2]
    sdist, wheel = built()
    say(f"{sdist.name}, {wheel.name}: built, twine check passed")
    pythons = dict(interpreters())
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    tried = [(installer, file, own) for installer in INSTALLERS for file in (wheel, sdist)]
    tried += [("uv", wheel, found) for found in pythons if found != own]
    for installer, file, found in tried:
        with tempfile.TemporaryDirectory(prefix="release-check-") as name:
            begun = time.monotonic()
            harvester = INSTALLERS[installer](Path(name), file, pythons[found])
            seconds = time.monotonic() - begun
            smoke(harvester, Path(name), version)
            if (installer, file) == ("pip", wheel):
                list_components(harvester)
        say(f"{file.suffix.removeprefix('.')} by {installer} under Python {found}: works, installed in {seconds:.0f} s")
    if absent := [each for each in SUPPORTED if each not in pythons]:
        say(f"not tried, for there is no such Python here: {', '.join(absent)}")
    return 0


def built() -> tuple[Path, Path]:
    shutil.rmtree(DIST, ignore_errors=True)
    # The wheel is made from the sdist, which shows that nothing is missing there.
    run(str(TOOLS / "python"), "-m", "build", "--outdir", str(DIST), str(CHECKOUT))
    (sdist,), (wheel,) = DIST.glob("*.tar.gz"), DIST.glob("*.whl")
    run(str(TOOLS / "twine"), "check", "--strict", str(sdist), str(wheel))
    return sdist, wheel


def interpreters() -> Iterator[tuple[str, str]]:
    """The supported Pythons of this machine: in the PATH, or among pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    places = [*map(str, sorted(pyenv.glob("*/bin"))), os.environ["PATH"]]
    for version in SUPPORTED:
        found = shutil.which(f"python{version}", path=os.pathsep.join(places))
        if version == f"{sys.version_info.major}.{sys.version_info.minor}":
            yield version, sys.executable
        elif found and not subprocess.run([found, "-c", ""], capture_output=True).returncode:  # noqa: S603
            yield version, found


def by_pip(folder: Path, file: Path, python: str) -> Path:
    run(python, "-m", "venv", str(folder / "env"))
    run(str(folder / "env/bin/python"), "-m", "pip", "install", "--quiet", str(file))
    return folder / "env/bin/harvester"


def by_uv(folder: Path, file: Path, python: str) -> Path:
    env = {"UV_TOOL_DIR": str(folder / "tools"), "UV_TOOL_BIN_DIR": str(folder / "bin")}
    run(str(TOOLS / "uv"), "tool", "install", "--no-python-downloads", "--python", python, str(file), env=env)
    return folder / "bin/harvester"


def by_pipx(folder: Path, file: Path, python: str) -> Path:
    env = {"PIPX_HOME": str(folder / "pipx"), "PIPX_BIN_DIR": str(folder / "bin"), "PIPX_MAN_DIR": str(folder / "man")}
    run(str(TOOLS / "pipx"), "install", "--python", python, str(file), env=env)
    return folder / "bin/harvester"


INSTALLERS: Mapping[str, Callable[[Path, Path, str], Path]] = {"pip": by_pip, "uv": by_uv, "pipx": by_pipx}


def smoke(harvester: Path, folder: Path, version: str) -> None:
    """A few commands in an empty folder: the program, its migrations and its templates are there."""
    crawl = folder / "crawl"
    crawl.mkdir()
    ledger = {"HARVESTER_LEDGER__URL": "sqlite:///rehearsal/harvest.db"}

    def command(*words: str, env: Mapping[str, str] = ledger) -> str:
        return run(str(harvester), *words, cwd=crawl, env=env)

    assert command("--version").strip() == f"harvester, version {version}"
    assert "passed" in command("rehearse", "--videos", "500", "--out", "rehearsal").splitlines()
    for name in ("songs.jsonl", "songs.parquet"):
        command("export", name, "--format", name.partition(".")[2])
        command("verify", "--export", name)
    command("status", "--html", "crawl.html")
    command("init", env={})


def list_components(harvester: Path) -> None:
    """Write the packages that were installed with it."""
    python, sbom = harvester.with_name("python"), DIST / "sbom.cdx.json"
    run(str(TOOLS / "cyclonedx-py"), "environment", "--output-file", str(sbom), str(python))
    components = json.loads(sbom.read_text(encoding="utf-8"))["components"]
    say(f"{sbom.name}: {len(components)} components")


def run(*line: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """What it printed; ends the check where it fails."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(OURS)} | dict(env or {})
    done = subprocess.run(line, cwd=cwd, env=clean, capture_output=True, text=True, timeout=STEP_SECONDS)  # noqa: S603
    if done.returncode:
        sys.exit(f"release-check: exit code {done.returncode}: {' '.join(line)}\n{done.stdout}{done.stderr}")
    return done.stdout


def say(line: str) -> None:
    sys.stdout.write(f"release-check: {line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
