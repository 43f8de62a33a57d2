"""Makes the triggers that published workflow definitions ask for (``schedule.on``), and takes them away with the definition.

What a definition asks for now is kept first, by the number of its signal, and then made true. Whoever finds, after making it
true, that something newer is asked for does it again: so replicas may hear the signals of one definition in any order, die in
between or hear them twice, and the last word of the definition holds.
"""

from tocsin.definitions import start_events
from tocsin.errors import NotFound
from tocsin.signals import Cause
from tocsin.signals.catalogue.executor import DEFINITION_DELETED, DEFINITION_PUBLISHED, DefinitionDeleted, DefinitionPublished
from tocsin.signals.subjects import parse_signal
from tocsin_kit.bus import Delivery
from tocsin_kit.clock import Clock
from tocsin_kit.store import Entry
from tocsin_trigger.application.saying import cause_of
from tocsin_trigger.application.triggers import Request, Triggers
from tocsin_trigger.application.voice import ACTOR
from tocsin_trigger.domain.wishes import Wish, managed_name, managed_trigger
from tocsin_trigger.ports import WishStore


class DefinitionTriggers:
    """Hears about definitions.

    Args:
        wishes: What definitions ask for.
        triggers: Use cases of triggers.
        clock: Time.
    """

    def __init__(self, wishes: WishStore, triggers: Triggers, clock: Clock) -> None:
        self._wishes = wishes
        self._triggers = triggers
        self._clock = clock

    async def hear(self, delivery: Delivery) -> None:
        """Take one signal; safe to repeat.

        Raises:
            Conflict: Someone else decides about the same definition; deliver again.
            Unavailable: The database is away; deliver again.
        """
        event = delivery.event()
        if event.type == DEFINITION_PUBLISHED.type:
            block = DefinitionPublished.model_validate(event.data).schedule
        elif event.type == DEFINITION_DELETED.type:
            block = DefinitionDeleted.model_validate(event.data).schedule
        else:
            return
        schedule = None if block is None or block.on is None else {"on": block.on, "read": block.read or "data"}
        place = parse_signal(delivery.subject)
        entry = await self._wishes.load(f"{place.namespace}/{place.id}")
        number = event.sequence or 0
        if number > (entry.value.number if entry.value is not None else 0):
            if entry.value is None and schedule is None:
                return  # most definitions never ask for anything
            entry = await self._wishes.commit(entry, Wish(place.namespace, place.id, number, schedule))
        await self._make_true(entry, cause_of(event, entry.key)[0])

    async def _make_true(self, entry: Entry[Wish], cause: Cause) -> None:
        while entry.value is not None:
            await self._make(entry.value, cause)
            newer = await self._wishes.load(entry.key)
            if newer.revision == entry.revision:
                return
            entry = newer

    async def _make(self, wish: Wish, cause: Cause) -> None:
        request = Request(ACTOR, self._clock.now(), cause)
        on, _ = start_events(wish.schedule)
        if on is not None:
            await self._triggers.apply(managed_trigger(wish, on, request.now), None, request, managing=True)
            return
        try:
            await self._triggers.delete(wish.namespace, managed_name(wish.workflow), request, managing=True)
        except NotFound:
            return
