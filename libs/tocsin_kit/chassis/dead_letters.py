"""The routes by which an operator sees what a service could not handle, and hands it to the service again.

The same for every service that consumes: ``/api/v1/dead-letters/<service>``. A redrive runs in the service itself, with the
very handler that failed; what goes well is gone, what fails again stays.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import BaseModel, Field

from tocsin.errors import Invalid, NotFound
from tocsin_kit.bus import Bus, Consumer, DeadLetter, dead_letter, dead_letters, forget
from tocsin_kit.store.changes import changes
from tocsin_kit.web import Call, Input, Page, PageQuery, Permission, Reply, Route

READ = Permission("dead-letter:read", everywhere=True)
REDRIVE = Permission("dead-letter:redrive", everywhere=True)
DISCARD = Permission("dead-letter:discard", everywhere=True)
SHOWN = 4096  # bytes of a payload; the whole is in the stream DEAD


class DeadLetterView(BaseModel):
    """A message that could not be handled."""

    sequence: int = Field(description="Place in the stream of dead letters; names it.")
    subject: str = Field(description="What it was published on.")
    consumer: str = Field(description="Which consumer failed on it.")
    code: str
    reason: str
    origin: str = Field(description="`<stream>:<sequence>` of the original.")
    attempts: int
    died: datetime
    payload: str = Field(description="The message, as text; cut after 4096 bytes.")

    @classmethod
    def of(cls, letter: DeadLetter) -> "DeadLetterView":
        """The view of a dead letter."""
        return cls(
            sequence=letter.sequence,
            subject=letter.subject,
            consumer=letter.consumer,
            code=letter.code,
            reason=letter.reason,
            origin=letter.origin,
            attempts=letter.attempts,
            died=letter.died,
            payload=letter.payload[:SHOWN].decode(errors="replace"),
        )


class RedriveBody(Input):
    """Which to hand over again."""

    consumer: str | None = Field(default=None, max_length=128, description="Only those of this consumer.")
    sequence: int | None = Field(default=None, ge=1, description="Only this one.")
    limit: int = Field(default=1000, ge=1, le=10_000)


class DiscardBody(Input):
    """Which nobody wants to have handled any more."""

    sequence: int = Field(ge=1)


class RedriveView(BaseModel):
    """What became of them."""

    handled: int = Field(description="Went well now and are gone.")
    failed: int = Field(description="Failed again and stay.")


class _Handlers:
    def __init__(self, service: str, bus: Bus, consumers: Sequence[Consumer]) -> None:
        self._service = service
        self._bus = bus
        self._consumers: Mapping[str, Consumer] = {consumer.spec.name: consumer for consumer in consumers}

    async def list(self, call: Call) -> Page[DeadLetterView]:
        query = call.query(PageQuery)
        if query.cursor is not None and not (query.cursor.isdecimal() and len(query.cursor) < 19):
            raise Invalid("the cursor is not valid", hint="start again without a cursor")
        after = int(query.cursor or 0)
        letters: list[DeadLetterView] = []
        async for letter in dead_letters(self._bus, self._service, after=after):
            if len(letters) == query.limit:
                return Page(items=letters, next_cursor=str(letters[-1].sequence))
            letters.append(DeadLetterView.of(letter))
        return Page(items=letters)

    async def redrive(self, call: Call) -> RedriveView:
        body = call.body(RedriveBody)
        if body.consumer is not None and body.consumer not in self._consumers:
            raise NotFound(f"{self._service} has no consumer {body.consumer}", hint=f"it has: {', '.join(self._consumers)}")
        handled = failed = 0
        for name, consumer in self._consumers.items():
            if body.consumer in {None, name}:
                done = await consumer.redrive(limit=body.limit - handled - failed, only=body.sequence)
                handled, failed = handled + done.handled, failed + done.failed
        return RedriveView(handled=handled, failed=failed)

    async def discard(self, call: Call) -> Reply:
        letter = await dead_letter(self._bus, self._service, call.body(DiscardBody).sequence)
        await forget(self._bus, letter)
        view = DeadLetterView.of(letter)
        call.changes = changes(view.model_dump(mode="json", exclude={"payload"}), {})
        return Reply(status=204)


def dead_letter_routes(service: str, bus: Bus, consumers: Sequence[Consumer]) -> Sequence[Route]:
    """Everything below ``/api/v1/dead-letters/<service>``.

    Args:
        service: Its short name.
        bus: Its connection.
        consumers: Its consumers.
    """
    on = _Handlers(service, bus, consumers)
    path, tags = f"/api/v1/dead-letters/{service}", ("dead letters",)
    return (
        Route(
            method="GET",
            path=path,
            access=READ,
            summary="Messages that could not be handled, oldest first",
            tags=tags,
            query=PageQuery,
            response=Page[DeadLetterView],
            handler=on.list,
        ),
        Route(
            method="POST",
            path=f"{path}/redrive",
            access=REDRIVE,
            summary="Hand them to their handler again",
            tags=tags,
            body=RedriveBody,
            response=RedriveView,
            problems=(NotFound,),
            seconds=300.0,
            handler=on.redrive,
        ),
        Route(
            method="POST",
            path=f"{path}/discard",
            access=DISCARD,
            summary="Put one away for good: it is handled no more",
            tags=tags,
            body=DiscardBody,
            status=204,
            problems=(NotFound,),
            handler=on.discard,
        ),
    )
