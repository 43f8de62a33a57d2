"""`tocsin run`: runs from their start to their end."""

from typing import ClassVar

import typer

from tocsin.cli.lazy import SETTINGS, Entry, LazyGroup


class Commands(LazyGroup):
    """The commands about runs."""

    entries: ClassVar = {
        "start": Entry("tocsin.cli.runs", "Start a run of a published workflow.", "start"),
        "list": Entry("tocsin.cli.runs", "List runs, newest first.", "list"),
        "show": Entry("tocsin.cli.runs", "Show a run with its input, output, error and tasks.", "show"),
        "value": Entry("tocsin.cli.runs", "Print a large value of a run.", "value"),
        "watch": Entry("tocsin.cli.runs", "Watch a run live, task by task, until it ends.", "watch"),
        "explain": Entry("tocsin.cli.runs", "Say what a run waits for, and since when.", "explain"),
        "logs": Entry("tocsin.cli.runs", "Print what its tasks printed.", "logs"),
        "cancel": Entry("tocsin.cli.runs", "Ask for a run to be cancelled.", "cancel"),
        "suspend": Entry("tocsin.cli.runs", "Suspend a run: nothing new begins.", "suspend"),
        "terminate": Entry("tocsin.cli.repairs", "End a run at once, whatever does not stop.", "terminate"),
        "rerun": Entry("tocsin.cli.repairs", "Run a run again, from any task on.", "rerun"),
        "output": Entry("tocsin.cli.repairs", "Give a live task its output by hand.", "output"),
        "skip": Entry("tocsin.cli.repairs", "Skip a live task.", "skip"),
        "migrate": Entry("tocsin.cli.migration", "Move a live run to another version.", "one"),
        "resume": Entry("tocsin.cli.runs", "Let a suspended run go on.", "resume"),
        "exec": Entry("tocsin.cli.execute", "Run one definition file to its end and print the outcome.", "exec"),
    }


app = typer.Typer(cls=Commands, no_args_is_help=True, context_settings=dict(SETTINGS), help="Runs.")


@app.callback()
def run() -> None:
    """Start, watch and control runs."""
