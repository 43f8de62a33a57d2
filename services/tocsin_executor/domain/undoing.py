"""Undoing: what a run that fails or is cancelled does about the tasks that it has completed, the last one first."""

from tocsin_executor.domain.state import Head
from tocsin_executor.domain.values import ErrorKind, Json, Problem, problem

MAX_UNDO = 1_000
"""Completed tasks that a run can undo; more would not fit into its state."""


def remember(head: Head, node: int, output: Json) -> Problem | None:
    """A task has completed that can be undone; why that cannot be kept, or ``None``."""
    if len(head.undo) >= MAX_UNDO:
        return problem(ErrorKind.RUNTIME, f"more than {MAX_UNDO} tasks of the run are to be undone")
    head.undo.append((node, output))
    return None


def not_undone(error: Problem | None, why: Problem) -> Problem:
    """The run's error, with what could not be undone; the rest is undone all the same."""
    before = error or problem(ErrorKind.RUNTIME, "something that the run has done could not be undone", title="Not Undone")
    listed = before.get("notUndone")
    entries: list[Json] = listed if isinstance(listed, list) else []
    about: dict[str, Json] = {name: why.get(name) for name in ("instance", "title", "detail")}
    return {**before, "notUndone": [*entries, about]}
