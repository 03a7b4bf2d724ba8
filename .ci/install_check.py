"""Build the wheel and install it as a stranger would: stock pip, a new environment, no lock file.

`python .ci/install_check.py`. It fails where the installation takes longer than two minutes, as it did while pip had
to try one release of a dependency after another, or where what was installed does not work.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
INSTALL_SECONDS = 120
OTHER_SECONDS = 600
"""For each of the other steps."""
# With the pip that this Python brings, and nothing that would decide versions for it.
OURS = ("PIP_CONSTRAINT", "PIP_REQUIREMENT", "PYTHONPATH", "HARVESTER_", "YOUTUBE_")
REHEARSAL = ("rehearse", "--videos", "2000", "--out", "rehearsal")


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="install-check-") as name:
        folder = Path(name)
        venv.create(folder / "env", with_pip=True)
        bin_folder = folder / "env" / ("Scripts" if os.name == "nt" else "bin")
        pip = [str(bin_folder / "python"), "-m", "pip", "--disable-pip-version-check"]
        say(f"install-check: {run([*pip, '--version'], folder).split(' from ')[0]}")
        run([*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", "dist", str(CHECKOUT)], folder)
        (wheel,) = (folder / "dist").glob("youtube_harvester-*.whl")

        begun = time.monotonic()
        run([*pip, "install", "--quiet", str(wheel)], folder, INSTALL_SECONDS)
        say(f"install-check: {wheel.name} was installed in {time.monotonic() - begun:.0f} s")

        run([*pip, "check"], folder)
        harvester = str(bin_folder / "harvester")
        say(f"install-check: {run([harvester, '--version'], folder).strip()}")
        if "passed" not in run([harvester, *REHEARSAL], folder).splitlines():
            sys.exit("install-check: the rehearsal did not pass")
        say("install-check: the rehearsal passed")
    return 0


def run(line: list[str], folder: Path, seconds: float = OTHER_SECONDS) -> str:
    """What it printed; ends the check where it fails or takes longer."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    told = " ".join(line)
    try:
        done = subprocess.run(line, cwd=folder, env=env, capture_output=True, text=True, timeout=seconds)  # noqa: S603
    except subprocess.TimeoutExpired:
        sys.exit(f"install-check: not done after {seconds:.0f} s: {told}")
    if done.returncode:
        sys.exit(f"install-check: exit code {done.returncode}: {told}\n{done.stdout}{done.stderr}")
    return done.stdout


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
