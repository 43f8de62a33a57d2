"""Ends tokens that were given to the code of tasks, when the tasks are over."""

from tocsin.errors import Conflict
from tocsin_auth.domain.sessions import RunTokenEnd
from tocsin_auth.ports import Records
from tocsin_kit.clock import Clock


class RunTokenEnds:
    """Remembers what is over. Services hear of it when they ask again, seconds later: it happens all the time.

    Args:
        ends: By the ``sid`` of the tokens.
        clock: Time.
    """

    def __init__(self, ends: Records[RunTokenEnd], clock: Clock) -> None:
        self._ends, self._clock = ends, clock

    async def end(self, session: str) -> None:
        """Refuse it from now on; again is fine."""
        entry = await self._ends.load(session)
        if entry.value is not None:
            return
        try:
            await self._ends.commit(entry, RunTokenEnd(self._clock.now()))
        except Conflict:
            return  # another replica has heard of it as well
