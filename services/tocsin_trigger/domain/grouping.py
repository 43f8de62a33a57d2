"""What a trigger remembers about one key, as it is stored, and how an event or the time changes it."""

from dataclasses import dataclass, replace
from datetime import datetime

from tocsin_trigger.domain.deciding import Ready, Waiting, decision_of
from tocsin_trigger.domain.events import Decision, Outcome, group_id
from tocsin_trigger.domain.gathering import End, Ending, Enough, Fate, Group, Held, Taken, due_of, elapse, never, take
from tocsin_trigger.domain.sources import Role
from tocsin_trigger.domain.triggers import Trigger

_OUTCOMES = {
    Fate.HELD: Outcome.COLLECTED,
    Fate.FIRED: Outcome.STARTED,
    Fate.LIMITED: Outcome.LIMITED,
    Fate.NOTED: Outcome.NOTED,
    Fate.CLEARED: Outcome.CLEARED,
    Fate.NOT_AWAITED: Outcome.NOT_AWAITED,
}


@dataclass(frozen=True, slots=True)
class Slot:
    """One group of one trigger.

    Attributes:
        trigger: The trigger's id.
        namespace: The trigger's.
        name: The trigger's.
        workflow: What it starts.
        group: What the events have in common.
        state: What is held.
        due: When time alone changes it; ``None`` for never.
        touched: When it was last changed.
        direct: Its events come by a request and not by a stream, so no earlier one can still be on its way.
    """

    trigger: str
    namespace: str
    name: str
    workflow: str
    group: str
    state: Group
    due: datetime | None
    touched: datetime
    direct: bool = False

    @property
    def id(self) -> str:
        """What it is stored under."""
        return group_id(self.trigger, self.group)


def fresh(trigger: Trigger, group: str, now: datetime, *, direct: bool) -> Slot:
    """A group in which nothing has come yet."""
    named = (trigger.id, trigger.namespace, trigger.name, trigger.target.workflow)
    return Slot(*named, group, Group(), None, now, direct)


def fold(waiting: Waiting, slot: Slot, arrival: Held, enough: Enough = never) -> tuple[Slot, Decision, tuple[Ending, ...]]:
    """An event that fits comes to its group.

    Args:
        waiting: It.
        slot: The group.
        arrival: As it is held.
        enough: As in :func:`take`.

    Returns:
        The group, what is decided about the event (``STARTED`` without a run: the caller knows it), and what left the group.
    """
    ready = waiting.ready
    gather = ready.trigger.gather
    assert gather is not None
    clause = _clause(waiting, slot.state)
    role = ready.clauses[clause].clause.role if clause else Role.PART
    taken: Taken = take(gather.rule, slot.state, replace(arrival, clause=clause), role, enough)
    why = taken.why[:1].upper() + taken.why[1:] + "."
    decision = decision_of(ready.trigger, _OUTCOMES[taken.fate], why, group=waiting.group)
    due = due_of(gather.rule, taken.group)
    return replace(slot, state=taken.group, due=due, touched=arrival.at), decision, taken.endings


def pass_time(slot: Slot, ready: Ready | None, until: datetime) -> tuple[Slot, tuple[Ending, ...]]:
    """Time passes for a group whose deadline has come.

    Args:
        slot: The group.
        ready: Its trigger as it is now; ``None`` when it is gone.
        until: The time.
    """
    gather = None if ready is None else ready.trigger.gather
    if gather is None:
        why = "the trigger was deleted" if ready is None else "the trigger's condition was taken away"
        left = [Ending(End.LAPSED, slot.state.held, until, why)] if slot.state.held else []
        return replace(slot, state=Group(at=until), due=None, touched=until), tuple(left)
    state, endings = elapse(gather.rule, slot.state, until)
    return replace(slot, state=state, due=due_of(gather.rule, state), touched=until), endings


def _clause(waiting: Waiting, state: Group) -> str:
    """The first clause that it fits and that nothing is held for; else the first."""
    held = {each.clause for each in state.held}
    return next((name for name in waiting.clauses if name not in held), waiting.clauses[0])
