"""doctor: check whether a crawl would work here, and say what to do if not."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from harvester.cli.shared.console import echo_styled, fold
from harvester.cli.shared.global_options import GlobalOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harvester.doctor import Finding

COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}


@click.command(epilog="\b\nExample: harvester doctor --offline --json\nExample: harvester doctor --offline")
@click.option("--offline", is_flag=True, help="Skip the checks that need the network.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option(
    "--spend-unit",
    is_flag=True,
    help="Test the key by one call of the crawl: its units are spent, its videos stored.",
)
@click.pass_context
def doctor(ctx: click.Context, offline: bool, as_json: bool, spend_unit: bool) -> None:
    """Check what a crawl needs, and say what to do.

    A finding each for settings, key, time zone, versions, ledger, disk, source, export and the API's clock. Spends no
    unit unless --spend-unit is given. Changes nothing, except that an earlier export that was killed between its last
    two steps is completed. The exit code is 0 if there is no problem, and otherwise that of the first: 3 for the
    settings, 4 for the outside world, 5 for the ledger.
    """
    from harvester.config import find_config
    from harvester.doctor import examine, exit_code

    if offline and spend_unit:
        raise click.UsageError("--spend-unit needs the network, which --offline leaves out.")
    options: GlobalOptions = ctx.obj
    findings = []
    for finding in examine(find_config(options.config_path), options.config, offline=offline, spend_unit=spend_unit):
        findings.append(finding)
        if not as_json:
            _show(finding)
    if as_json:
        _print_json(findings, offline)
    else:
        click.echo(_in_all(findings, offline))
    ctx.exit(exit_code(findings))


def _show(finding: Finding) -> None:
    from harvester.cli.shared.logs import safe

    what = finding.what if finding.what.endswith((".", "!", "?")) else f"{finding.what}."
    line = f"{finding.level:<8} {finding.check:<10} {safe(' '.join((what, finding.next_step)).strip())}"
    rest = fold(line, sys.stdout, indent=20).removeprefix(finding.level)
    echo_styled(finding.level, rest, fg=COLOURS[finding.level])


def _print_json(findings: Sequence[Finding], offline: bool) -> None:
    import json
    from dataclasses import asdict

    from harvester.cli.shared.logs import safe
    from harvester.doctor import exit_code, versions

    lines = [
        {key: safe(value) if isinstance(value, str) else value for key, value in asdict(finding).items()}
        for finding in findings
    ]
    result = {"findings": lines, "exit_code": exit_code(findings), "offline": offline, "versions": versions()}
    click.echo(json.dumps(result, indent=2))


def _in_all(findings: Sequence[Finding], offline: bool) -> str:
    from harvester.support.sanitize import count

    levels: list[str] = [finding.level for finding in findings]
    what = ", ".join(count(levels.count(each), each) for each in ("problem", "warning") if each in levels)
    what = what or "All is well"
    return f"{what}.{' What needs the network was left out.' if offline else ''}"
