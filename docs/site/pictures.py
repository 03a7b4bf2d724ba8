"""The pictures of the documentation, made from a real crawl against the simulated API: `make pictures`.

docs/pictures/terminal.svg is a session on a terminal of 100 columns. reports.py takes those of the page of
`harvester status --html`, badges.py makes the README's badges.
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

import badges
import pyte
from rich.console import Console
from rich.style import Style
from rich.text import Text

PICTURES = Path(__file__).parents[1] / "pictures"
COLUMNS, ROWS = 100, 60
SESSION = (
    "harvester load songs.txt",
    "harvester plan",
    "harvester run",
    "harvester status",
)
IDS = "from harvester.simulator import make_ids; print('\\n'.join(make_ids(7, 6_313)))"


def main(harvester: Path) -> None:
    """Write the pictures and the badges. `harvester`: the command of the checkout's environment."""
    PICTURES.mkdir(exist_ok=True)
    badges.write()
    with tempfile.TemporaryDirectory() as folder:
        ids = subprocess.run([harvester.with_name("python"), "-c", IDS], check=True, capture_output=True)
        (Path(folder) / "songs.txt").write_bytes(ids.stdout)
        server = subprocess.Popen([harvester, "simulate", "--seed", "7"], stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            env = os.environ | {
                "PATH": f"{harvester.parent}{os.pathsep}{os.environ['PATH']}",
                "HARVESTER_YOUTUBE__BASE_URL": server.stdout.readline().strip(),
                "HARVESTER_QUOTA__DAILY_UNITS": "500",
                "HARVESTER_SOURCE__URI": "songs.txt",
                "YOUTUBE_API_KEY": "any",
                "TERM": "xterm-256color",
            }
            typed(["harvester", "init"], folder, env)
            console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
            for line in SESSION:
                console.print(Text("$ ", "bold green") + Text(line, "bold"))
                console.print(typed(shlex.split(line), folder, env))
            save_svg(console, PICTURES / "terminal.svg")
        finally:
            server.terminate()
            server.wait()
    subprocess.run([harvester.with_name("python"), Path(__file__).with_name("reports.py"), PICTURES], check=True)


def typed(words: list[str], folder: str, env: dict[str, str]) -> Text:
    """What stands on a terminal after a command."""
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    with subprocess.Popen(words, cwd=folder, env=env, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        while True:
            try:
                stream.feed(os.read(ours, 65536))
            except OSError:  # how a terminal says that its last program has ended
                break
    os.close(ours)
    if process.returncode:
        raise SystemExit(f"{shlex.join(words)} ended with {process.returncode}:\n" + "\n".join(screen.display))
    lines = [
        Text.assemble(*(_cell(screen.buffer[row][x]) for x in range(COLUMNS))) for row in range(screen.cursor.y + 1)
    ]
    for line in lines:
        line.rstrip()
    return Text("\n").join(lines)


def _cell(cell: pyte.screens.Char) -> tuple[str, Style]:
    # "brown" is what a terminal of old called its yellow
    names = {"brown": "yellow", "default": None}
    colour = names.get(cell.fg, cell.fg)
    if colour is not None and re.fullmatch(r"[0-9a-f]{6}", colour):
        colour = f"#{colour}"
    return cell.data, Style(color=colour, bold=cell.bold, italic=cell.italics)


def save_svg(console: Console, path: Path) -> None:
    """Without the font that the library would have fetched from elsewhere."""
    svg = console.export_svg(title="harvester", unique_id="terminal")
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    path.write_text("\n".join(line.rstrip() for line in svg.splitlines() if line.strip()) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
