"""Which triggers an event meets, without looking at those that cannot match.

Exact types are found in a table; prefixes (``com.example.*``) by looking up each prefix of the event's type, so the work
grows with the number of dots in a type and not with the number of triggers.
"""

from collections.abc import Iterator

from tocsin_trigger.domain.deciding import Ready
from tocsin_trigger.domain.triggers import EventSource

ANY = "*"


class TriggerIndex:
    """All triggers, by key and by what they listen to. Not shared between threads."""

    def __init__(self) -> None:
        """Empty."""
        self._by_key: dict[str, Ready] = {}
        self._by_type: dict[tuple[str, str], dict[str, Ready]] = {}

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
        if isinstance(ready.trigger.source, EventSource):
            self._by_type.setdefault(_place(ready, ready.trigger.source), {})[key] = ready

    def drop(self, key: str) -> None:
        """Forget a trigger, if it is there."""
        ready = self._by_key.pop(key, None)
        if ready is None or not isinstance(ready.trigger.source, EventSource):
            return
        place = _place(ready, ready.trigger.source)
        held = self._by_type[place]
        held.pop(key)
        if not held:
            del self._by_type[place]

    def clear(self) -> None:
        """Forget all."""
        self._by_key.clear()
        self._by_type.clear()

    def get(self, key: str) -> Ready | None:
        """The trigger of this key."""
        return self._by_key.get(key)

    def of_namespace(self, namespace: str) -> list[Ready]:
        """All triggers of a namespace, by name. Looks at every trigger: for explanations, not for deciding."""
        found = [ready for ready in self._by_key.values() if ready.trigger.namespace == namespace]
        return sorted(found, key=lambda ready: ready.trigger.name)

    def matching(self, namespace: str, event_type: str, source: str) -> list[Ready]:
        """The triggers that an event meets, in the order of their names."""
        found: list[Ready] = []
        for pattern in _patterns(event_type):
            held = self._by_type.get((namespace, pattern))
            if held:
                found += [ready for ready in held.values() if _wants(ready, source)]
        if len(found) > 1:
            found.sort(key=lambda ready: ready.trigger.name)
        return found


def why_not(source: EventSource, event_type: str, event_source: str) -> str | None:
    """Why a trigger does not listen to an event; ``None`` when it does."""
    if source.type not in _patterns(event_type):
        return f"It listens to {source.type}; the event's type is {event_type}."
    if source.source not in {None, event_source}:
        return f"It listens to events of {source.source}; this one is of {event_source}."
    return None


def _place(ready: Ready, source: EventSource) -> tuple[str, str]:
    return ready.trigger.namespace, source.type


def _wants(ready: Ready, source: str) -> bool:
    wanted = ready.trigger.source
    return isinstance(wanted, EventSource) and wanted.source in {None, source}


def _patterns(event_type: str) -> Iterator[str]:
    yield event_type
    yield ANY
    at = event_type.find(".")
    while at != -1:
        yield event_type[: at + 1] + ANY
        at = event_type.find(".", at + 1)
