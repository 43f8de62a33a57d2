"""Makes the schedules that published workflow definitions ask for, and takes them away with the definition.

What a definition asks for now is kept first, by the number of its signal, and then made true. Whoever finds, after making it
true, that something newer is asked for, does it again: so replicas may hear the signals of one definition in any order, die in
between or hear them twice, and the last word of the definition holds.
"""

from tocsin.errors import NotFound
from tocsin.signals import Cause
from tocsin.signals.catalogue.executor import DEFINITION_DELETED, DEFINITION_PUBLISHED, DefinitionDeleted, DefinitionPublished
from tocsin.signals.subjects import parse_signal
from tocsin_kit.bus.delivery import Delivery
from tocsin_kit.store import Entry
from tocsin_scheduler.application.editing import Schedules, Wanted
from tocsin_scheduler.domain.schedules import Policy, Start
from tocsin_scheduler.domain.timetables import EPOCH, When
from tocsin_scheduler.domain.wishes import KINDS, Wish, managed_name
from tocsin_scheduler.ports import WishStore

ACTOR = "service:scheduler"


def definition_key(delivery: Delivery) -> str:
    """Signals of one definition are heard in order."""
    place = parse_signal(delivery.subject)
    return f"{place.namespace}/{place.id}"


class DefinitionSchedules:
    """Hears about definitions.

    Args:
        wishes: What definitions ask for.
        schedules: Use cases of schedules.
    """

    def __init__(self, wishes: WishStore, schedules: Schedules) -> None:
        self._wishes = wishes
        self._schedules = schedules

    async def hear(self, delivery: Delivery) -> None:
        """Take one signal; safe to repeat.

        Raises:
            Conflict: Someone else decides about the same definition; deliver again.
            Rejected: The signal is not one of the catalogue; it becomes a dead letter.
        """
        event = delivery.event()
        if event.type == DEFINITION_PUBLISHED.type:
            block = DefinitionPublished.model_validate(event.data).schedule
        elif event.type == DEFINITION_DELETED.type:
            block = DefinitionDeleted.model_validate(event.data).schedule
        else:
            return
        words = {} if block is None else {kind: text for kind in KINDS if (text := getattr(block, kind)) is not None}
        entry = await self._wishes.load_wish(definition_key(delivery))
        number = event.sequence or 0
        if number > (entry.value.number if entry.value is not None else 0):
            if entry.value is None and not words:
                return  # most definitions never ask for anything
            place = parse_signal(delivery.subject)
            wish = Wish(namespace=place.namespace, workflow=place.id, number=number, words=words)
            entry = await self._wishes.commit_wish(entry, wish)
        cause = Cause(event.id, event.correlation_id or event.id, event.depth + 1, event.traceparent)
        await self._make_true(entry, cause)

    async def _make_true(self, entry: Entry[Wish], cause: Cause) -> None:
        while entry.value is not None:
            for kind in KINDS:
                await self._make_one_true(entry.value, kind, cause)
            newer = await self._wishes.load_wish(entry.key)
            if newer.revision == entry.revision:
                return
            entry = newer

    async def _make_one_true(self, wish: Wish, kind: str, cause: Cause) -> None:
        name = managed_name(wish.workflow, kind)
        if kind not in wish.words:
            try:
                await self._schedules.delete(wish.namespace, name, expect=None, actor=ACTOR, cause=cause, managing=True)
            except NotFound:
                return
            return
        wanted = Wanted(
            namespace=wish.namespace,
            name=name,
            description=f"The schedule of workflow {wish.workflow}: {kind}.",
            when=When(expression=wish.words[kind], anchor=EPOCH, after_end=kind == "after"),
            start=Start(workflow=wish.workflow, input={}),
            policy=Policy(),
            input_bytes=2,
            managed_by="definition",
        )
        await self._schedules.put(wanted, expect=None, actor=ACTOR, cause=cause)
