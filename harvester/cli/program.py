"""The program: global options and the commands, and the errors that become exit codes.

The command modules import only click: what a command needs is imported when it runs, so that `--help` is fast.
"""

from __future__ import annotations

import copy
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import click

from harvester._version import __version__
from harvester.cli.shared.global_options import GlobalOptions
from harvester.cli.shared.streams import set_up_streams
from harvester.cli.shared.unexpected_errors import explain
from harvester.errors import HarvesterError

INTERRUPTED = 130
"""The exit code that shells report for a program ended by SIGINT."""


class Program(click.Group):
    """The command group: prints an error as a few lines, and exits with its code."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        set_up_streams()
        try:
            return super().main(*args, **kwargs)
        except HarvesterError as error:  # raised while click prints, for example --help
            click.echo(f"Error: {error}", err=True)
            sys.exit(error.exit_code)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except HarvesterError as error:
            self._fail(ctx, error)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            click.echo("Interrupted. What was committed before is safe; run the command again to go on.", err=True)
            ctx.exit(INTERRUPTED)
        except BrokenPipeError:
            # The reader closed the pipe, as `head` does: no error.
            sys.stdout = None
            ctx.exit(0)
        except Exception as error:  # noqa: BLE001 (the last resort: report any bug in a sentence)
            if (explained := explain(error)) is not None:
                self._fail(ctx, explained)
            what = f"This is a bug in harvester: {type(error).__name__}: {error}"
            self._show(ctx, f"{what}\nRun it with -v to see where.")
            ctx.exit(1)

    def _fail(self, ctx: click.Context, error: HarvesterError) -> NoReturn:
        self._show(ctx, str(error))
        ctx.exit(error.exit_code)

    def _show(self, ctx: click.Context, message: str) -> None:
        import traceback

        from harvester.cli.shared.console import echo_styled, fold
        from harvester.cli.shared.logs import error_line, for_programs, safe

        options = ctx.find_object(GlobalOptions)
        trace = traceback.format_exc() if options is not None and options.verbosity > 0 else ""
        if for_programs() or (options is not None and options.log_format == "json"):
            click.echo(error_line(message, trace), err=True)
            return
        click.echo(safe(trace), err=True, nl=False)
        heading = "Error:"
        folded = fold(f"{heading} {safe(message)}", sys.stderr).removeprefix(heading)
        echo_styled(heading, folded, fg="red", err=True)


GLOBAL_OPTIONS = (
    click.Option(
        ["--config"],
        type=click.Path(path_type=Path, dir_okay=False),
        help="The settings file. [default: $HARVESTER_CONFIG, then ./config.toml]",
    ),
    click.Option(["-v", "--verbose"], count=True, help="Log more; show tracebacks of errors."),
    click.Option(["-q", "--quiet"], count=True, help="Print only results, warnings and errors."),
    click.Option(["--log-format"], type=click.Choice(["text", "json"]), help="The format of log lines."),
)


@click.group(
    cls=Program,
    params=list(GLOBAL_OPTIONS),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: harvester --config crawl.toml status",
)
@click.version_option(__version__, prog_name="harvester")
@click.pass_context
def main(ctx: click.Context, config: Path | None, verbose: int, quiet: int, log_format: str | None) -> None:
    """Fetch the metadata of hundreds of thousands of YouTube videos within the API's daily quota.

    A local ledger holds every id, its state and every response, so a crawl of many days can be stopped, killed and
    resumed without losing or paying for anything twice.
    """
    ctx.obj = GlobalOptions(config, verbose - quiet, log_format)


COMMANDS = (
    *("init", "load", "discover", "verify", "ledger", "remove", "plan", "run", "status", "export", "retry"),
    *("refresh", "prune", "quota", "schedule", "doctor", "rehearse", "simulate"),
)


def _given_late(ctx: click.Context, option: click.Parameter, value: Any) -> None:
    """Apply a global option that is given after the command."""
    if not value or ctx.resilient_parsing:
        return
    options = ctx.obj.with_option(str(option.name), value)
    at: click.Context | None = ctx
    while at is not None:  # the outermost group shows errors
        at.obj, at = options, at.parent


def _accept_global_options(command: click.Command) -> None:
    for option in GLOBAL_OPTIONS:
        late = copy.copy(option)
        late.hidden, late.expose_value, late.callback = True, False, _given_late
        command.params.append(late)
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            _accept_global_options(inner)


for name in COMMANDS:
    command = getattr(import_module(f"harvester.cli.{name}"), name)
    _accept_global_options(command)
    main.add_command(command)
