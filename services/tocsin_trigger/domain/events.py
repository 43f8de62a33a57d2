"""What came in and what was decided about it, as it is recorded."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from tocsin.signals import CloudEvent, derive


class Channel(Enum):
    """How an event came in."""

    WEBHOOK = "webhook"
    BUS = "bus"
    SIGNAL = "signal"
    MANUAL = "manual"
    WATCH = "watch"


class Outcome(Enum):
    """What one trigger decided about one event."""

    #: A run was started.
    STARTED = "started"
    #: The filter said no.
    FILTERED = "filtered"
    #: The data does not fit the trigger's schema.
    SCHEMA_INVALID = "schema_invalid"
    #: The trigger was paused.
    PAUSED = "paused"
    #: The trigger was disabled.
    DISABLED = "disabled"
    #: The filter or the mapping failed on this event.
    FAILED = "failed"
    #: The chain of causes is too long; it probably feeds itself.
    CHAIN_STOPPED = "chain_stopped"
    #: It waits for others, or for its time.
    COLLECTED = "collected"
    #: There were too many.
    LIMITED = "limited"
    #: It was expected and came; the time until the next one began.
    NOTED = "noted"
    #: It ended the waiting of others.
    CLEARED = "cleared"
    #: Nothing waited for it.
    NOT_AWAITED = "not_awaited"
    #: The trigger remembers as many keys as it may.
    CROWDED = "crowded"


@dataclass(frozen=True, slots=True)
class Decision:
    """What one trigger decided.

    Attributes:
        trigger: Its id.
        name: Its name then.
        kind: Its kind.
        workflow: What it would start.
        outcome: The decision.
        reason: Why, for the outcomes that need it.
        run: The run it started.
        group: What it has in common with others, of a trigger with a memory.
        refused: Why the run did not begin after all, as the executor says; ``None`` otherwise.
    """

    trigger: str
    name: str
    kind: str
    workflow: str
    outcome: Outcome
    reason: str | None = None
    run: str | None = None
    group: str | None = None
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class Gathering:
    """Events that left a group of a trigger together, and what became of them.

    Attributes:
        key: Names it; derived from its events.
        namespace: Of the trigger.
        trigger: Its id.
        name: Its name then.
        workflow: What it would start.
        group: What the events have in common.
        outcome: ``fired``, ``lapsed``, ``cleared``; or why a complete group started nothing: ``paused``, ``disabled``,
            ``deleted``, ``failed``.
        why: In words.
        opened: When the first event came.
        closed: When they left.
        events: Their keys, oldest first.
        run: The run it started.
        refused: Why the run did not begin after all.
    """

    key: str
    namespace: str
    trigger: str
    name: str
    workflow: str
    group: str
    outcome: str
    why: str
    opened: datetime
    closed: datetime
    events: tuple[str, ...]
    run: str | None = None
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """One event that came in, or something that was refused.

    Attributes:
        key: Names it in the API; derived from what it is, so that a repeat has the same.
        namespace: Where.
        channel: How.
        received: When.
        id: CloudEvents id; of something refused, what could be read of it.
        source: CloudEvents source.
        type: CloudEvents type.
        size: Bytes of the body.
        trigger: The webhook it came by.
        refused: Code of the refusal, or ``None``.
        reason: Of the refusal.
        suppressed: Refusals that were not recorded one by one since the last one that was.
        repeats: How often it was sent again.
        replay_of: Key of the record that this one is a replay of.
        decisions: Of every trigger it met.
        event: The event in structured JSON; ``None`` for something refused.
    """

    key: str
    namespace: str
    channel: Channel
    received: datetime
    id: str | None
    source: str | None
    type: str | None
    size: int
    trigger: str | None = None
    refused: str | None = None
    reason: str | None = None
    suppressed: int = 0
    repeats: int = 0
    replay_of: str | None = None
    decisions: tuple[Decision, ...] = ()
    event: bytes | None = None


def bus_key(namespace: str, event: CloudEvent) -> str:
    """Names an event from the bus: its source and id, as CloudEvents says, within its namespace."""
    return key_of_event(namespace, event.source, event.id)


def key_of_event(namespace: str, source: str, event_id: str) -> str:
    """The same from its parts."""
    return derive("event", namespace, source, event_id)


def webhook_key(trigger_id: str, message: str) -> str:
    """Names a webhook's event. Apart from :func:`bus_key`, so that nobody on the bus can occupy a partner's id."""
    return derive("webhook", trigger_id, message)


def run_id(trigger_id: str, event_key: str) -> str:
    """The run that a trigger starts for an event: one firing, however often it is decided."""
    return derive("run", trigger_id, event_key)


def decision_id(trigger_id: str, event_key: str) -> str:
    """Names a decision."""
    return derive("decision", trigger_id, event_key)


def group_id(trigger_id: str, group: str) -> str:
    """Names what a trigger remembers about one key."""
    return derive("group", trigger_id, group)


def gathering_id(trigger_id: str, events: Sequence[str]) -> str:
    """Names events that left a group together; an event leaves once."""
    return derive("gathering", trigger_id, *events)


def signal_key(namespace: str, signal: CloudEvent) -> str:
    """Names a signal that a trigger of ``namespace`` met."""
    return derive("met", namespace, signal.source, signal.id)


def named_key(trigger_id: str, what: str, event: str) -> str:
    """Names an event that one trigger brings itself: of a request by name, of something it watches."""
    return derive("named", trigger_id, what, event)
