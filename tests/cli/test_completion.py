"""Shell completion: the commands, options and choices that a shell is told, and the bash that takes them."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from children import Program
from forks import commands
from waiting import LIMIT_SECONDS

from harvester.cli.program import main

BASH = shutil.which("bash")


@pytest.mark.skipif(BASH is None, reason="there is no bash here")
def test_bash_completes_commands_options_and_choices() -> None:
    script = """
        eval "$(_HARVESTER_COMPLETE=bash_source harvester)"
        complete -p harvester
        for line in "harvester " "harvester rehearse --" "harvester export --format "; do
            read -ra COMP_WORDS <<< "$line"
            case $line in *\\ ) COMP_WORDS+=("") ;; esac
            COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            COMPREPLY=()
            _harvester_completion harvester
            echo "${COMPREPLY[@]}"
        done
    """
    env = os.environ | {"PATH": f"{commands()}:{os.environ['PATH']}", "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        ["bash", "--norc", "-c", script], env=env, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    asked, named, options, choices = done.stdout.splitlines()
    assert asked.endswith("-F _harvester_completion harvester")
    assert named.split() == sorted(main.commands)
    shown = [each for each in main.commands["rehearse"].params if not getattr(each, "hidden", False)]
    assert options.split() == [*(each.opts[0] for each in shown), "--help"]
    assert choices == "json jsonl parquet csv sqlite"


@pytest.mark.parametrize("words", ["load so", "export so", "verify --export so", "status --html so", "--config so"])
def test_paths_are_completed_by_the_shell(harvester: Program, words: str) -> None:
    line = f"harvester {words}"
    harvester.env |= {
        "_HARVESTER_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(line.count(" ")),
    }
    done = harvester.run()
    assert (done.stdout, done.stderr) == ("file,so\n", "")
