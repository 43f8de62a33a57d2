"""Secrets of workflows, and the keys that they are sealed with."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from tocsin.errors import Conflict, Invalid, NotFound, TooLarge
from tocsin_auth.application.data_keys import DataKeys
from tocsin_auth.application.secrets import Secrets
from tocsin_auth.domain.secrets import GLOBAL, Provider, SecretRecord, is_confined
from tocsin_auth.http.asking import asker_of
from tocsin_auth.http.secret_schemas import (
    NewValue,
    Resealed,
    Rewrapped,
    SecretBody,
    SecretModel,
    SecretPath,
    SecretPlace,
    SecretQuery,
    VersionModel,
    WantedVersion,
)
from tocsin_kit.store import Entry
from tocsin_kit.web import Call, Page, Permission, Reply, Route

_READ, _WRITE = Permission("secret:read"), Permission("secret:write")


class SecretHandlers:
    """Handlers of ``/api/v1/secrets`` and of the keys behind them.

    Args:
        secrets: The use cases.
        keys: Data keys.
        resealers: Seal anew what else lies under the same key-encryption key.
    """

    def __init__(self, secrets: Secrets, keys: DataKeys, resealers: Sequence[Callable[[], Awaitable[int]]]) -> None:
        self._secrets, self._keys, self._resealers = secrets, keys, resealers

    async def index(self, call: Call) -> Page[SecretModel]:
        """List secrets."""
        query = call.query(SecretQuery)
        page = await self._secrets.page(
            namespaces=call.permitted(_READ.name), namespace=query.namespace, limit=query.limit, cursor=query.cursor
        )
        return Page[SecretModel](items=[_model(entry) for entry in page.items], next_cursor=page.next_cursor)

    async def show(self, call: Call) -> Reply:
        """Show a secret."""
        entry = await self._secrets.show(call.query(SecretPlace).namespace, call.params(SecretPath).name)
        return Reply(body=_model(entry), revision=entry.revision)

    async def put(self, call: Call) -> Reply:
        """Store a value, or say where it is."""
        body = call.body(SecretBody)
        place = None
        if body.provider is not None and body.provider is not Provider.STORE and body.reference is not None:
            place = (body.provider, body.reference)
            if not is_confined(*place, body.namespace):
                call.require(_WRITE.name, GLOBAL)
        entry = await self._secrets.put(
            body.namespace,
            call.params(SecretPath).name,
            value=body.value,
            place=place,
            workflows=body.workflows,
            summary=body.summary,
            asker=asker_of(call),
        )
        return Reply(body=_model(entry), revision=entry.revision)

    async def rotate(self, call: Call) -> Reply:
        """Give it another value."""
        body = call.body(NewValue)
        entry = await self._secrets.put(
            body.namespace, call.params(SecretPath).name, value=body.value, must_exist=True, asker=asker_of(call)
        )
        return Reply(body=_model(entry), revision=entry.revision)

    async def restore(self, call: Call) -> Reply:
        """Give out an earlier value again."""
        body = call.body(WantedVersion)
        entry = await self._secrets.restore(body.namespace, call.params(SecretPath).name, body.version, asker_of(call))
        return Reply(body=_model(entry), revision=entry.revision)

    async def delete(self, call: Call) -> None:
        """Delete a secret."""
        await self._secrets.delete(call.query(SecretPlace).namespace, call.params(SecretPath).name, asker_of(call))

    async def rotate_data_key(self, call: Call) -> Resealed:
        """A new data key, and everything sealed under it."""
        key = await self._keys.rotate(asker_of(call))
        return Resealed(key=key, secrets=await self._secrets.reseal())

    async def rewrap(self, call: Call) -> Rewrapped:
        """Everything under today's key-encryption key."""
        return Rewrapped(keys=await self._keys.rewrap() + sum([await reseal() for reseal in self._resealers]))

    def routes(self) -> list[Route]:
        """All of them."""
        return [*self._reading(), *self._writing(), *self._key_routes()]

    def _reading(self) -> list[Route]:
        path, one = "/api/v1/secrets", "/api/v1/secrets/{name}"
        reading = partial(Route, method="GET", access=_READ, tags=("secrets",))
        return [
            reading(
                path=path,
                summary="List secrets, without their values",
                handler=self.index,
                query=SecretQuery,
                response=Page[SecretModel],
            ),
            reading(
                path=one,
                summary="Show a secret, without its value",
                handler=self.show,
                params=SecretPath,
                query=SecretPlace,
                response=SecretModel,
                problems=(NotFound,),
            ),
        ]

    def _writing(self) -> list[Route]:
        one = "/api/v1/secrets/{name}"
        writing = partial(Route, access=_WRITE, tags=("secrets",), params=SecretPath, body_limit=128 * 1024)
        return [
            writing(
                method="PUT",
                path=one,
                summary="Store a secret, or say where its value is",
                handler=self.put,
                body=SecretBody,
                response=SecretModel,
                problems=(Invalid, TooLarge, Conflict),
            ),
            writing(
                method="POST",
                path=f"{one}/rotate",
                summary="Give a secret another value; earlier ones are kept a while",
                handler=self.rotate,
                body=NewValue,
                response=SecretModel,
                problems=(NotFound, TooLarge, Conflict),
            ),
            writing(
                method="POST",
                path=f"{one}/restore",
                summary="Give out an earlier value of a secret again",
                handler=self.restore,
                body=WantedVersion,
                response=SecretModel,
                problems=(NotFound, Conflict),
            ),
            writing(
                method="DELETE",
                path=one,
                summary="Delete a secret with all its versions",
                handler=self.delete,
                query=SecretPlace,
                status=204,
                problems=(NotFound,),
            ),
        ]

    def _key_routes(self) -> list[Route]:
        rotating = partial(Route, method="POST", access=Permission("data-key:rotate", everywhere=True), tags=("secrets",))
        return [
            rotating(
                path="/api/v1/auth/data-keys/rotate",
                summary="Seal all secrets under a new data key; nothing stops meanwhile",
                handler=self.rotate_data_key,
                response=Resealed,
                problems=(Conflict,),
                seconds=300.0,
            ),
            rotating(
                path="/api/v1/auth/data-keys/rewrap",
                summary="Wrap all keys with the present key-encryption key, so that the one before can go",
                handler=self.rewrap,
                response=Rewrapped,
                problems=(Conflict,),
            ),
        ]


def _model(entry: Entry[SecretRecord]) -> SecretModel:
    assert entry.value is not None
    record = entry.value
    return SecretModel(
        name=record.name,
        namespace=record.scope,
        provider=record.provider,
        reference=record.reference,
        version=record.current.number if record.current else None,
        versions=[VersionModel(number=v.number, made_at=v.made_at, made_by=v.made_by) for v in reversed(record.versions)],
        workflows=list(record.workflows),
        summary=record.summary,
        created_at=record.created_at,
        changed_at=record.changed_at,
        last_used_at=record.last_used_at,
    )
