"""Routes about triggers."""

from collections.abc import Sequence

from tocsin.errors import Conflict, NotFound, PreconditionFailed
from tocsin.signals import root
from tocsin_kit.clock import Clock
from tocsin_kit.web import Call, Page, Permission, Reply, Route
from tocsin_trigger.application.triggers import Changed, Request, Triggers
from tocsin_trigger.domain.errors import TriggerExists, TriggerInvalid
from tocsin_trigger.http.schemas import (
    KeyBody,
    KeyPath,
    NewKeyView,
    NewTriggerBody,
    PauseBody,
    TriggerBody,
    TriggerPath,
    TriggerQuery,
    TriggerView,
)
from tocsin_trigger.http.webhook_schemas import MoveBody, MovedView
from tocsin_trigger.ports import TriggerSearch

READ = Permission("trigger:read")
WRITE = Permission("trigger:write")
PAUSE = Permission("trigger:pause")
_ONE = "/api/v1/triggers/{namespace}/{name}"
_TAGS = ("triggers",)
_CHANGING = (Conflict, PreconditionFailed)


class TriggerRoutes:
    """The handlers.

    Args:
        triggers: The use cases.
        clock: Time.
    """

    def __init__(self, triggers: Triggers, clock: Clock) -> None:
        self._triggers = triggers
        self._clock = clock

    async def list(self, call: Call) -> Page[TriggerView]:
        """One page."""
        query = call.query(TriggerQuery)
        permitted = call.permitted(READ.name)
        given = query.namespace
        search = TriggerSearch(
            namespaces=frozenset({given}) if given else None if permitted.everywhere else permitted.exact,
            prefixes=() if given else permitted.prefixes,
            kind=query.kind,
            workflow=query.workflow,
        )
        page = await self._triggers.page(search, limit=query.limit, cursor=query.cursor)
        return Page(items=[TriggerView.of(entry) for entry in page.items], next_cursor=page.next_cursor)

    async def show(self, call: Call) -> Reply:
        """One trigger."""
        path = call.params(TriggerPath)
        entry = await self._triggers.get(path.namespace, path.name)
        return Reply(body=TriggerView.of(entry), revision=entry.revision)

    async def create(self, call: Call) -> Reply:
        """Only if there is none."""
        body = call.body(NewTriggerBody)
        request = self._request(call)
        draft = body.draft(body.namespace, body.name, request.now)
        return _changed(await self._triggers.apply(draft, body.secret, request, only_new=True))

    async def apply(self, call: Call) -> Reply:
        """Create or replace."""
        path = call.params(TriggerPath)
        body = call.body(TriggerBody)
        request = self._request(call)
        return _changed(await self._triggers.apply(body.draft(path.namespace, path.name, request.now), body.secret, request))

    async def delete(self, call: Call) -> None:
        """Delete."""
        path = call.params(TriggerPath)
        await self._triggers.delete(path.namespace, path.name, self._request(call))

    async def pause(self, call: Call) -> Reply:
        """Start nothing for now."""
        path = call.params(TriggerPath)
        entry = await self._triggers.pause(path.namespace, path.name, call.body(PauseBody).reason, self._request(call))
        return Reply(body=TriggerView.of(entry), revision=entry.revision)

    async def resume(self, call: Call) -> Reply:
        """Work again."""
        path = call.params(TriggerPath)
        entry = await self._triggers.resume(path.namespace, path.name, self._request(call))
        return Reply(body=TriggerView.of(entry), revision=entry.revision)

    async def add_key(self, call: Call) -> Reply:
        """Accept one more key."""
        path = call.params(TriggerPath)
        given = call.body(KeyBody).secret
        changed = await self._triggers.add_key(
            path.namespace, path.name, given.reveal() if given else None, self._request(call)
        )
        view = TriggerView.of(changed.entry)
        assert view.webhook is not None
        newest = view.webhook.keys[-1]
        body = NewKeyView(id=newest.id, created_at=newest.created_at, expires_at=newest.expires_at, secret=changed.secret)
        return Reply(body=body, status=201)

    async def remove_key(self, call: Call) -> None:
        """Accept a key no longer."""
        path = call.params(KeyPath)
        await self._triggers.remove_key(path.namespace, path.name, path.key, self._request(call))

    async def move(self, call: Call) -> MovedView:
        """Give it a new address that nobody can guess."""
        path = call.params(TriggerPath)
        grace = call.body(MoveBody).grace
        _, segment = await self._triggers.move(path.namespace, path.name, grace, self._request(call))
        return MovedView(path=f"/hooks/{path.namespace}/{path.name}/{segment}", private=True)

    async def move_back(self, call: Call) -> MovedView:
        """Give it its plain address again."""
        path = call.params(TriggerPath)
        await self._triggers.move(path.namespace, path.name, None, self._request(call))
        return MovedView(path=f"/hooks/{path.namespace}/{path.name}", private=False)

    def _request(self, call: Call) -> Request:
        cause = root(call.request_id, call.traceparent)
        return Request(call.principal.subject, self._clock.now(), cause, call.expected_revision)


def trigger_routes(triggers: Triggers, clock: Clock) -> Sequence[Route]:
    """What the service serves about triggers."""
    handlers = TriggerRoutes(triggers, clock)
    return (*_reading(handlers), *_writing(handlers), *_pausing(handlers), *_keys(handlers), *_addresses(handlers))


def _reading(handlers: TriggerRoutes) -> Sequence[Route]:
    """Lists and shows."""
    return (
        Route(
            method="GET",
            path="/api/v1/triggers",
            access=READ,
            summary="Triggers, by namespace and name",
            tags=_TAGS,
            query=TriggerQuery,
            response=Page[TriggerView],
            handler=handlers.list,
        ),
        Route(
            method="GET",
            path=_ONE,
            access=READ,
            summary="One trigger",
            tags=_TAGS,
            params=TriggerPath,
            response=TriggerView,
            problems=(NotFound,),
            handler=handlers.show,
        ),
    )


def _writing(handlers: TriggerRoutes) -> Sequence[Route]:
    """Creates, replaces, deletes."""
    return (
        Route(
            method="POST",
            path="/api/v1/triggers",
            access=WRITE,
            summary="Create a trigger",
            tags=_TAGS,
            body=NewTriggerBody,
            response=TriggerView,
            status=201,
            problems=(TriggerInvalid, TriggerExists),
            handler=handlers.create,
        ),
        Route(
            method="PUT",
            path=_ONE,
            access=WRITE,
            summary="Create or replace a trigger; keys and pause stay",
            tags=_TAGS,
            params=TriggerPath,
            body=TriggerBody,
            response=TriggerView,
            also=(201,),
            problems=(TriggerInvalid, *_CHANGING),
            handler=handlers.apply,
        ),
        Route(
            method="DELETE",
            path=_ONE,
            access=WRITE,
            summary="Delete a trigger; its events stay",
            tags=_TAGS,
            params=TriggerPath,
            status=204,
            problems=(NotFound, *_CHANGING),
            handler=handlers.delete,
        ),
    )


def _pausing(handlers: TriggerRoutes) -> Sequence[Route]:
    """Pauses and resumes."""
    return (
        Route(
            method="POST",
            path=f"{_ONE}/pause",
            access=PAUSE,
            summary="Start nothing for now; record what arrives",
            tags=_TAGS,
            params=TriggerPath,
            body=PauseBody,
            response=TriggerView,
            problems=(NotFound, *_CHANGING),
            handler=handlers.pause,
        ),
        Route(
            method="POST",
            path=f"{_ONE}/resume",
            access=PAUSE,
            summary="Work again",
            tags=_TAGS,
            params=TriggerPath,
            response=TriggerView,
            problems=(NotFound, *_CHANGING),
            handler=handlers.resume,
        ),
    )


def _keys(handlers: TriggerRoutes) -> Sequence[Route]:
    """Rotates the keys of webhooks."""
    return (
        Route(
            method="POST",
            path=f"{_ONE}/keys",
            access=WRITE,
            summary="Accept one more key of a webhook",
            tags=_TAGS,
            params=TriggerPath,
            body=KeyBody,
            response=NewKeyView,
            status=201,
            problems=(NotFound, *_CHANGING, TriggerInvalid),
            handler=handlers.add_key,
        ),
        Route(
            method="DELETE",
            path=f"{_ONE}/keys/{{key}}",
            access=WRITE,
            summary="Accept a key no longer",
            tags=_TAGS,
            params=KeyPath,
            status=204,
            problems=(NotFound, *_CHANGING),
            handler=handlers.remove_key,
        ),
    )


def _addresses(handlers: TriggerRoutes) -> Sequence[Route]:
    """Moves webhooks to other addresses."""
    return (
        Route(
            method="POST",
            path=f"{_ONE}/address",
            access=WRITE,
            summary="Give a webhook a new address that nobody can guess; the private one of before works on for a while",
            tags=_TAGS,
            params=TriggerPath,
            body=MoveBody,
            response=MovedView,
            problems=(NotFound, *_CHANGING),
            handler=handlers.move,
        ),
        Route(
            method="DELETE",
            path=f"{_ONE}/address",
            access=WRITE,
            summary="Give a webhook its plain address again",
            tags=_TAGS,
            params=TriggerPath,
            response=MovedView,
            problems=(NotFound, *_CHANGING),
            handler=handlers.move_back,
        ),
    )


def _changed(changed: Changed) -> Reply:
    view = TriggerView.of(changed.entry, changed.secret)
    return Reply(body=view, status=201 if changed.created else 200, revision=changed.entry.revision)
