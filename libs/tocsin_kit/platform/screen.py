"""What a person sees of `up`: progress while it starts, the welcome, one sentence when it cannot. Logs go elsewhere.

Rich is used on a terminal only; elsewhere each step is a plain line.
"""

import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.panel import Panel
from rich.status import Status
from rich.text import Text

from tocsin.errors import TocsinError

_BRAND: Final = "bold #d97706"


class Screen:
    """Progress and welcome on standard error (standard output belongs to ``--json-ready``).

    Args:
        quiet: Show nothing but failures.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._console = Console(stderr=True, highlight=False)
        self._status: Status | None = None
        self._components = 0

    def begin(self, folder: str) -> None:
        """The first line."""
        if self._quiet:
            return
        self._print(Text.assemble(("Tocsin", _BRAND), f" starts; data in {folder}"))
        if self._console.is_terminal:
            self._status = self._console.status("MongoDB starts ...", spinner="dots")
            self._status.start()

    def doing(self, what: str) -> None:
        """What is being done now."""
        if self._status is not None:
            self._status.update(what)

    def works(self, what: str, seconds: float) -> None:
        """Something has started."""
        if not self._quiet:
            self._print(Text.assemble(("  ✓ ", "green"), f"{what:<34}", (f"{seconds:5.2f} s", "dim")))

    def welcome(self, lines: Text) -> None:
        """Everything works."""
        self.close()
        if not self._quiet:
            self._print(Panel(lines, border_style="#d97706", expand=False, padding=(1, 2)))

    def stopping(self) -> None:
        """Ctrl-C was pressed."""
        self.close()
        if not self._quiet:
            self._print("Stopping; once more Ctrl-C ends it at once.")

    def stopped(self, folder: str | None) -> None:
        """The last line."""
        self.close()
        if not self._quiet:
            kept = f" The data is in {folder}; the next start finds it." if folder else ""
            self._print(f"Stopped.{kept}")

    def close(self) -> None:
        """End the animation."""
        status, self._status = self._status, None
        if status is not None:
            with suppress(OSError, SystemExit):
                status.stop()

    def _print(self, what: str | Text | Panel) -> None:
        """Show it, unless the terminal is gone: the platform goes on without an audience."""
        with suppress(OSError, SystemExit):  # Rich exits where nobody reads
            self._console.print(what)


def say_why(error: BaseException, log: Path | None = None) -> None:
    """One sentence on standard error, and what to do about it."""
    if not isinstance(error, TocsinError):
        where = f"; details are in {log}" if log else ""
        sys.stderr.write(f"tocsin: something unforeseen happened ({type(error).__name__}){where}\n")
        return
    if not error.violations:
        sys.stderr.write(f"tocsin: {error.detail}{f' {_sentence(error.hint)}' if error.hint else ''}\n")
    for violation in error.violations:
        hint = f" ({violation.hint})" if violation.hint else ""
        sys.stderr.write(f"tocsin: {violation.pointer}: {violation.detail}{hint}\n")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")
