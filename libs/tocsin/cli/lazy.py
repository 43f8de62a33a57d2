"""Groups of commands whose modules are imported when a command is used, not when the program starts.

The one place where imports are not at the top of a file: by name, from a table, so that `tocsin --help` answers at once.
"""

import difflib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from tocsin.cli.examples import shown

SETTINGS: Final = {"help_option_names": ["-h", "--help"]}


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a command is.

    Attributes:
        module: Module with a ``typer.Typer`` called ``app``.
        summary: One line for the list of commands.
        command: Name of the command in ``app``; ``None`` when all of ``app`` is meant.
    """

    module: str
    summary: str
    command: str | None = None

    def load(self, name: str) -> Any:
        """Import it and make the command."""
        app: typer.Typer = importlib.import_module(self.module).app
        group = get_group(app)
        if self.command is None:
            group.name = name
            group.epilog = group.epilog or shown(name)
            return group
        return group.commands[self.command]


class LazyGroup(TyperGroup):
    """A group over a table of entries."""

    entries: ClassVar[Mapping[str, Entry]] = {}

    def list_commands(self, ctx: Any) -> list[str]:
        """In the order of the table."""
        return [*self.entries, *super().list_commands(ctx)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The name and summary for lists and completion; nothing is imported."""
        entry = self.entries.get(cmd_name)
        if entry is None:
            return super().get_command(ctx, cmd_name)
        return TyperCommand(cmd_name, help=entry.summary)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is about to run."""
        entry = self.entries.get(args[0]) if args else None
        if entry is None:
            near = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1) if args else []
            if near and args[0] not in self.commands and not args[0].startswith("-"):
                ctx.fail(f"No such command '{args[0]}'. Did you mean '{near[0]}'?")
            return super().resolve_command(ctx, args)
        return args[0], entry.load(args[0]), args[1:]
