"""What became of a command to a run, whichever replica folds it.

The engine of this process says so as soon as it has decided. Another one's decision is read from what it saves: a run that has
met the command is saved with its position, and with the reason if the command was refused. So the answer is the same through
every replica, and also when the run's partition moves while somebody waits for it.
"""

import asyncio
from contextlib import suppress

from tocsin.errors import Unavailable
from tocsin_executor.application.host import Host
from tocsin_executor.domain.effects import Reply
from tocsin_executor.ports import RunStore
from tocsin_kit.clock import Clock

WITHIN = 3.0
"""Seconds for the engine to decide about a command; it is accepted all the same."""

_ELSEWHERE = 0.05  # seconds between looks at what another replica has saved
_HERE = 0.5  # seconds until that is done for a run of this replica as well, which may be so no longer


class Verdicts:
    """Finds out.

    Args:
        host: The engine of this process.
        store: Saved runs.
        clock: Time.
    """

    def __init__(self, host: Host, store: RunStore, clock: Clock) -> None:
        self._host = host
        self._store = store
        self._clock = clock

    async def of(self, run: str, command: str, position: int, reply: asyncio.Future[Reply]) -> str | None:
        """Why a command was refused; ``None`` if it was not, or if that is not known in time.

        Args:
            run: Whose it is.
            command: Its id.
            position: Of its input.
            reply: What the engine of this process says about it, if that decides.
        """
        until = self._clock.monotonic() + WITHIN
        while (left := until - self._clock.monotonic()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, _HERE if self._host.owns(run) else _ELSEWHERE)):
                    found = await asyncio.shield(reply)
                    return None if found.accepted else found.reason or "it does not say why"
            with suppress(Unavailable):
                stored = (await self._store.load([run])).get(run)
                if stored is not None and stored.position >= position:
                    reasons = (one["reason"] for one in stored.meta.decisions if one["input"] == command)
                    return next((str(reason) for reason in reasons), None)
        return None
