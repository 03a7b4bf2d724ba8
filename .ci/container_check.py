"""Build the Containerfile and try what it makes. `make container-check`; needs root, mmdebstrap and buildah.

Nothing is pulled: in place of the base image stands a bare Debian that mmdebstrap makes of Debian's packages. buildah
runs the steps in a chroot, so neither a daemon nor namespaces are needed. A crawl is then run in the container against
the simulated API, with the ledger in a file and on a PostgreSQL server.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parents[1]
SUITE = "trixie"
"""As the Containerfile's base."""
TRUSTED = Path("/usr/local/share/ca-certificates")
"""Authorities that this machine trusts besides Debian's, as in a network that inspects TLS."""
BUILD_SECONDS = 1800
STEP_SECONDS = 300
TOOLS = ("mmdebstrap", "buildah")
IMAGE = "localhost/harvester"
IDS = b"song\ndQw4w9WgXcQ\n9bZkp7q19f0\nkJQP7kiw5Fk\n"


class Image:
    """What buildah made, and commands in a container of it, as the user and with the words that the image sets."""

    def __init__(self, folder: Path) -> None:
        self._buildah = ["buildah", "--root", str(folder / "images"), "--runroot", str(folder / "run")]
        self._buildah += ["--storage-driver", "vfs"]
        self._crawl = folder / "crawl"
        self._crawl.mkdir()
        os.chown(self._crawl, 1000, 1000)
        self._build(folder)
        self.settings: dict[str, Any] = json.loads(self.buildah("inspect", "--type", "image", IMAGE))["Docker"][
            "config"
        ]
        self._container = self.buildah("from", "--pull-never", IMAGE)

    def buildah(self, *words: str, seconds: float = STEP_SECONDS) -> str:
        return run([*self._buildah, *words], seconds).strip()

    def _build(self, folder: Path) -> None:
        base = folder / "base.tar"
        trust = [f"--customize-hook=copy-in {TRUSTED} {TRUSTED.parent}"] if TRUSTED.is_dir() else []
        run(["mmdebstrap", "--quiet", "--variant=minbase", *trust, SUITE, str(base)], BUILD_SECONDS)
        scratch = self.buildah("from", "scratch")
        self.buildah("add", "--quiet", scratch, str(base), "/")
        self.buildah("commit", "--quiet", scratch, "localhost/debian")
        build = ["build", "--isolation", "chroot", "--network", "host", "--format", "docker", "--pull-never"]
        build += ["--build-arg", "BASE=localhost/debian", "--tag", IMAGE, "--file", str(CHECKOUT / "Containerfile")]
        self.buildah(*build, str(CHECKOUT), seconds=BUILD_SECONDS)

    def command(self, line: Sequence[str], env: dict[str, str], volumes: Sequence[Path] = ()) -> list[str]:
        more = [f"--env={name}={value}" for name, value in env.items()]
        more += [f"--volume={place}:{place}" for place in volumes]
        run_it = ["run", "--isolation", "chroot", "--network", "host", f"--volume={self._crawl}:/crawl", *more]
        return [*self._buildah, *run_it, self._container, "--", *line]

    def empty_volume(self) -> None:
        for path in self._crawl.iterdir():
            path.unlink()


def main() -> int:
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None] or (["root"] if os.geteuid() else []):
        say(f"skipped, for it needs {' and '.join(missing)}; the tools are Debian's: apt-get install {' '.join(TOOLS)}")
        return 0
    with tempfile.TemporaryDirectory(prefix="container-check-") as name, ExitStack() as ending:
        # An image's folders are the root user's, and all may look into them.
        Path(name).chmod(0o755)
        image = Image(Path(name))
        (listed,) = json.loads(image.buildah("images", "--json", IMAGE))
        say(f"built on Debian {SUITE}: {listed['size']}")
        env = {
            "HARVESTER_YOUTUBE__BASE_URL": simulator(image, ending),
            "YOUTUBE_API_KEY": "any",
            "NO_PROXY": "127.0.0.1",
        }
        assert image.settings["User"] == "1000:1000"
        assert image.settings["Volumes"] == {"/crawl": {}}
        crawl(image, env)
        say("a crawl with its ledger in the volume: done")
        image.empty_volume()
        url, folder = server(ending)
        crawl(image, env | {"HARVESTER_LEDGER__URL": url}, [folder])
        say("a crawl with its ledger on a PostgreSQL server: done")
    return 0


def crawl(image: Image, env: dict[str, str], volumes: Sequence[Path] = ()) -> None:
    def tried(*line: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        command = image.command(line, env, volumes)
        return subprocess.run(command, input=stdin, capture_output=True, timeout=STEP_SECONDS)  # noqa: S603

    def ok(*line: str, stdin: bytes = b"") -> str:
        done = tried(*line, stdin=stdin)
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        return done.stdout.decode()

    entry, health = image.settings["Entrypoint"], image.settings["Healthcheck"]["Test"][1:]
    assert tried(*health).returncode == 3, "without a ledger it is not healthy"
    ok(*entry, "init")
    assert tried("touch", "/opt/harvester/file").returncode, "the program can't be changed"
    ok(*entry, "load", "-", "--column", "song", stdin=IDS)
    ok(*health)
    assert "Nothing left: 1 call" in ok(*entry, *image.settings["Cmd"])
    ok(*entry, "export", "songs.json")
    ok(*entry, "ledger", "backup", "backup.db")
    assert "The ledger is consistent: 3 ids, 1 call" in ok(*entry, "verify", "--export", "songs.json")


def simulator(image: Image, ending: ExitStack) -> str:
    """The address of a simulated API in the container."""
    line = image.command(["harvester", "simulate"], {})
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)  # noqa: S603
    ending.callback(process.wait, STEP_SECONDS)
    ending.callback(process.terminate)
    assert process.stdout is not None
    return process.stdout.readline().strip()


def server(ending: ExitStack) -> tuple[str, Path]:
    """The address of an empty database of the tests' own server, and the folder of its socket."""
    sys.path.insert(0, str(CHECKOUT / "tests"))
    from postgres_server import PostgresServer

    server = PostgresServer()
    ending.callback(server.remove)
    server.folder.chmod(0o755)
    return server.url(server.empty_database()), server.folder


def run(line: Sequence[str], seconds: float) -> str:
    done = subprocess.run(line, capture_output=True, text=True, timeout=seconds)  # noqa: S603
    if done.returncode:
        said = f"{done.stdout[-2000:]}{done.stderr[-2000:]}"
        sys.exit(f"container-check: exit code {done.returncode}: {' '.join(line)}\n{said}")
    return done.stdout


def say(line: str) -> None:
    sys.stdout.write(f"container-check: {line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
