"""Routes by which stored events are looked at again: replay and backtest."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from tocsin.errors import Invalid, NotFound
from tocsin_kit.clock import Clock
from tocsin_kit.web import Call, Input, Permission, Route
from tocsin_trigger.application.replaying import LIMIT, Replayed, Replaying, tally
from tocsin_trigger.domain.errors import TriggerInvalid
from tocsin_trigger.domain.rehearsing import Tested
from tocsin_trigger.http.event_schemas import DecisionView, VerdictView
from tocsin_trigger.http.gather_schemas import Name, TriggerName
from tocsin_trigger.http.schemas import NewTriggerBody
from tocsin_trigger.ports import EventSearch

READ = Permission("event:read")
PUBLISH = Permission("event:publish")
WRITE = Permission("trigger:write")


class Window(Input):
    """Which stored events: accepted ones, newest first."""

    since: datetime = Field(description="Received at or after.")
    until: datetime = Field(description="Received before.")
    type: str | None = Field(None, max_length=256)
    trigger: TriggerName | None = Field(None, description="That decided about it, or that it came by.")

    def search(self, namespace: str) -> EventSearch:
        """The domain's value."""
        found = frozenset({namespace})
        return EventSearch(namespaces=found, type=self.type, trigger=self.trigger, since=self.since, until=self.until)


class ReplayBody(Input):
    """What to replay: events by their keys, or a window of them."""

    namespace: Name = "default"
    id: str | None = Field(
        None, min_length=1, max_length=64, description="Names this replay: the same again starts nothing twice."
    )
    events: list[Annotated[str, Field(max_length=64)]] | None = Field(None, min_length=1, max_length=LIMIT)
    window: Window | None = None
    triggers: list[TriggerName] | None = Field(None, max_length=100, description="Only these decide; all without.")


class BacktestBody(Input):
    """A trigger that does not exist (yet, or like this), and the events to try it on."""

    trigger: NewTriggerBody
    window: Window
    limit: int = Field(200, ge=1, le=LIMIT)


class ReplayedView(BaseModel):
    """One event that was decided about again."""

    original: str
    event: str = Field(description="Key of its own record.")
    duplicate: bool = Field(description="This replay had repeated it before; nothing was done now.")
    decisions: list[DecisionView]

    @classmethod
    def of(cls, replayed: Replayed) -> "ReplayedView":
        """From the use case's value."""
        decisions = [DecisionView.of(decision) for decision in replayed.decisions]
        return cls(original=replayed.original, event=replayed.key, duplicate=replayed.duplicate, decisions=decisions)


class ReplayView(BaseModel):
    """A replay."""

    id: str
    events: list[ReplayedView]


class TestedView(BaseModel):
    """One stored event: what was decided, and what the draft would decide."""

    event: str
    type: str | None
    source: str | None
    received_at: datetime
    decided: list[DecisionView] = Field(description="What was decided then.")
    draft: VerdictView = Field(description="What the draft would decide now.")

    @classmethod
    def of(cls, tested: Tested) -> "TestedView":
        """From the use case's value."""
        received, verdict = tested.event, tested.verdict
        return cls(
            event=received.key,
            type=received.type,
            source=received.source,
            received_at=received.received,
            decided=[DecisionView.of(decision) for decision in received.decisions],
            draft=VerdictView.of(verdict),
        )


class BacktestView(BaseModel):
    """What a draft would have done."""

    counts: dict[str, int] = Field(description="Events by what the draft would decide; not_met where it does not listen.")
    started_then: int = Field(description="Events that started at least one run then.")
    more: bool = Field(description="The window holds more events than were looked at; these are the newest.")
    events: list[TestedView]


class ReplayRoutes:
    """The handlers.

    Args:
        replaying: The use cases.
        clock: Time.
    """

    def __init__(self, replaying: Replaying, clock: Clock) -> None:
        self._replaying = replaying
        self._clock = clock

    async def replay(self, call: Call) -> ReplayView:
        """Replay."""
        body = call.body(ReplayBody)
        call.require(READ.name, body.namespace)
        if body.events is not None and body.window is None:
            originals = await self._replaying.keyed(body.namespace, list(dict.fromkeys(body.events)))
        elif body.window is not None and body.events is None:
            originals, more = await self._replaying.window(body.window.search(body.namespace), LIMIT)
            if more:
                raise Invalid(f"The window holds more than {LIMIT} events.", hint="Replay it in parts.", limit=LIMIT)
        else:
            raise Invalid("Either events or a window must be given.")
        name = body.id or call.request_id
        names = None if body.triggers is None else frozenset(body.triggers)
        done = await self._replaying.replay(f"{body.namespace}/{name}", originals, names)
        return ReplayView(id=name, events=[ReplayedView.of(each) for each in done])

    async def backtest(self, call: Call) -> BacktestView:
        """Try a draft."""
        body = call.body(BacktestBody)
        namespace = body.trigger.namespace
        call.require(WRITE.name, namespace)
        call.require(READ.name, namespace)
        draft = body.trigger.draft(namespace, body.trigger.name, self._clock.now())
        tested, more = await self._replaying.backtest(draft, body.window.search(namespace), body.limit)
        return BacktestView(
            counts=dict(tally(tested)),
            started_then=sum(any(decision.run for decision in each.event.decisions) for each in tested),
            more=more,
            events=[TestedView.of(each) for each in tested],
        )


def replay_routes(replaying: Replaying, clock: Clock) -> Sequence[Route]:
    """What the service serves about stored events."""
    handlers = ReplayRoutes(replaying, clock)
    return (
        Route(
            method="POST",
            path="/api/v1/events/replay",
            access=PUBLISH,
            summary="Let the triggers decide again about one event, some, or those of a window",
            tags=("events",),
            body=ReplayBody,
            response=ReplayView,
            problems=(NotFound, Invalid),
            handler=handlers.replay,
        ),
        Route(
            method="POST",
            path="/api/v1/triggers/backtest",
            access=WRITE,
            summary="What a draft of a trigger would have done with the events of a window, beside what was done",
            tags=("triggers",),
            body=BacktestBody,
            response=BacktestView,
            problems=(TriggerInvalid,),
            handler=handlers.backtest,
        ),
    )
