"""Looks at stored events again: replay lets today's triggers decide about them anew, backtest asks a draft what it would do.

A replay is a new event with a record of its own that names the one it repeats; its key is derived from the replay and the
original, so that the same replay asked for twice starts nothing twice. A backtest writes nothing at all.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tocsin.errors import Invalid, NotFound
from tocsin.signals import decode, derive
from tocsin_kit.clock import Clock
from tocsin_trigger.application.intake import Arrived, Intake, Stored
from tocsin_trigger.application.registry import Registry
from tocsin_trigger.application.signals import met_by
from tocsin_trigger.domain.deciding import prepare
from tocsin_trigger.domain.events import Channel, Decision, Received
from tocsin_trigger.domain.matching import Met
from tocsin_trigger.domain.rehearsing import Tested, rehearse
from tocsin_trigger.domain.triggers import Trigger, key_of
from tocsin_trigger.ports import EventSearch, EventStore

LIMIT = 1000  # events looked at in one request
_PAGE = 100


@dataclass(frozen=True, slots=True)
class Replayed:
    """One event that was decided about again.

    Attributes:
        original: Key of the record it repeats.
        key: Key of its own record.
        decisions: What was decided now; of a repeated replay, what was decided then.
        duplicate: The same replay had repeated it before.
    """

    original: str
    key: str
    decisions: Sequence[Decision]
    duplicate: bool


class Replaying:
    """The use cases.

    Args:
        registry: The triggers.
        events: What came in.
        intake: Decides and stores.
        clock: Time.
    """

    def __init__(self, registry: Registry, events: EventStore, intake: Intake, clock: Clock) -> None:
        self._registry = registry
        self._events = events
        self._intake = intake
        self._clock = clock

    async def keyed(self, namespace: str, keys: Sequence[str]) -> list[Received]:
        """The events of these keys.

        Raises:
            NotFound: One is not there, or not in this namespace.
            Invalid: One was refused and is no event.
        """
        found = []
        for key in keys:
            received = (await self._events.load(key)).value
            if received is None or received.namespace != namespace:
                raise NotFound(f"There is no event {key} in {namespace}.")
            if received.event is None:
                raise Invalid(f"{key} was refused ({received.refused}); nothing of it was kept that could be replayed.")
            found.append(received)
        return found

    async def window(self, search: EventSearch, limit: int) -> tuple[list[Received], bool]:
        """Accepted events, newest first, and whether there are more than ``limit``."""
        found: list[Received] = []
        async for received in self._accepted(search):
            if len(found) == limit:
                return found, True
            found.append(received)
        return found, False

    async def replay(self, replay: str, originals: Sequence[Received], names: frozenset[str] | None) -> list[Replayed]:
        """Decide about these again, as of now, oldest first.

        Args:
            replay: Names this replay; the same again repeats nothing.
            originals: Accepted events.
            names: Only these triggers decide; ``None``: all that the event meets now.
        """
        done: list[Replayed] = []
        oldest_first = sorted(originals, key=lambda received: (received.received, received.key))
        for at in range(0, len(oldest_first), _PAGE):
            done += await self._decide(replay, oldest_first[at : at + _PAGE], names)
        return done

    async def _decide(self, replay: str, originals: Sequence[Received], names: frozenset[str] | None) -> list[Replayed]:
        arrivals = []
        for original in originals:
            now = self._clock.now()
            key = derive("replay", replay, original.key)
            assert original.event is not None
            again = replace(original, key=key, received=now, decisions=(), repeats=0, suppressed=0, replay_of=original.key)
            met = [each for each in self._met(original) if names is None or each.ready.trigger.name in names]
            arrivals.append(Arrived(again, decode(original.event), met, now))
        stored = await self._intake.take(arrivals)
        return [await self._told(arrived.received, stored) for arrived in arrivals]

    async def _told(self, record: Received, stored: Stored) -> Replayed:
        duplicate = record.key in stored.repeats
        told = (await self._events.load(record.key)).value if duplicate else stored.records[record.key]
        return Replayed(record.replay_of or "", record.key, told.decisions if told else (), duplicate)

    def _met(self, original: Received) -> list[Met]:
        if original.channel in {Channel.WEBHOOK, Channel.MANUAL}:
            ready = self._registry.known(key_of(original.namespace, original.trigger or ""))
            return [] if ready is None else [Met(ready)]
        return met_by(self._registry, original)

    async def backtest(self, draft: Trigger, search: EventSearch, limit: int) -> tuple[list[Tested], bool]:
        """What a trigger that does not exist would have done with the events of a window, newest first.

        Returns:
            One for each event, and whether there are more than ``limit``.

        Raises:
            TriggerInvalid: The draft is not valid.
        """
        events, more = await self.window(search, limit)
        return rehearse(prepare(draft), events), more

    async def _accepted(self, search: EventSearch) -> AsyncIterator[Received]:
        cursor = None
        while True:
            page = await self._events.page(replace(search, refused=False), limit=_PAGE, cursor=cursor)
            for entry in page.items:
                if entry.value is not None and entry.value.event is not None and entry.value.replay_of is None:
                    yield entry.value
            cursor = page.next_cursor
            if cursor is None:
                return


def tally(tested: Sequence[Tested]) -> Mapping[str, int]:
    """How many of each outcome."""
    counts: dict[str, int] = {}
    for each in tested:
        counts[each.verdict.outcome] = counts.get(each.verdict.outcome, 0) + 1
    return counts
