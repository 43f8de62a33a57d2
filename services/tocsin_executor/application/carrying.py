"""The data of events that runs emitted and that was too large for an event: found for whoever listens, within the namespace.

An address is something that anybody may write into an event, so it opens nothing by itself: the value is given out only if the
run that it names belongs to the listener's namespace and has such a value.
"""

from typing import Final

from tocsin_executor.application.host import Host
from tocsin_executor.domain.codec import decode_run
from tocsin_executor.domain.large import Large
from tocsin_executor.ports import RunStore
from tocsin_kit.clock import Clock

_LOOKS: Final = 10  # an event may be there a moment before the run that emitted it is saved
_AGAIN: Final = 0.3  # seconds between two looks


class Carrying:
    """Finds values of runs.

    Args:
        host: Runs that are live here.
        store: The others.
        clock: Time.
    """

    def __init__(self, host: Host, store: RunStore, clock: Clock) -> None:
        self._host = host
        self._store = store
        self._clock = clock

    async def find(self, namespace: str, run: str, digest: str) -> Large | None:
        """The reference to a large value of a run of a namespace; ``None`` if it has none, or is of another.

        Raises:
            Unavailable: The store does not answer.
        """
        for look in range(_LOOKS):
            live = self._host.live(run)
            head = live.state.head if live is not None else None
            if head is None and (stored := (await self._store.load([run])).get(run)) is not None:
                head = decode_run(run, stored.bodies, stored.values).head
            if head is not None and head.namespace != namespace:
                return None
            if head is not None and digest in head.large:
                return Large(digest, head.large[digest])
            if look + 1 < _LOOKS:
                await self._clock.sleep(_AGAIN)
        return None
