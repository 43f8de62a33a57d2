"""What a trigger may listen to besides webhooks: values only; who brings their events is the adapters' business.

A further kind (a broker, OpenLineage) is a further class here and a branch where sources are told apart; mypy names those
places.
"""

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class EventSource:
    """Custom events of a namespace.

    Attributes:
        type: A CloudEvents type, or a prefix of whole segments that ends with ``.*``, or ``*`` for all.
        source: Only events with this source; ``None`` for any.
    """

    type: str
    source: str | None = None


@dataclass(frozen=True, slots=True)
class SignalSource:
    """Signals of the platform: changes of state of runs, tasks, assets, cases, schedules, logins, ...

    Attributes:
        entity: Third token of a signal's subject, e.g. ``run``.
        transition: Fourth token, e.g. ``failed``; ``*`` for all of the entity.
        namespace: Whose signals; ``None`` for the trigger's own.
    """

    entity: str
    transition: str
    namespace: str | None = None


class Role(Enum):
    """What a clause's event means for a correlation."""

    #: One of what is to come together.
    PART = "part"
    #: Empties what has come together so far.
    RESET = "reset"
    #: After this, another is expected (of an absence).
    AFTER = "after"
    #: The one that is expected (of an absence).
    EXPECTED = "expected"


@dataclass(frozen=True, slots=True)
class Clause:
    """One of several kinds of events of a correlation.

    Attributes:
        name: Unique in its trigger; the run's input has the events under it.
        role: What it means.
        source: Which events.
        filter: jq condition over the event.
        cesql: CESQL condition over its attributes.
        key: jq path in this clause's events to what they have in common with the others; ``None``: that of the trigger.
    """

    name: str
    role: Role
    source: EventSource | SignalSource
    filter: str | None = None
    cesql: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class CorrelationSource:
    """Several kinds of events that belong together.

    Attributes:
        clauses: In the order in which an event is offered to them.
    """

    clauses: tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class ManualSource:
    """A person or a program, with a form made from the trigger's schema."""


BusSource: TypeAlias = EventSource | SignalSource | CorrelationSource
