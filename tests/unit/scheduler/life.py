"""A schedule that lives through decisions, in minutes after its start."""

from datetime import UTC, datetime, timedelta

from tocsin_scheduler.domain.firing import Decision, Skip, ended, settle
from tocsin_scheduler.domain.schedules import Outcome, Policy, Schedule, Start, planned
from tocsin_scheduler.domain.timetables import When

START = datetime(2024, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def schedule(expression: str = "*/10 * * * *", *, when: dict[str, object] | None = None, **policy: object) -> Schedule:
    made = Schedule(
        namespace="default",
        name="s",
        generation=1,
        when=When(expression=expression, anchor=START, **(when or {})),
        start=Start(workflow="w"),
        policy=Policy(**policy),
        settled=START,
        created_at=START,
        updated_at=START,
        actor="user:a",
    )
    return planned(made)


class Life:
    """A schedule through time."""

    def __init__(self, known: Schedule) -> None:
        self.known = known
        self.decisions: list[Decision] = []

    def _take(self, decision: Decision | None) -> Decision | None:
        if decision is not None:
            self.known = decision.schedule
            self.decisions.append(decision)
        return decision

    def at(self, minutes: float) -> "Life":
        """Decide about everything that is due."""
        while self._take(settle(self.known, START + minutes * MINUTE)) is not None:
            assert len(self.decisions) < 5000
        return self

    def ends(self, minutes: float, outcome: Outcome = Outcome.COMPLETED) -> "Life":
        """The oldest run ends."""
        self._take(ended(self.known, {self.known.going[0].run: outcome}, START + minutes * MINUTE))
        return self

    @property
    def fired(self) -> list[int]:
        """Minutes after the start."""
        return [int((f.at - START) / MINUTE) for d in self.decisions for f in d.firings]

    @property
    def skipped(self) -> list[tuple[int, Skip]]:
        return [(int((at - START) / MINUTE), why) for d in self.decisions for at, why in d.skipped]

    @property
    def cancels(self) -> list[str]:
        return [run for d in self.decisions for run in d.cancels]
