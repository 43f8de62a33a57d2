"""API keys: one's own, and with a permission everybody's."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from tocsin.errors import Conflict, NotFound
from tocsin_auth.application.api_keys import ApiKeys
from tocsin_auth.domain.api_keys import KeyRecord, Scope
from tocsin_auth.domain.errors import WiderThanOwn
from tocsin_auth.http.asking import asker_of
from tocsin_auth.http.schemas import GrantModel, KeyModel, KeyPath, KeyQuery, KeyRotation, MadeKey, NewKey
from tocsin_kit.store import Entry
from tocsin_kit.web import Authenticated, Call, Page, Reply, Route

_TAGS = ("api-keys",)


class KeyHandlers:
    """Handlers of ``/api/v1/api-keys``.

    Args:
        keys: The use cases.
    """

    def __init__(self, keys: ApiKeys) -> None:
        self._keys = keys

    async def create(self, call: Call) -> MadeKey:
        """Make a key."""
        body = call.body(NewKey)
        made = await self._keys.create(
            name=body.name,
            scopes=scopes_of(body.grants),
            expires_at=body.expires_at,
            asker=asker_of(call),
            owner=body.owner,
        )
        return MadeKey(api_key=made.key.text, **_model(made.record).model_dump())

    async def rotate(self, call: Call) -> MadeKey:
        """Replace a key."""
        overlap = timedelta(seconds=call.body(KeyRotation).overlap_seconds)
        made = await self._keys.rotate(call.params(KeyPath).id, overlap, asker_of(call))
        return MadeKey(api_key=made.key.text, **_model(made.record).model_dump())

    async def index(self, call: Call) -> Page[KeyModel]:
        """List keys."""
        query = call.query(KeyQuery)
        kind, _, name = call.principal.subject.partition(":")
        own = name if kind == "user" else ""  # a key, a service or a run has none, whoever is behind it or called like it
        if query.owner is not None and query.owner != own:
            call.require("api-key:read")
        owner = own if query.owner is None else None if query.owner == "*" else query.owner
        page = await self._keys.page(owner=owner, limit=query.limit, cursor=query.cursor)
        return Page[KeyModel](items=[_shown(entry) for entry in page.items], next_cursor=page.next_cursor)

    async def show(self, call: Call) -> Reply:
        """Show a key."""
        entry = await self._keys.show(call.params(KeyPath).id, asker_of(call))
        return Reply(body=_shown(entry), revision=entry.revision)

    async def revoke(self, call: Call) -> None:
        """Revoke a key."""
        await self._keys.revoke(call.params(KeyPath).id, asker_of(call))

    def routes(self) -> list[Route]:
        """All of them."""
        path, one = "/api/v1/api-keys", "/api/v1/api-keys/{id}"
        own = Authenticated("one's own keys; those of others need api-key:read or api-key:write")
        making = partial(Route, method="POST", access=own, tags=_TAGS, response=MadeKey, status=201)
        return [
            making(
                path=path,
                summary="Make an API key; it is shown once",
                handler=self.create,
                body=NewKey,
                problems=(WiderThanOwn,),
            ),
            making(
                path=f"{one}/rotate",
                summary="Replace an API key; the old one works on for a while",
                handler=self.rotate,
                params=KeyPath,
                body=KeyRotation,
                problems=(NotFound, Conflict),
            ),
            *self._present_routes(),
        ]

    def _present_routes(self) -> list[Route]:
        path, one = "/api/v1/api-keys", "/api/v1/api-keys/{id}"
        own = Authenticated("one's own keys; those of others need api-key:read or api-key:write")
        return [
            Route(
                method="GET",
                path=path,
                access=own,
                summary="List API keys",
                handler=self.index,
                tags=_TAGS,
                query=KeyQuery,
                response=Page[KeyModel],
            ),
            Route(
                method="GET",
                path=one,
                access=own,
                summary="Show an API key, without its secret",
                handler=self.show,
                tags=_TAGS,
                params=KeyPath,
                response=KeyModel,
                problems=(NotFound,),
            ),
            Route(
                method="DELETE",
                path=one,
                access=own,
                summary="Revoke an API key",
                handler=self.revoke,
                tags=_TAGS,
                params=KeyPath,
                status=204,
                problems=(NotFound,),
            ),
        ]


def scopes_of(grants: Sequence[GrantModel]) -> list[Scope]:
    """The scopes that a body names."""
    return [Scope(grant.permission, grant.namespace, grant.name) for grant in grants]


def _shown(entry: Entry[KeyRecord]) -> KeyModel:
    assert entry.value is not None
    return _model(entry.value)


def _model(record: KeyRecord) -> KeyModel:
    return KeyModel(
        id=record.id,
        name=record.name,
        owner=record.owner,
        grants=[GrantModel(permission=scope.permission, namespace=scope.namespace, name=scope.name) for scope in record.scopes],
        created_at=record.created_at,
        expires_at=record.expires_at,
        revoked_at=record.revoked_at,
        last_used_at=record.last_used_at,
        replaces=record.replaces,
        replaced_by=record.replaced_by,
    )
