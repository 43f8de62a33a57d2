"""Forgets what happened long ago, so that the history of an asset does not grow without end."""

from datetime import timedelta

from tocsin_kit.clock import Clock
from tocsin_lineage.ports import AssetStore, EventStore

WHEN = "23 3 * * *"  # at night, when others sleep


class Forgetting:
    """The periodic work of lineage; every replica may do it.

    Args:
        store: What happened to assets.
        events: Foreign events.
        history: How long both are kept.
        clock: Time.
    """

    def __init__(self, store: AssetStore, events: EventStore, *, history: timedelta, clock: Clock) -> None:
        self._store = store
        self._events = events
        self._history = history
        self._clock = clock

    async def tidy(self) -> int:
        """Forget what is older; how much it was."""
        before = self._clock.now() - self._history
        return await self._store.forget(before) + await self._events.forget(before)
