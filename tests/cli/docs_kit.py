"""Documents are held to what they say: their blocks run in a real shell, their links lead somewhere."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from subprocess import CompletedProcess

from forks import commands
from waiting import LIMIT_SECONDS

CHECKOUT = Path(__file__).parents[2]
DOCS = CHECKOUT / "docs"


def text_of(document: str) -> str:
    return (DOCS / document).read_text(encoding="utf-8")


def snippets(document: str, language: str = "sh") -> list[str]:
    """The blocks of a page that it marks as executed."""
    return re.findall(rf"executed by tests[^\n]*\n```{language}\n(.*?)```", text_of(document), re.DOTALL)


def table(document: str, heading: str) -> list[list[str]]:
    """The cells of the table whose first column has this heading, row by row."""
    rows = text_of(document).partition(f"| {heading} |")[2].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]


def run_as_written(
    script: str, folder: Path, *, shell: str = "bash", typed: str = "", **env: str
) -> CompletedProcess[str]:
    """The script's output, with this harvester first in the path. What it leaves in the background ends with it.

    `typed` is what a person would type where the script asks.
    """
    path = os.pathsep.join(map(str, (commands(), Path(sys.executable).parent, os.environ["PATH"])))
    with (
        tempfile.TemporaryFile("w+") as out,
        tempfile.TemporaryFile("w+") as err,
        tempfile.TemporaryFile("w+") as stdin,
    ):
        stdin.write(typed)
        stdin.seek(0)
        process = subprocess.Popen(
            [shell, "-e", "-c", script],
            cwd=folder,
            env=os.environ | {"PATH": path, "NO_PROXY": "127.0.0.1"} | env,
            stdin=stdin,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
        try:
            process.wait(LIMIT_SECONDS)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        out.seek(0)
        err.seek(0)
        done = CompletedProcess(process.args, process.returncode, out.read(), err.read())
    assert done.returncode == 0, done.stderr
    return done


def dead_links(document: str) -> list[str]:
    """The links of a page, or of a notebook, to files that are not there."""
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", text_of(document))
    return [target for target in targets if not (DOCS / target).exists()]
