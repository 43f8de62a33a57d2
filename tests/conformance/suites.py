"""The registry of conformance suites, and what each reports.

A suite is a function from the folder of standards to an :class:`Outcome`. To add one, write a module beside this one and name
its function in :data:`SUITES` of ``__main__``.
"""

import json
import os
import pathlib
from collections.abc import Callable
from dataclasses import dataclass, field

ROOT = pathlib.Path(__file__).parents[2]


@dataclass(slots=True)
class Outcome:
    """What a suite found; ``failed`` says why, for a person."""

    suite: str
    passed: int = 0
    skipped: int = 0
    failed: list[str] = field(default_factory=list)

    def line(self) -> str:
        """One JSON line."""
        return json.dumps({"suite": self.suite, "passed": self.passed, "failed": len(self.failed), "skipped": self.skipped})


Suite = Callable[[pathlib.Path], Outcome]


def standards() -> pathlib.Path | None:
    """The folder with the texts of the standards, or ``None``: they are not part of this repository."""
    folder = pathlib.Path(os.environ.get("TOCSIN_STANDARDS") or ROOT / ".." / "shared" / "standards")  # noqa: TID251 - a test tool
    return folder.resolve() if folder.is_dir() else None
