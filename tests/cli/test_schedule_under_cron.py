"""The lines of `schedule --cron` under a real cron, which sees a crontab and a sendmail of the test's own."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from children import Program, Simulate
from waiting import wait_until

KEY, WRONG_KEY = "AIzaSyTheKeyThatIsGood", "AIzaSyAnotherKeyThatIsRefused"
CRON = Path("/usr/sbin/cron")
NAMESPACES = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
PR_SET_PDEATHSIG = 1

# What these mounts cover is covered for this cron alone, and is as it was when it ends.
SET_UP = """
set -e
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /etc/cron.d
mount -t tmpfs tmpfs /var/spool/cron
mkdir -m 1730 /var/spool/cron/crontabs
install -m 600 crontab /var/spool/cron/crontabs/root
test ! -e /etc/crontab || mount --bind empty /etc/crontab
mount --bind sbin /usr/sbin
exec /usr/sbin/cron -f
"""
SENDMAIL = """#!/bin/sh
cat >"{folder}/unsent.$$" && mv "{folder}/unsent.$$" "{folder}/mail.$$"
"""


def why_not() -> str | None:
    """What is missing here."""
    if not CRON.exists() or os.getuid() != 0:
        return f"needs root and {CRON}"
    if shutil.which("unshare") is None or subprocess.run([*NAMESPACES, "true"], capture_output=True).returncode != 0:
        return "needs the right to unshare mounts and processes"
    return None


def die_with_the_tests() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Cron:
    """It runs, and its mail goes to files."""

    def __init__(self, folder: Path, unshare: int) -> None:
        self._folder = folder
        self._unshare = psutil.Process(unshare)

    def mails(self) -> list[str]:
        return [file.read_text(encoding="utf-8") for file in self._folder.glob("mail.*")]

    def is_idle(self) -> bool:
        """No job is under way, nor its mail."""
        (cron,) = self._unshare.children()
        return cron.name() == "cron" and not cron.children()


@contextmanager
def cron_with(folder: Path, crontab: str) -> Iterator[Cron]:
    (folder / "sbin").mkdir(parents=True)
    (folder / "crontab").write_text(crontab, encoding="utf-8")
    (folder / "empty").touch()
    shutil.copy(CRON, folder / "sbin")
    (folder / "sbin/sendmail").write_text(SENDMAIL.format(folder=folder), encoding="utf-8")
    (folder / "sbin/sendmail").chmod(0o755)
    with (folder / "said").open("wb") as output:
        unshare = subprocess.Popen(
            [*NAMESPACES, "sh", "-c", SET_UP],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=die_with_the_tests,
        )
    try:
        yield Cron(folder, unshare.pid)
        assert unshare.poll() is None, (folder / "said").read_text()
    finally:
        # cron is the first process of its namespace, and dies with this one: so does all that it has started.
        unshare.kill()
        unshare.wait()


def every_minute(printed: str) -> str:
    (line,) = [line for line in printed.splitlines() if not line.startswith("#")]
    return f"* * * * * {line.split(maxsplit=5)[5]}\n"


def crawl_in(folder: Path, base_url: str, key: str) -> Program:
    """120 ids to fetch, and the key in its file."""
    folder.mkdir()
    program = Program(folder)
    ids = "\n".join(f"{number:010}A" for number in range(120))
    for command, stdin in (("init", b""), ("load -", ids.encode())):
        assert program.here(*command.split(), stdin=stdin).returncode == 0
    env_file = folder / "harvester.env"
    env_file.write_text(f"YOUTUBE_API_KEY={key}\nHARVESTER_YOUTUBE__BASE_URL={base_url}\n", encoding="utf-8")
    return program


def test_a_run_that_fails_is_mailed_and_a_good_one_is_not(tmp_path: Path, simulate: Simulate) -> None:
    """Both in one minute: it is all that is waited for."""
    if missing := why_not():
        pytest.skip(missing)
    base_url = simulate(valid_key=KEY).base_url
    crawls = good, refused = (
        crawl_in(tmp_path / "50% of it's $HOME", base_url, KEY),
        crawl_in(tmp_path / "refused", base_url, WRONG_KEY),
    )
    lines = [every_minute(crawl.here("schedule", "--cron", "--zone", "UTC").stdout) for crawl in crawls]
    logs = [crawl.folder / "run.log" for crawl in crawls]
    with cron_with(tmp_path / "cron", "".join(lines)) as cron:
        wait_until(lambda: all(log.exists() for log in logs))
        wait_until(cron.is_idle)
        mails = cron.mails()
    output = (good.folder / "run.log").read_text(encoding="utf-8")
    assert "Nothing left: 3 calls, 33 units, " in output
    assert output.endswith("\nEvery id is settled.\n")
    (mail,) = mails
    headers, _, body = mail.partition("\n\n")
    assert "\nTo: root\n" in headers
    assert f"cd {refused.folder} " in headers
    assert "API_KEY_INVALID" in body
    assert (refused.folder / "run.log").read_text(encoding="utf-8").endswith(body)
    assert KEY not in mail + output
    assert WRONG_KEY not in mail
