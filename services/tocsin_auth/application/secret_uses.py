"""Giving secrets to the services that carry out work, each use recorded before the value leaves.

One use is one document and one signal, whatever the number of names, so that uses of the same secret never wait for each other.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final, TypeVar

import orjson

from tocsin.errors import Conflict, Defect
from tocsin.signals import Cause, root
from tocsin.signals.catalogue.auth import SECRET_REFUSED, SECRET_USED, SecretRefused, SecretUsed, UsedSecret
from tocsin.signals.kinds import JsonValue, Payload, SignalType
from tocsin_auth.application.data_keys import DataKeys
from tocsin_auth.application.saying import Asker, said
from tocsin_auth.domain.secrets import Provider, SecretRecord, SecretUse, context_of, key_of, scopes_for, split_reference
from tocsin_auth.ports import Records, SecretSource
from tocsin_kit.bus.secrets import SecretForbidden, SecretNotFound, SecretRequest
from tocsin_kit.chance import Chance, new_id
from tocsin_kit.clock import Clock
from tocsin_kit.store import Entry
from tocsin_kit.web.access import Principal, name_matches

P = TypeVar("P", bound=Payload)

_USE_NOTED: Final = timedelta(minutes=1)


class SecretUses:
    """Resolves names to values.

    Args:
        records: All secrets.
        uses: Where uses are recorded.
        keys: Opens what is stored here.
        sources: Read what is elsewhere.
        clock: Time.
        chance: Makes ids.
    """

    def __init__(
        self,
        *,
        records: Records[SecretRecord],
        uses: Records[SecretUse],
        keys: DataKeys,
        sources: Mapping[Provider, SecretSource],
        clock: Clock,
        chance: Chance,
    ) -> None:
        self._records, self._uses, self._keys, self._sources = records, uses, keys, sources
        self._clock, self._chance = clock, chance

    async def resolve(self, request: SecretRequest, service: str) -> Mapping[str, JsonValue]:
        """The present values.

        Args:
            request: What is asked.
            service: Who asks, proven by the subject it asked on.

        Raises:
            SecretNotFound: Names that exist in no scope.
            SecretForbidden: A secret that is for other workflows; recorded.
            Unavailable: A provider does not answer, or the use cannot be recorded.
        """
        found = await self._look_up(request)
        refused = [entry for entry in found.values() if entry.value is not None and not _is_for(entry.value, request)]
        if refused:
            names = sorted(entry.value.name for entry in refused if entry.value is not None)
            denied = SecretRefused(secrets=names, service=service, used_by=dict(request.used_by))
            await self._record(SECRET_REFUSED, denied, request, service)
            raise SecretForbidden(f"{', '.join(names)} may be used by other workflows only", names=",".join(names))
        values = {name: await self._value(entry) for name, entry in found.items()}
        given = [_used(entry) for entry in found.values()]
        used = SecretUsed(secrets=given, service=service, used_by=dict(request.used_by))
        await self._record(SECRET_USED, used, request, service)
        for entry in found.values():
            await self._note_use(entry)
        return values

    async def _look_up(self, request: SecretRequest) -> dict[str, Entry[SecretRecord]]:
        scopes = scopes_for(request.namespace)
        entries = await self._records.load_many([key_of(scope, name) for scope in scopes for name in request.names])
        found: dict[str, Entry[SecretRecord]] = {}
        for name in request.names:
            nearest = next((entries[key] for scope in scopes if (key := key_of(scope, name)) in entries), None)
            if nearest is not None:
                found[name] = nearest
        missing = sorted(set(request.names) - set(found))
        if missing:
            texts = ", ".join(missing)
            raise SecretNotFound(f"there is no secret {texts} for namespace {request.namespace}", names=",".join(missing))
        return found

    async def _value(self, entry: Entry[SecretRecord]) -> JsonValue:
        record = entry.value
        assert record is not None
        if record.provider is Provider.STORE:
            version = record.current
            if version is None:
                raise Defect(f"the secret {record.name} has no value")
            context = context_of(record.scope, record.name, version.number)
            value: JsonValue = orjson.loads(await self._keys.open(version.data_key, version.sealed, context=context))
            return value
        source = self._sources.get(record.provider)
        found = await source.read(*split_reference(record.reference or "")) if source else None
        if found is None:
            raise SecretNotFound(
                f"the provider {record.provider.value} has nothing where {record.name} refers to", names=record.name
            )
        return found

    async def _record(self, kind: SignalType[P], payload: P, request: SecretRequest, service: str) -> None:
        now = self._clock.now()
        entry: Entry[SecretUse] = Entry(new_id(now, self._chance), None, revision=0, sequence=0)
        asker = Asker(_cause(request, entry.key), Principal(f"service:{service}", service), address="bus")
        signal = said(kind, entry, payload, asker=asker, now=now, namespace=request.namespace)
        await self._uses.commit(entry, SecretUse(now), outbox=[signal])

    async def _note_use(self, entry: Entry[SecretRecord]) -> None:
        record, now = entry.value, self._clock.now()
        if record is None or (record.last_used_at is not None and now - record.last_used_at < _USE_NOTED):
            return
        try:
            await self._records.commit(entry, replace(record, last_used_at=now))
        except Conflict:
            return  # somebody else noted it, or changes it at this moment


def _is_for(record: SecretRecord, request: SecretRequest) -> bool:
    workflow = request.used_by.get("workflow", "")
    return not record.workflows or any(name_matches(workflow, pattern) for pattern in record.workflows)


def _used(entry: Entry[SecretRecord]) -> UsedSecret:
    assert entry.value is not None
    record = entry.value
    return UsedSecret(name=record.name, scope=record.scope, version=record.latest if record.current else None)


def _cause(request: SecretRequest, use: str) -> Cause:
    """A use belongs to the flow of its run, where it has one."""
    run = request.used_by.get("run")
    return Cause(id=use, correlation=run) if run else root(use)
