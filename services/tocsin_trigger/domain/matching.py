"""Which triggers an event meets, without looking at those that cannot match.

Exact types are found in a table; prefixes (``com.example.*``) by looking up each prefix of the event's type, so the work
grows with the number of dots in a type and not with the number of triggers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tocsin_trigger.domain.deciding import Ready
from tocsin_trigger.domain.sources import WATCHED, CorrelationSource, EventSource, SignalSource, SubjectSource
from tocsin_trigger.domain.triggers import Trigger

ANY = "*"
_EVENT = "event"
_SIGNAL = "signal"


@dataclass(frozen=True, slots=True)
class Met:
    """A trigger that an event meets.

    Attributes:
        ready: The trigger.
        clauses: Of a correlation, those that listen to such an event; one without a name otherwise.
    """

    ready: Ready
    clauses: tuple[str, ...] = ("",)


Place = tuple[str, str, str]  # of what ("event" or "signal"), namespace, pattern


class TriggerIndex:
    """All triggers, by key and by what they listen to. Not shared between threads."""

    def __init__(self) -> None:
        """Empty."""
        self._by_key: dict[str, Ready] = {}
        self._by_place: dict[Place, dict[tuple[str, str], tuple[Met, str | None]]] = {}
        self._watched: dict[str, Ready] = {}

    def __len__(self) -> int:
        return len(self._by_key)

    def put(self, ready: Ready) -> None:
        """Add a trigger, or replace an older state of it; a newer one stays."""
        key = ready.trigger.key
        known = self._by_key.get(key)
        if known is not None:
            if known.revision > ready.revision:
                return
            self.drop(key)
        self._by_key[key] = ready
        if isinstance(ready.trigger.source, (*WATCHED, SubjectSource)):
            self._watched[key] = ready
        for clause, place, source in _places(ready.trigger):
            self._by_place.setdefault(place, {})[key, clause] = (Met(ready, (clause,)), source)

    def drop(self, key: str) -> None:
        """Forget a trigger, if it is there."""
        ready = self._by_key.pop(key, None)
        if ready is None:
            return
        self._watched.pop(key, None)
        for clause, place, _ in _places(ready.trigger):
            held = self._by_place[place]
            held.pop((key, clause))
            if not held:
                del self._by_place[place]

    def states(self) -> dict[str, tuple[str, int]]:
        """The id of each trigger and which state of it is known, by key."""
        return {key: (ready.trigger.id, ready.revision) for key, ready in self._by_key.items()}

    def known(self) -> list[str]:
        """The keys of all triggers."""
        return list(self._by_key)

    def get(self, key: str) -> Ready | None:
        """The trigger of this key."""
        return self._by_key.get(key)

    def watched(self) -> list[Ready]:
        """Triggers that look at something themselves."""
        return [ready for ready in self._watched.values() if isinstance(ready.trigger.source, WATCHED)]

    def subjects(self) -> list[Ready]:
        """Triggers that listen to somebody else's subjects."""
        return [ready for ready in self._watched.values() if isinstance(ready.trigger.source, SubjectSource)]

    def of_namespace(self, namespace: str) -> list[Ready]:
        """All triggers of a namespace, by name. Looks at every trigger: for explanations, not for deciding."""
        found = [ready for ready in self._by_key.values() if ready.trigger.namespace == namespace]
        return sorted(found, key=lambda ready: ready.trigger.name)

    def signals(self) -> set[tuple[str, str]]:
        """Entities and transitions (or ``*``) of signals that some trigger listens to."""
        return {
            (entity, transition)
            for kind, _, pattern in self._by_place
            if kind == _SIGNAL
            for entity, _, transition in [pattern.partition(".")]
        }

    def matching(self, namespace: str, event_type: str, source: str) -> list[Met]:
        """The triggers that a custom event meets, in the order of their names."""
        return self._met([(_EVENT, namespace, pattern) for pattern in _patterns(event_type)], source)

    def matching_signal(self, namespace: str, entity: str, transition: str) -> list[Met]:
        """The triggers that a signal meets, of any namespace, in the order of their names."""
        return self._met([(_SIGNAL, namespace, f"{entity}.{transition}"), (_SIGNAL, namespace, f"{entity}.{ANY}")], "")

    def _met(self, places: Sequence[Place], source: str) -> list[Met]:
        found: dict[str, Met] = {}
        by_place = self._by_place
        for place in places:
            held = by_place.get(place)
            if held is None:
                continue
            for (key, _), (met, wanted) in held.items():
                if wanted is None or wanted == source:
                    known = found.get(key)
                    found[key] = met if known is None else Met(met.ready, known.clauses + met.clauses)
        met_now = list(found.values())
        if len(met_now) > 1:
            met_now.sort(key=_name)
        return [met if len(met.clauses) == 1 else _in_order(met) for met in met_now]


def why_not(source: EventSource, event_type: str, event_source: str) -> str | None:
    """Why a trigger does not listen to an event; ``None`` when it does."""
    if source.type not in _patterns(event_type):
        return f"It listens to {source.type}; the event's type is {event_type}."
    if source.source not in {None, event_source}:
        return f"It listens to events of {source.source}; this one is of {event_source}."
    return None


def _places(trigger: Trigger) -> Iterator[tuple[str, Place, str | None]]:
    """Where a trigger is found, with the clause that is found there and the only source it is for."""
    source = trigger.source
    if isinstance(source, CorrelationSource):
        for clause in source.clauses:
            yield clause.name, *_place(trigger, clause.source)
    elif isinstance(source, EventSource | SignalSource):
        yield "", *_place(trigger, source)


def _place(trigger: Trigger, source: EventSource | SignalSource) -> tuple[Place, str | None]:
    if isinstance(source, SignalSource):
        return (_SIGNAL, source.namespace or trigger.namespace, f"{source.entity}.{source.transition}"), None
    return (_EVENT, trigger.namespace, source.type), source.source


def _name(met: Met) -> str:
    return met.ready.trigger.name


def _in_order(met: Met) -> Met:
    """In the order of the trigger's list, on which authors rely."""
    return Met(met.ready, tuple(name for name in met.ready.clauses if name in met.clauses))


def _patterns(event_type: str) -> Iterator[str]:
    yield event_type
    yield ANY
    at = event_type.find(".")
    while at != -1:
        yield event_type[: at + 1] + ANY
        at = event_type.find(".", at + 1)
