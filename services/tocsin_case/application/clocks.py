"""The timer of all cases: looks for clocks that are due, lets them breach, and says so.

Its memory is the database, so that it survives restarts and any number of replicas may run it: the revision of the case
decides which of them says it.
"""

from datetime import timedelta

from tocsin.errors import Conflict
from tocsin.signals import root
from tocsin.signals.catalogue import case as words
from tocsin_case.application.announcing import Said, announce
from tocsin_case.domain.cases import Case, check_clocks
from tocsin_case.domain.rules import PLATFORM
from tocsin_case.ports import CaseStore
from tocsin_kit.clock import Clock
from tocsin_kit.store import Entry

EVERY = timedelta(seconds=1)  # promises are made in minutes; a breach is told within a second
BATCH = 200


class ClockKeeper:
    """Watches the clocks.

    Args:
        store: Where cases are.
        clock: Time.
    """

    def __init__(self, store: CaseStore, *, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def check(self) -> int:
        """Let all clocks that are due breach; how many cases had one."""
        now = self._clock.now()
        due = await self._store.due(now, limit=BATCH)
        for entry in due:
            await self._breach(entry)
        return len(due)

    async def _breach(self, entry: Entry[Case]) -> None:
        before = entry.value
        if before is None:
            return
        now = self._clock.now()
        case, names = check_clocks(before, now)
        dues = {"response": before.response, "resolution": before.resolving}
        said: list[Said] = [
            (words.CASE_BREACHED, words.CaseBreached(clock=name, due=clock.due))
            for name in names
            if (clock := dues[name]) is not None and clock.due is not None
        ]
        cause = root(f"{case.id}:{'+'.join(names)}:{entry.revision}")
        outbox = announce(
            said, namespace=case.namespace, entity_id=case.id, after=entry.sequence, now=now, cause=cause, actor=PLATFORM
        )
        try:
            await self._store.commit(entry, case, outbox)
        except Conflict:
            return  # a person or another replica was first; the next look decides again
