"""`tocsin workflow`: definitions, from a file to the platform and back."""

from typing import ClassVar

import typer

from tocsin.cli.lazy import SETTINGS, Entry, LazyGroup


class Commands(LazyGroup):
    """The commands about definitions; `validate` needs no client and is not made to wait for one."""

    entries: ClassVar = {
        "validate": Entry("tocsin.cli.validate", "Check definitions here, without a platform.", "validate"),
        "test": Entry("tocsin.cli.rehearse", "Play cases of a definition in virtual time, without a platform.", "test"),
        "apply": Entry("tocsin.cli.definitions", "Publish definitions.", "apply"),
        "list": Entry("tocsin.cli.definitions", "List what is published.", "list"),
        "show": Entry("tocsin.cli.definitions", "Show one definition.", "show"),
        "migrate": Entry("tocsin.cli.migration", "Which live runs can move to a newer version, and move them.", "all"),
        "delete": Entry("tocsin.cli.definitions", "Delete a definition, or a version of it.", "delete"),
    }


app = typer.Typer(cls=Commands, no_args_is_help=True, context_settings=dict(SETTINGS), help="Workflow definitions.")


@app.callback()
def workflow() -> None:
    """Validate, publish and look at workflow definitions."""
