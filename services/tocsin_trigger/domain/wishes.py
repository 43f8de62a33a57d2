"""What a published definition asks for with ``schedule.on``: the trigger that belongs to it, and is not a person's to edit."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tocsin.definitions import StartEvents, StartFilter
from tocsin.expressions import Json
from tocsin.signals.catalogue import CATALOGUE
from tocsin_trigger.domain.rules import LONGEST, Collect, Correlate, Gather
from tocsin_trigger.domain.sources import Clause, CorrelationSource, EventSource, Role, SignalSource
from tocsin_trigger.domain.triggers import Target, Trigger

RESERVED: Final = "definition."  # no workflow and no name that a person gives has a dot


@dataclass(frozen=True, slots=True)
class Wish:
    """What the newest version of a workflow asks for.

    Attributes:
        namespace: Of the workflow.
        workflow: Its name.
        number: Of the definition's signal that said it; a lower one is older.
        schedule: Its ``schedule`` block, as far as it is about events; ``None`` when it asks for nothing.
    """

    namespace: str
    workflow: str
    number: int
    schedule: Json


DATA: Final = "if .data != null then .data elif .dataref != null then {dataref: .dataref} else .data_base64 end"
"""What an event carries; of data that lies elsewhere its address, since nothing would look as if there were none."""


def managed_name(workflow: str) -> str:
    """Name of the trigger that belongs to a definition."""
    return f"{RESERVED}{workflow}"


def managed_trigger(wish: Wish, on: StartEvents, now: datetime) -> Trigger:
    """The trigger that a definition asks for.

    Each event starts a run; or, with ``all``, one of each kind together do; or, with ``until``, all that came until then. The
    input is the list of the events, or of their data.
    """
    together = on.collects or (on.every and len(on.filters) > 1)
    parts = tuple(_clause(f"event-{n}", Role.PART, each, keyed=together) for n, each in enumerate(on.filters, 1))
    ends = tuple(_clause(f"until-{n}", Role.END, each, keyed=True) for n, each in enumerate(on.until, 1))
    gather = None
    if on.collects:
        condition = on.until_condition
        until = condition if condition is None or on.whole else f"map({DATA}) | ({condition})"
        gather = Gather(Collect(LONGEST, tuple(end.name for end in ends), len(ends) if on.until_every else 1, until))
    elif together:
        gather = Gather(Correlate(len(parts), LONGEST))
    if together:
        made = "${ .events }" if on.whole else f"${{ .events | map({DATA}) }}"
    else:
        made = "${ [.] }" if on.whole else f"${{ [{DATA}] }}"
    return Trigger(
        id="",
        namespace=wish.namespace,
        name=managed_name(wish.workflow),
        source=CorrelationSource((*parts, *ends)),
        target=Target(wish.workflow),
        input=made,
        gather=gather,
        created=now,
        updated=now,
    )


def _clause(name: str, role: Role, each: StartFilter, *, keyed: bool) -> Clause:
    return Clause(name, role, _source(each), each.condition, None, each.key if keyed else None, each.match)


def _source(each: StartFilter) -> EventSource | SignalSource:
    kind = CATALOGUE.get(each.type) if "*" not in each.type else None
    return EventSource(each.type, each.source) if kind is None else SignalSource(kind.entity, kind.transition)
