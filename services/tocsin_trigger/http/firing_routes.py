"""Routes by which a trigger is started by name, and which show what it holds."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, Field, JsonValue

from tocsin.errors import Invalid, NotFound
from tocsin_kit.clock import Clock
from tocsin_kit.web import Call, Input, Permission, Route
from tocsin_trigger.application.by_name import ByName, Fired
from tocsin_trigger.application.registry import Registry
from tocsin_trigger.domain.grouping import Slot
from tocsin_trigger.http.schemas import TriggerPath
from tocsin_trigger.http.watch_schemas import WatchView
from tocsin_trigger.ports import GroupStore, WatchStore

READ = Permission("trigger:read")
FIRE = Permission("trigger:fire")
_ONE = "/api/v1/triggers/{namespace}/{name}"
_LISTED = 200  # groups


class FireBody(Input):
    """A form that was filled in."""

    data: JsonValue = Field(None, description="What the trigger's `schema` asks for.")
    id: str | None = Field(None, min_length=1, max_length=128, description="The same again starts nothing twice.")


class FiredView(BaseModel):
    """What was decided."""

    event: str
    duplicate: bool
    outcome: str | None
    reason: str | None
    run: str | None

    @classmethod
    def of(cls, fired: Fired) -> "FiredView":
        """From the use case's value."""
        decision = fired.decision
        return cls(
            event=fired.event,
            duplicate=fired.duplicate,
            outcome=decision.outcome.value if decision else None,
            reason=decision.reason if decision else None,
            run=decision.run if decision else None,
        )


class GroupView(BaseModel):
    """What a trigger holds for one key."""

    key: str
    events: list[str] = Field(description="Keys of the events, oldest first.")
    since: datetime | None
    due: datetime | None = Field(description="When time alone changes it.")

    @classmethod
    def of(cls, slot: Slot) -> "GroupView":
        """From the domain's value."""
        held = slot.state.held
        return cls(key=slot.group, events=[each.event for each in held], since=held[0].at if held else None, due=slot.due)


class StateView(BaseModel):
    """What a trigger knows now."""

    groups: list[GroupView] = Field(description="Events that it holds, by key.")
    watch: WatchView | None = Field(None, description="Of a trigger that looks at something itself.")


class FiringRoutes:
    """The handlers.

    Args:
        by_name: The use case.
        registry: The triggers.
        groups: What triggers remember.
        watches: What is known about what they watch.
        clock: Time.
    """

    def __init__(self, by_name: ByName, registry: Registry, groups: GroupStore, watches: WatchStore, clock: Clock) -> None:
        self._watches = watches
        self._by_name = by_name
        self._registry = registry
        self._groups = groups
        self._clock = clock

    async def fire(self, call: Call) -> FiredView:
        """Start it."""
        path, body = call.params(TriggerPath), call.body(FireBody)
        fired = await self._by_name.fire(
            path.namespace,
            path.name,
            body.data,
            request=body.id,
            actor=call.principal.subject,
            now=self._clock.now(),
            traceparent=call.traceparent,
        )
        return FiredView.of(fired)

    async def state(self, call: Call) -> StateView:
        """What it knows."""
        path = call.params(TriggerPath)
        trigger = self._registry.required(path.namespace, path.name).trigger
        watch = (await self._watches.load(trigger.id)).value
        groups = [GroupView.of(slot) for slot in await self._groups.held_by(trigger.id, _LISTED)]
        return StateView(groups=groups, watch=None if watch is None else WatchView.of(watch))


def firing_routes(
    by_name: ByName, registry: Registry, groups: GroupStore, watches: WatchStore, clock: Clock
) -> Sequence[Route]:
    """What the service serves about starting by name, and about what triggers know."""
    handlers = FiringRoutes(by_name, registry, groups, watches, clock)
    return (
        Route(
            method="POST",
            path=f"{_ONE}/fire",
            access=FIRE,
            summary="Start a manual trigger; what was filled in is checked against its schema",
            tags=("triggers",),
            params=TriggerPath,
            body=FireBody,
            response=FiredView,
            status=202,
            problems=(NotFound, Invalid),
            handler=handlers.fire,
        ),
        Route(
            method="GET",
            path=f"{_ONE}/state",
            access=READ,
            summary="What a trigger knows now: the events that it holds, how far it has read what it watches",
            tags=("triggers",),
            params=TriggerPath,
            response=StateView,
            problems=(NotFound,),
            handler=handlers.state,
        ),
    )
