"""Secrets as their authors see them: store, refer, list, restore, delete. Values go in and are never shown again."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final

import orjson

from tocsin.errors import Conflict, Invalid, NotFound, TooLarge
from tocsin.signals.catalogue.auth import SECRET_CREATED, SECRET_DELETED, SECRET_UPDATED, SecretChanged
from tocsin.signals.kinds import SYSTEM_NAMESPACE, JsonValue, SignalType
from tocsin_auth.application.data_keys import DataKeys
from tocsin_auth.application.saying import Asker, said
from tocsin_auth.domain.secrets import (
    GLOBAL,
    LARGEST_VALUE,
    Provider,
    SecretRecord,
    SecretVersion,
    checked_reference,
    checked_secret_name,
    context_of,
    key_of,
)
from tocsin_auth.ports import Records
from tocsin_kit.clock import Clock
from tocsin_kit.store import EVERYTHING, Entry, Outgoing, Page, Sort, undisputed
from tocsin_kit.web.access import Namespaces

_PAGE: Final = 200


class Secrets:
    """All secrets.

    Args:
        records: Where they are.
        keys: Seals values.
        providers: Those that are set up, beside the own store.
        clock: Time.
    """

    def __init__(
        self, *, records: Records[SecretRecord], keys: DataKeys, providers: Collection[Provider], clock: Clock
    ) -> None:
        self._records, self._keys, self._clock = records, keys, clock
        self._providers = frozenset(providers)

    async def page(
        self, *, namespaces: Namespaces, namespace: str | None, limit: int, cursor: str | None
    ) -> Page[Entry[SecretRecord]]:
        """Secrets by scope and name.

        Args:
            namespaces: Where the asker may see them.
            namespace: Of one namespace only (``*``: the global ones).
            limit: Of the page.
            cursor: Of the page before.
        """
        where = EVERYTHING
        if namespace is not None:
            where = where.eq("scope", namespace)
        elif not namespaces.everywhere:
            prefixes = [EVERYTHING.prefix("scope", prefix) for prefix in namespaces.prefixes]
            where = where.any_of(EVERYTHING.one_of("scope", sorted(namespaces.exact)), *prefixes)
        return await self._records.page(where, sort=Sort(), limit=limit, cursor=cursor)

    async def show(self, scope: str, name: str) -> Entry[SecretRecord]:
        """One secret, without its value.

        Raises:
            NotFound: There is none.
        """
        entry = await self._records.load(key_of(scope, name))
        if entry.value is None:
            raise NotFound(f"there is no secret {name[:128]} in {scope}", hint="`tocsin secret list` shows them")
        return entry

    @undisputed
    async def put(
        self,
        scope: str,
        name: str,
        *,
        value: JsonValue = None,
        place: tuple[Provider, str] | None = None,
        workflows: Sequence[str] | None = None,
        summary: str | None = None,
        must_exist: bool = False,
        asker: Asker,
    ) -> Entry[SecretRecord]:
        """Store another value, or say where it is, or change the rules only.

        Args:
            scope: Namespace, or ``*``.
            name: Of the secret.
            value: A string or an object; ``None`` leaves it.
            place: Provider and reference instead of a value.
            workflows: Which may use it; ``None`` leaves it.
            summary: The same.
            must_exist: Only an existing secret gets another value.
            asker: On whose behalf.

        Raises:
            NotFound: It must exist and does not.
            Invalid: Neither value nor place for a new secret, or one that cannot be.
            TooLarge: The value.
        """
        entry = await self._records.load(key_of(scope, checked_secret_name(name)))
        if entry.value is None and must_exist:
            raise NotFound(f"there is no secret {name} in {scope}", hint="`tocsin secret set` makes one")
        if entry.value is None and value is None and place is None:
            raise Invalid("a new secret has a value, or a provider and a reference")
        now = self._clock.now()
        record = entry.value or SecretRecord(scope=scope, name=name, provider=Provider.STORE, created_at=now, changed_at=now)
        if workflows is not None or summary is not None:
            rules = record.workflows if workflows is None else tuple(dict.fromkeys(workflows))
            record = replace(record, workflows=rules, summary=record.summary if summary is None else summary, changed_at=now)
        if place is not None:
            record = record.referring(place[0], self._checked_place(*place), now)
        elif value is not None:
            record = record.stored(await self._version(record, value, asker))
        kind = SECRET_CREATED if entry.value is None else SECRET_UPDATED
        return await self._records.commit(entry, record, outbox=[self._said(kind, entry, record, asker, to=record)])

    @undisputed
    async def restore(self, scope: str, name: str, number: int, asker: Asker) -> Entry[SecretRecord]:
        """Give out an earlier value again, as a new version.

        Raises:
            NotFound: There is no such secret or version.
        """
        entry = await self.show(scope, name)
        assert entry.value is not None
        version = entry.value.version(number)
        if version is None:
            raise NotFound(f"version {number} of {name} is not kept", hint="the last ten are")
        plain = await self._keys.open(version.data_key, version.sealed, context=context_of(scope, name, number))
        record = entry.value.stored(await self._version(entry.value, orjson.loads(plain), asker))
        signal = self._said(SECRET_UPDATED, entry, record, asker, to=record)
        return await self._records.commit(entry, record, outbox=[signal])

    @undisputed
    async def delete(self, scope: str, name: str, asker: Asker) -> None:
        """It is gone, with all versions.

        Raises:
            NotFound: There is none.
        """
        entry = await self.show(scope, name)
        assert entry.value is not None
        await self._records.commit(entry, None, outbox=[self._said(SECRET_DELETED, entry, entry.value, asker, to=None)])

    async def reseal(self) -> int:
        """Seal everything under the active data key, then drop the keys that nothing needs.

        Returns:
            So many secrets were sealed anew.
        """
        active, done, used, cursor = await self._keys.active(), 0, set[str](), None
        while True:
            page = await self._records.page(EVERYTHING, sort=Sort(), limit=_PAGE, cursor=cursor)
            for entry in page.items:
                record = entry.value
                if record is None:
                    continue
                try:
                    if not record.sealed_with(active):
                        record = await self._resealed(record)
                        await self._records.commit(entry, record)
                        done += 1
                except Conflict:
                    used |= {version.data_key for version in (entry.value or record).versions}  # the next look does it
                used |= {version.data_key for version in record.versions}
            cursor = page.next_cursor
            if cursor is None:
                await self._keys.forget_unused(used)
                return done

    async def _resealed(self, record: SecretRecord) -> SecretRecord:
        versions = []
        for version in record.versions:
            context = context_of(record.scope, record.name, version.number)
            plain = await self._keys.open(version.data_key, version.sealed, context=context)
            key, sealed = await self._keys.seal(plain, context=context)
            versions.append(replace(version, data_key=key, sealed=sealed))
        return replace(record, versions=tuple(versions))

    async def _version(self, record: SecretRecord, value: JsonValue, asker: Asker) -> SecretVersion:
        plain = _encoded(value)
        number = record.latest + 1
        key, sealed = await self._keys.seal(plain, context=context_of(record.scope, record.name, number))
        return SecretVersion(number, key, sealed, self._clock.now(), asker.principal.subject)

    def _checked_place(self, provider: Provider, reference: str) -> str:
        if provider not in self._providers:
            known = ", ".join(sorted(one.value for one in self._providers)) or "none"
            raise Invalid(f"the provider {provider.value} is not set up here", hint=f"set up: {known}")
        return checked_reference(provider, reference)

    def _said(
        self,
        kind: SignalType[SecretChanged],
        entry: Entry[SecretRecord],
        record: SecretRecord,
        asker: Asker,
        *,
        to: SecretRecord | None,
    ) -> Outgoing:
        payload = SecretChanged(name=record.name, scope=record.scope, provider=record.provider.value, version=record.latest)
        namespace, entity = place_of(record.scope, record.name)
        return said(kind, entry, payload, asker=asker, now=self._clock.now(), namespace=namespace, entity=entity, to=to)


def place_of(scope: str, name: str) -> tuple[str, str]:
    """Namespace and entity id of the signals about a secret; a name has no slash, so the global ones are nobody else's."""
    return (SYSTEM_NAMESPACE, f"global/{name}") if scope == GLOBAL else (scope, name)


def _encoded(value: JsonValue) -> bytes:
    if not isinstance(value, str | Mapping) or not value:
        raise Invalid("a secret is a string or an object, and not empty")
    plain = orjson.dumps(value)
    if len(plain) > LARGEST_VALUE:
        raise TooLarge(f"a secret is at most {LARGEST_VALUE} bytes", limit=LARGEST_VALUE, size=len(plain))
    return plain
