"""The end of a run sets an instant of the schedules that follow its workflow."""

from dataclasses import replace
from datetime import datetime

from tocsin.signals import Cause
from tocsin_scheduler.domain.schedules import Outcome, Pending, Schedule, Status, planned

HEARD = 200  # signals that are recognised when they come again: many more than are in hand at a time
PENDING_LIMIT = 1000  # instants ahead; ends that set the same instant count once


def happened(schedule: Schedule, outcome: Outcome, end: datetime, cause: Cause) -> Schedule | None:
    """The schedule after the end of a run of the workflow that it follows.

    Args:
        schedule: As it was loaded.
        outcome: How the run ended.
        end: When.
        cause: The signal that said so.

    Returns:
        ``None`` when it changes nothing: another outcome is wanted, it is paused, or it has been heard before.
    """
    follows = schedule.when.follows
    if follows is None or outcome.value not in follows.outcomes or schedule.status is not Status.ACTIVE:
        return None
    if cause.id in schedule.heard:
        return None
    at = schedule.when.set_by(end)
    known = {pending.at for pending in schedule.pending}
    if at is None or (at not in known and len(known) >= PENDING_LIMIT):
        return None
    pending = schedule.pending if at in known else (*schedule.pending, Pending(at, cause))
    ordered = tuple(sorted(pending, key=lambda each: each.at))
    return planned(replace(schedule, pending=ordered, heard=(*schedule.heard, cause.id)[-HEARD:]))


def workflow_of(name: str, run: str, namespace: str) -> str | None:
    """The workflow in the qualified name of a run, ``<workflow>-<run>.<namespace>``."""
    tail = f"-{run}.{namespace}"
    return name.removesuffix(tail) if name.endswith(tail) else None
