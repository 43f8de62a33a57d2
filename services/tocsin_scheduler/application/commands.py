"""Commands of other services: start a backfill (of partitions, say)."""

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from tocsin.errors import Invalid
from tocsin.signals import follow
from tocsin.signals.subjects import parse_command
from tocsin_kit.bus.delivery import Delivery
from tocsin_scheduler.application.announcing import ACTOR
from tocsin_scheduler.application.backfilling import Asked, Backfills
from tocsin_scheduler.domain.backfills import CONCURRENCY_LIMIT, ITEMS_LIMIT, PRIORITY, Item
from tocsin_scheduler.domain.schedules import Start

BACKFILL_START = "io.tocsin.command.backfill.start.v1"


class _Item(BaseModel):
    key: str = Field(min_length=1, max_length=200)
    input: JsonValue = None
    logical_time: AwareDatetime | None = None


class BackfillOrder(BaseModel):
    """Data of the command; what is not known is passed over."""

    model_config = ConfigDict(extra="ignore")

    backfill: str = Field(min_length=1, max_length=128)
    namespace: str = Field(min_length=1, max_length=63)
    workflow: str = Field(min_length=1, max_length=63)
    version: str | None = None
    input: JsonValue = None
    items: list[_Item] = Field(min_length=1, max_length=ITEMS_LIMIT)
    concurrency: int = Field(default=1, ge=1, le=CONCURRENCY_LIMIT)
    priority: int = Field(default=PRIORITY, ge=-100, le=100)
    actor: str = ACTOR


class BackfillCommands:
    """Carries them out; each may come more than once.

    Args:
        backfills: Use cases of backfills.
    """

    def __init__(self, backfills: Backfills) -> None:
        self._backfills = backfills

    async def hear(self, delivery: Delivery) -> None:
        """One command.

        Raises:
            Rejected: It can never be carried out; it becomes a dead letter.
            Unavailable: Not now.
        """
        command, event = parse_command(delivery.subject), delivery.event()
        if (command.verb, event.type) != ("backfill", BACKFILL_START):
            raise Invalid(f"The scheduler has no command {command.verb!r} of type {event.type!r}.")
        try:
            order = BackfillOrder.model_validate(event.data)
        except ValidationError as error:
            wrong = error.errors()[0]
            raise Invalid(f"The command lacks or garbles /{'/'.join(map(str, wrong['loc']))}: {wrong['msg']}.") from error
        asked = Asked(
            namespace=order.namespace,
            name=order.backfill,
            items=tuple(Item(item.key, item.logical_time, None, item.input) for item in order.items),
            start=Start(workflow=order.workflow, version=order.version, input=order.input),
            concurrency=order.concurrency,
            priority=order.priority,
        )
        await self._backfills.start(asked, actor=order.actor, cause=follow(event))
