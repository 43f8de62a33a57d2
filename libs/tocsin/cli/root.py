"""The root of the command line: its table of commands, and how every command ends.

To add a command: a module with a ``typer.Typer`` called ``app``, and a line in ``COMMANDS``.
"""

import os
import sys
from collections.abc import Mapping
from importlib.metadata import version
from typing import Annotated, Final

import typer
from typer.main import get_command

from tocsin.cli.exits import MEANINGS, Exit, exit_of
from tocsin.cli.failures import show_error
from tocsin.cli.lazy import SETTINGS, Entry, LazyGroup
from tocsin.errors import TocsinError

COMMANDS: Final[Mapping[str, Entry]] = {
    "up": Entry("tocsin.cli.platform", "Run the whole platform here, with its own NATS and MongoDB.", "up"),
    "status": Entry("tocsin.cli.platform", "Show the services, their health and versions.", "status"),
    "login": Entry("tocsin.cli.access", "Log in; --local uses the administrator of a platform on this machine.", "login"),
    "logout": Entry("tocsin.cli.access", "End the login and forget its tokens.", "logout"),
    "whoami": Entry("tocsin.cli.access", "Show who is logged in and what that permits.", "whoami"),
    "workflow": Entry("tocsin.cli.workflow", "Validate, publish and look at workflow definitions."),
    "proposal": Entry("tocsin.cli.proposal", "Publishing that takes two people: one proposes, another one publishes."),
    "run": Entry("tocsin.cli.run", "Start, watch and control runs; try a definition with `run exec`."),
    "approval": Entry("tocsin.cli.approval", "Questions of runs to people, and their answers."),
    "worker": Entry("tocsin.cli.worker", "Processes that run tasks, and how busy they are."),
    "pool": Entry("tocsin.cli.pool", "How many runs go on at once, over all workflows that share a pool."),
    "event": Entry("tocsin.cli.event", "Publish custom events."),
    "signal": Entry("tocsin.cli.signal", "Watch every change of state of anything."),
    "audit": Entry("tocsin.cli.audit", "Who did what, and the proof that nothing of it was changed."),
    "observer": Entry("tocsin.cli.observer", "Statistics of runs: durations, failures, slow and flaky tasks."),
    "alert": Entry("tocsin.cli.alert", "What fires, who takes care of it, and the rules behind it."),
    "webhook": Entry("tocsin.cli.webhook", "Who is told of signals by HTTP, and what was sent."),
    "trigger": Entry("tocsin.cli.trigger", "What starts workflows from outside: webhooks and events."),
    "schedule": Entry("tocsin.cli.schedule", "What starts workflows by the clock."),
    "backfill": Entry("tocsin.cli.backfill", "Runs for the instants of a schedule that are past."),
    "case": Entry("tocsin.cli.case", "What people do when something needs them."),
    "asset": Entry("tocsin.cli.asset", "Data that runs read and write: promises, partitions, checks."),
    "lineage": Entry("tocsin.cli.lineage", "Where data comes from, and what depends on it."),
    "dead-letter": Entry("tocsin.cli.deadletter", "Messages that a service could not handle."),
    "expression": Entry("tocsin.cli.expression", "Try expressions (jq, CESQL) without a platform."),
    "secret": Entry("tocsin.cli.secret", "Passwords, tokens and keys of workflows."),
    "auth": Entry("tocsin.cli.auth", "Users, roles, API keys and bus credentials."),
}

_EPILOG = "Exit codes: " + " · ".join(f"{code.value} {text}" for code, text in MEANINGS.items())


class Root(LazyGroup):
    """All commands."""

    entries = COMMANDS


app = typer.Typer(
    cls=Root,
    name="tocsin",
    help="Workflows that start on events, and never get lost on the way.",
    epilog=_EPILOG,
    no_args_is_help=True,
    context_settings=dict(SETTINGS),
    rich_markup_mode="rich",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tocsin {version('tocsin')}")
        raise typer.Exit


@app.callback()
def root(
    version_: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Workflows that start on events, and never get lost on the way."""


def command() -> LazyGroup:
    """The root as a command, for the program, for tests and for the reference page."""
    group = get_command(app)  # with --install-completion
    assert isinstance(group, LazyGroup)
    return group


def run(arguments: list[str] | None = None) -> int:
    """One command line; its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        command().main(args=given, prog_name="tocsin")
    except TocsinError as error:
        show_error(error, as_json="--json" in given)
        return exit_of(error)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader (`| head`) has gone: nothing left to flush
        return Exit.OK
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else Exit.OK if ended.code is None else Exit.NEGATIVE
    return Exit.OK


def main() -> None:
    """Entry point of `tocsin`."""
    sys.exit(run())
