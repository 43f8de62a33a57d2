"""What becomes of events that left a group together: a record, its signal, and the command that starts the run."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tocsin.errors import Rejected
from tocsin.signals import CloudEvent, root
from tocsin.signals.catalogue.trigger import GATHERING_FIRED, GATHERING_LAPSED
from tocsin_kit.store import Creation
from tocsin_trigger.application.saying import cause_of, start_command
from tocsin_trigger.application.voice import Voice
from tocsin_trigger.domain.deciding import Ready, Start, as_json, start_alone, start_together
from tocsin_trigger.domain.events import Gathering, gathering_id
from tocsin_trigger.domain.gathering import End, Ending
from tocsin_trigger.domain.grouping import Slot
from tocsin_trigger.domain.rules import Throttle


@dataclass(frozen=True, slots=True)
class Left:
    """Events that left a group.

    Attributes:
        slot: The group, after it.
        ready: Its trigger as it is now; ``None`` when it is gone.
        ending: They, and how.
    """

    slot: Slot
    ready: Ready | None
    ending: Ending

    @property
    def keys(self) -> list[str]:
        """Of the events."""
        return [held.event for held in self.ending.held]


def conclude(left: Left, events: Mapping[str, CloudEvent]) -> Creation[Gathering]:
    """The record with what is to be said.

    Args:
        left: What left its group.
        events: By key; one that is not there any more (retention) is left out.
    """
    slot, ending, keys = left.slot, left.ending, left.keys
    key = gathering_id(slot.trigger, keys)
    last = next((events[each] for each in reversed(keys) if each in events), None)
    cause = root(key) if last is None else cause_of(last, keys[-1])[0]
    record = Gathering(
        key=key,
        namespace=slot.namespace,
        trigger=slot.trigger,
        name=slot.name,
        workflow=slot.workflow if left.ready is None else left.ready.trigger.target.workflow,
        group=slot.group,
        outcome=ending.end.value,
        why=ending.why[:500],
        opened=ending.held[0].at,
        closed=ending.at,
        events=tuple(keys),
    )
    voice = Voice(slot.namespace, slot.touched, cause)
    if ending.end is not End.FIRED:
        return _said(record, voice)
    start = None
    try:
        record, start = _start(record, left, events)
        command = None if start is None else start_command(start, keys[-1], voice)
    except Rejected as error:
        return _said(replace(record, outcome="failed", why=error.detail[:500]), voice)
    creation = _said(record if start is None else replace(record, run=start.run), voice)
    return creation if command is None else replace(creation, outbox=[*creation.outbox, command])


def _start(record: Gathering, left: Left, events: Mapping[str, CloudEvent]) -> tuple[Gathering, Start | None]:
    ready = left.ready
    if ready is None or ready.trigger.status != "active":
        outcome = "deleted" if ready is None else ready.trigger.status
        return replace(record, outcome=outcome, why=f"it was complete ({record.why}), but the trigger was {outcome}"), None
    held = [(each.clause, as_json(events[each.event])) for each in left.ending.held if each.event in events]
    gather = ready.trigger.gather
    if gather is not None and isinstance(gather.rule, Throttle) and held:
        decision, start = start_alone(ready, held[0][1], left.keys[0])
        return (record if start else replace(record, outcome="failed", why=decision.reason or "")), start
    return record, start_together(ready, record.key, record.group, record.why, held)


def _said(record: Gathering, voice: Voice) -> Creation[Gathering]:
    kind = GATHERING_LAPSED if record.run is None else GATHERING_FIRED
    told: dict[str, object] = {
        "trigger": record.name,
        "key": record.group,
        "outcome": record.outcome,
        "events": len(record.events),
        "reason": record.why,
    }
    if record.run is not None:
        told["run"] = record.run
    return Creation(record.key, record, [voice.signal(kind, record.key, told)])
