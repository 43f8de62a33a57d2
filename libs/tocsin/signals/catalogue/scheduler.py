"""Signals of the scheduler: what happens to a schedule, and each of its firings."""

from pydantic import Field

from tocsin.signals.changes import Changed
from tocsin.signals.kinds import AwareDatetime, Name, Payload, Reason, Severity, Shelf

SHELF = Shelf("scheduler")


class ScheduleChanged(Changed):
    """Data of the signals about a schedule itself."""

    name: Name
    kind: str = Field(description="cron, interval, ...")
    workflow: Name = Field(description="What it starts.")
    next_at: AwareDatetime | None = Field(None, description="When it fires next; absent when it does not.")
    reason: Reason | None = None


class ScheduleDeleted(Changed):
    """Data of `schedule.deleted`."""

    name: Name


class ScheduleFired(Payload):
    """Data of `schedule.fired`."""

    name: Name
    due_at: AwareDatetime = Field(description="The instant. For each schedule and instant there is one firing.")
    run: str = Field(description="Id of the run that it starts.")
    next_at: AwareDatetime | None = None
    late: bool = Field(False, description="Whether it was caught up: nobody could fire it in time.")
    workflow: Name | None = Field(None, description="What it starts.")


class ScheduleRetried(Payload):
    """Data of `schedule.retried`."""

    name: Name
    due_at: AwareDatetime = Field(description="The instant whose start was refused.")
    run: str = Field(description="Id of the run that is asked for now.")
    attempt: int = Field(ge=2)


class ScheduleSkipped(Payload):
    """Data of `schedule.skipped`."""

    name: Name
    due_at: AwareDatetime = Field(description="The instant that did not fire.")
    reason: Reason


class ScheduleMissed(Payload):
    """Data of `schedule.missed`."""

    name: Name
    first_at: AwareDatetime
    last_at: AwareDatetime
    count: int = Field(ge=1, description="How many instants were missed; counted up to 1000.")
    action: str = Field(description="What was done about them: skipped, fired once, fired all.")


class BackfillChanged(Changed):
    """Data of the signals about a backfill."""

    name: Name
    workflow: Name = Field(description="What it starts.")
    schedule: Name | None = Field(None, description="Whose instants it makes up for, if it is for a schedule.")
    total: int = Field(ge=0, description="How many items it has, each with a run of its own.")
    completed: int = Field(0, ge=0)
    failed: int = Field(0, ge=0, description="Their run has faulted or was refused.")
    cancelled: int = Field(0, ge=0)
    reason: Reason | None = None


SCHEDULE_CREATED = SHELF.add("schedule", "created", ScheduleChanged, "A schedule was created.")
SCHEDULE_UPDATED = SHELF.add("schedule", "updated", ScheduleChanged, "A schedule was changed.")
SCHEDULE_PAUSED = SHELF.add("schedule", "paused", ScheduleChanged, "A schedule was paused and does not fire.")
SCHEDULE_RESUMED = SHELF.add("schedule", "resumed", ScheduleChanged, "A paused schedule fires again.")
SCHEDULE_DELETED = SHELF.add("schedule", "deleted", ScheduleDeleted, "A schedule was deleted.")
SCHEDULE_FIRED = SHELF.add("schedule", "fired", ScheduleFired, "A schedule fired and started a run.")
SCHEDULE_RETRIED = SHELF.add(
    "schedule", "retried", ScheduleRetried, "The start for an instant was refused before, and is tried again."
)
SCHEDULE_SKIPPED = SHELF.add(
    "schedule", "skipped", ScheduleSkipped, "An instant did not fire, because of the schedule's policy."
)
SCHEDULE_MISSED = SHELF.add(
    "schedule", "missed", ScheduleMissed, "Instants went by while nobody could fire.", severity=Severity.WARN
)
BACKFILL_STARTED = SHELF.add("backfill", "started", BackfillChanged, "A backfill began to start runs.")
BACKFILL_COMPLETED = SHELF.add("backfill", "completed", BackfillChanged, "Every item of a backfill had its run.")
BACKFILL_CANCEL_REQUESTED = SHELF.add(
    "backfill", "cancel-requested", BackfillChanged, "Somebody cancelled a backfill; its runs are told to end."
)
BACKFILL_CANCELLED = SHELF.add(
    "backfill", "cancelled", BackfillChanged, "A backfill was cancelled, and none of its runs goes on."
)
