"""The limits that the page for authors states are those of the code."""

from datetime import timedelta
from pathlib import Path

from tocsin.definitions import limits as document
from tocsin.expressions import amplifiers, durations, program
from tocsin.signals import nesting, subjects
from tocsin.signals.ids import DEPTH_LIMIT
from tocsin_executor.application.correlator import EVENT_LIMIT
from tocsin_executor.application.definitions import VERSIONS
from tocsin_executor.domain import imports, large
from tocsin_executor.domain.compile import builder, iterating
from tocsin_executor.domain.compile import listening as lookback
from tocsin_executor.domain.fold import JUMPS
from tocsin_executor.domain.ops import composite, listening, trying, work
from tocsin_executor.domain.receive import MAX_LOST
from tocsin_executor.domain.undoing import MAX_UNDO
from tocsin_executor.worker.tasks import VALUE_LIMIT
from tocsin_trigger.domain.triggers import BODY_LIMIT

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "write-a-workflow.md"
KIB, MIB = 1024, 1024 * 1024

STATED = {
    "Text of a document": f"{document.LARGEST_BYTES // MIB} MiB",
    "Nesting of its text, and of its tasks": f"{document.DEEPEST}",
    "Nesting of a value; of a message or request around it": f"{nesting.DEEPEST}; {nesting.DEEPEST_MESSAGE}",
    "Values in it, with YAML aliases written out": f"{document.MOST_VALUES:,}",
    "Tasks in one list": f"{document.MOST_TASKS:,}",
    "Expressions in it": f"{document.MOST_EXPRESSIONS:,}",
    "Characters of an expression": f"{program.LONGEST:,}",
    "A string that an expression repeats": f"{amplifiers.LONGEST // KIB} KiB",
    "Branches of a fork": f"{builder.MAX_BRANCHES}",
    "Functions and schemas from elsewhere": f"{imports.MOST}",
    "Versions of a workflow": f"{VERSIONS}",
    "Items of a `for`": f"{composite.MAX_ITEMS:,}",
    "Items of a `for` alive at once": f"{iterating.MAX_CONCURRENCY:,}",
    "Jumps back without waiting for anything": f"{JUMPS:,}",
    "Retries of one `try`": f"{trying.MAX_RETRIES:,}",
    "Attempts of a task that are lost with their workers": f"{MAX_LOST}",
    "Sub-workflows inside one another": f"{work.MAX_DEPTH}",
    "Events that cause one another": f"{DEPTH_LIMIT}",
    "Events that one `listen` consumes, messages that an AsyncAPI `foreach` gives outputs for": f"{listening.MAX_EVENTS:,}",
    "How far `lookback` looks": f"{lookback.MAX_LOOKBACK // 3_600_000} hours",
    "Bytes of a custom event": f"{BODY_LIMIT // KIB} KiB",
    "Bytes of the subject that an event's type makes": f"{subjects.LONGEST:,}",
    "One value": f"{VALUE_LIMIT // MIB} MiB",
    "All large values of a run": f"{large.RUN_LIMIT // MIB} MiB",
    "Tasks to undo": f"{MAX_UNDO:,}",
    "A duration": f"{durations.LONGEST // timedelta(days=365)} years",
}


def test_the_page_states_the_limits_of_the_code() -> None:
    """Each with its number; a limit that changes fails here."""
    section = PAGE.read_text(encoding="utf-8").partition("\n## Limits\n")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in section.splitlines() if line.startswith("| ")]
    assert {row[0]: row[1] for row in rows[1:] if not row[0].startswith("---")} == STATED


def test_whatever_the_trigger_service_takes_a_run_can_hear() -> None:
    """A webhook's event may have twice the bytes of its body."""
    assert EVENT_LIMIT == 2 * BODY_LIMIT


def test_nesting_is_limited_once() -> None:
    """The text and the engine have the same limit, as the page says."""
    assert document.DEEPEST == builder.MAX_SCOPES == work.MAX_DEPTH
    assert document.MOST_TASKS == builder.MAX_TASKS
