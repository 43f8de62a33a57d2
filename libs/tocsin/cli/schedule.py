"""`tocsin schedule`: what starts workflows by the clock."""

from typing import ClassVar

import typer

from tocsin.cli.lazy import SETTINGS, Entry, LazyGroup


class Commands(LazyGroup):
    """The commands about schedules; `next` needs no platform."""

    entries: ClassVar = {
        "next": Entry("tocsin.cli.timetable", "Print when an expression fires next, without a platform.", "next"),
        "apply": Entry("tocsin.cli.schedules", "Create or change schedules.", "apply"),
        "list": Entry("tocsin.cli.schedules", "List the schedules of a namespace.", "list"),
        "show": Entry("tocsin.cli.schedules", "Show one schedule.", "show"),
        "upcoming": Entry("tocsin.cli.schedules", "Show when a schedule fires next.", "upcoming"),
        "firings": Entry("tocsin.cli.foresight", "Show what a schedule has started, and how it ended.", "firings"),
        "simulate": Entry("tocsin.cli.foresight", "Show what all schedules will do: load, crowds, overlaps.", "simulate"),
        "pause": Entry("tocsin.cli.schedules", "Pause a schedule: it does not fire.", "pause"),
        "resume": Entry("tocsin.cli.schedules", "Let a paused schedule fire again.", "resume"),
        "delete": Entry("tocsin.cli.schedules", "Delete a schedule.", "delete"),
    }


app = typer.Typer(cls=Commands, no_args_is_help=True, context_settings=dict(SETTINGS), help="Schedules.")


@app.callback()
def schedule() -> None:
    """What starts workflows by the clock."""
