"""Manages triggers: create, replace, delete, pause, resume, keys. Each change is one commit with its signal."""

import base64
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tocsin.errors import Conflict, Invalid, NotFound, PreconditionFailed
from tocsin.signals import Cause
from tocsin.signals.catalogue.trigger import (
    TRIGGER_AUTO_PAUSED,
    TRIGGER_CREATED,
    TRIGGER_DELETED,
    TRIGGER_PAUSED,
    TRIGGER_RESUMED,
    TRIGGER_UPDATED,
    TriggerChanged,
    TriggerDeleted,
)
from tocsin.signals.kinds import Payload, SignalType
from tocsin_kit.chance import Chance, new_id
from tocsin_kit.store import Entry, Page
from tocsin_trigger.application.registry import Registry
from tocsin_trigger.application.saying import change_of_trigger, changes_of
from tocsin_trigger.domain.deciding import prepare
from tocsin_trigger.domain.errors import TriggerExists, TriggerManaged
from tocsin_trigger.domain.signing import fingerprint, key_material, new_secret, path_digest
from tocsin_trigger.domain.sources import CorrelationSource, SignalSource
from tocsin_trigger.domain.triggers import (
    BearerScheme,
    JwtScheme,
    Pause,
    PrivatePath,
    SigningKey,
    Trigger,
    WebhookSource,
    key_of,
)
from tocsin_trigger.domain.wishes import RESERVED
from tocsin_trigger.ports import Cipher, Listening, TriggerSearch, TriggerStore

_PATHS = 3  # addresses of before that still lead to a webhook
KEYS = 5  # of one webhook; rotation needs two


@dataclass(frozen=True, slots=True)
class Request:
    """Who changes something, when, and why.

    Attributes:
        actor: Proven identity.
        now: The present.
        cause: For the signal.
        revision: What the caller has seen; ``None`` to change whatever is there.
    """

    actor: str
    now: datetime
    cause: Cause
    revision: int | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """A trigger after a change.

    Attributes:
        entry: As it is now.
        created: Whether it is new.
        secret: A key's text, shown this once; ``None`` when none was made.
    """

    entry: Entry[Trigger]
    created: bool = False
    secret: str | None = None


class Triggers:
    """The use cases.

    Args:
        store: Where triggers are.
        registry: Told of each change at once.
        listening: Told when a trigger may need further signals.
        cipher: Seals keys.
        chance: For ids and keys.
        keep: How long events are kept, and so the longest that any may be held.
    """

    def __init__(
        self,
        store: TriggerStore,
        registry: Registry,
        listening: Listening,
        cipher: Cipher,
        *,
        chance: Chance,
        keep: timedelta,
    ) -> None:
        self._keep = keep
        self._listening = listening
        self._store = store
        self._registry = registry
        self._cipher = cipher
        self._chance = chance

    async def get(self, namespace: str, name: str) -> Entry[Trigger]:
        """One trigger.

        Raises:
            NotFound: There is none.
        """
        entry = await self._store.load(key_of(namespace, name))
        if entry.value is None:
            raise NotFound(f"There is no trigger {entry.key}.")
        return entry

    async def page(self, search: TriggerSearch, *, limit: int, cursor: str | None) -> Page[Entry[Trigger]]:
        """A page of triggers."""
        return await self._store.page(search, limit=limit, cursor=cursor)

    async def apply(
        self, draft: Trigger, secret: str | None, request: Request, *, only_new: bool = False, managing: bool = False
    ) -> Changed:
        """Create a trigger, or replace its settings; keys, pause and identity stay.

        Args:
            draft: As wanted; its id, keys, pause and times are ignored.
            secret: A key for a webhook; without one a new webhook gets a fresh key.
            request: Who and when.
            only_new: Refuse to replace.
            managing: It belongs to a definition, and the definition asks.

        Raises:
            TriggerInvalid: With everything that is wrong.
            TriggerExists: There is one, and ``only_new`` was asked.
            TriggerManaged: It belongs to a definition.
            PreconditionFailed: It has changed since the caller read it.
            Conflict: Someone else changes it now.
        """
        _refuse_managed(draft.name, managing=managing)
        entry = await self._store.load(draft.key)
        known = entry.value
        _expect(request, entry)
        if known is not None and only_new:
            raise TriggerExists(f"There is already a trigger {draft.key}.", hint="PUT replaces it.")
        trigger = replace(
            draft,
            id=known.id if known else new_id(request.now, self._chance),
            created=known.created if known else request.now,
            updated=request.now,
            pause=known.pause if known else None,
        )
        shown: str | None = None
        if isinstance(trigger.source, WebhookSource):
            trigger, shown = self._with_keys(trigger, trigger.source, known, secret, request.now)
        prepare(trigger)
        if known is not None and replace(trigger, updated=known.updated) == known:
            return Changed(entry)
        kind = TRIGGER_UPDATED if known else TRIGGER_CREATED
        return Changed(await self._commit(entry, trigger, kind, request), created=known is None, secret=shown)

    async def delete(self, namespace: str, name: str, request: Request, *, managing: bool = False) -> None:
        """Delete a trigger; its events stay.

        Raises:
            NotFound: There is none.
            TriggerManaged: It belongs to a definition.
        """
        _refuse_managed(name, managing=managing)
        entry = await self.get(namespace, name)
        _expect(request, entry)
        signal = change_of_trigger(
            TRIGGER_DELETED,
            TriggerDeleted(name=name, changes=changes_of(entry.value, None)),
            namespace=namespace,
            name=name,
            sequence=entry.sequence + 1,
            time=request.now,
            cause=request.cause,
            actor=request.actor,
        )
        await self._registry.spread(await self._store.commit(entry, None, [signal]))

    async def pause(
        self, namespace: str, name: str, reason: str | None, request: Request, *, by_itself: bool = False
    ) -> Entry[Trigger]:
        """Let a trigger start nothing; what arrives is recorded. Pausing a paused one changes nothing."""
        entry = await self.get(namespace, name)
        _expect(request, entry)
        trigger = _value(entry)
        if trigger.pause is not None:
            return entry
        paused = replace(trigger, pause=Pause(request.actor, request.now, reason), updated=request.now)
        return await self._commit(entry, paused, TRIGGER_AUTO_PAUSED if by_itself else TRIGGER_PAUSED, request, reason)

    async def resume(self, namespace: str, name: str, request: Request) -> Entry[Trigger]:
        """Let it work again; what arrived meanwhile is not made up for."""
        entry = await self.get(namespace, name)
        _expect(request, entry)
        trigger = _value(entry)
        if trigger.pause is None:
            return entry
        return await self._commit(entry, replace(trigger, pause=None, updated=request.now), TRIGGER_RESUMED, request)

    async def add_key(self, namespace: str, name: str, secret: str | None, request: Request) -> Changed:
        """Add a key to a webhook, so that partners can change over; the old ones still count.

        Raises:
            Invalid: It is no webhook, or has too many keys.
        """
        entry = await self.get(namespace, name)
        trigger = _value(entry)
        if not isinstance(trigger.source, WebhookSource):
            raise Invalid(f"{entry.key} is no webhook and has no keys.")
        text = secret or new_secret(self._chance.token(32))
        key = self._key(trigger, trigger.source, text, request.now)
        if key.id in {known.id for known in trigger.source.keys}:
            return Changed(entry)
        if len(trigger.source.keys) >= KEYS:
            raise Invalid(f"A webhook has at most {KEYS} keys.", hint="Remove one that is not used any more.")
        source = replace(trigger.source, keys=(*trigger.source.keys, key))
        changed = await self._commit(
            entry, replace(trigger, source=source, updated=request.now), TRIGGER_UPDATED, request, "key added"
        )
        return Changed(changed, secret=None if secret else text)

    async def remove_key(self, namespace: str, name: str, key_id: str, request: Request) -> Entry[Trigger]:
        """Remove a key; signatures made with it are refused from now on.

        Raises:
            NotFound: There is no such key.
            Conflict: It is the last one.
        """
        entry = await self.get(namespace, name)
        trigger = _value(entry)
        keys = trigger.source.keys if isinstance(trigger.source, WebhookSource) else ()
        left = tuple(key for key in keys if key.id != key_id)
        if len(left) == len(keys) or not isinstance(trigger.source, WebhookSource):
            raise NotFound(f"{entry.key} has no key {key_id}.")
        if not left:
            raise Conflict("The last key cannot be removed.", hint="Add another one first, or delete the trigger.")
        changed = replace(trigger, source=replace(trigger.source, keys=left), updated=request.now)
        return await self._commit(entry, changed, TRIGGER_UPDATED, request, "key removed")

    async def move(
        self, namespace: str, name: str, grace: timedelta | None, request: Request
    ) -> tuple[Entry[Trigger], str | None]:
        """Give a webhook a new address that nobody can guess; or its plain one again.

        Args:
            namespace: Of the trigger.
            name: Of the trigger.
            grace: How long the address of before still leads here; ``None``: back to the plain one, at once.
            request: Who and when.

        Returns:
            The trigger, and the new end of the address, shown this once.

        Raises:
            Invalid: It is no webhook.
        """
        entry = await self.get(namespace, name)
        _expect(request, entry)
        trigger = _value(entry)
        if not isinstance(trigger.source, WebhookSource):
            raise Invalid(f"{entry.key} is no webhook and has no address.")
        segment: str | None = None
        paths: tuple[PrivatePath, ...] = ()
        if grace is not None:
            segment = base64.urlsafe_b64encode(self._chance.token(24)).decode()
            ends = request.now + grace
            kept = [p for p in trigger.source.paths if p.expires is None or p.expires > request.now][-_PATHS:]
            old = [replace(p, expires=ends if p.expires is None else min(p.expires, ends)) for p in kept]
            paths = (*old, PrivatePath(path_digest(segment)))
        moved = replace(trigger, source=replace(trigger.source, paths=paths), updated=request.now)
        return await self._commit(entry, moved, TRIGGER_UPDATED, request, "address changed"), segment

    # -- inside -------------------------------------------------------------------------------------------------------

    def _with_keys(
        self, trigger: Trigger, source: WebhookSource, known: Trigger | None, secret: str | None, now: datetime
    ) -> tuple[Trigger, str | None]:
        before = known.source if known is not None and isinstance(known.source, WebhookSource) else None
        keys = () if before is None else before.keys
        source = replace(source, paths=() if before is None else before.paths)
        if isinstance(source.scheme, BearerScheme | JwtScheme):
            return replace(trigger, source=replace(source, keys=())), None
        shown = None
        if secret is not None or not keys:
            text = secret or new_secret(self._chance.token(32))
            shown = None if secret else text
            key = self._key(trigger, source, text, now)
            if key.id not in {each.id for each in keys}:
                keys = (*keys, key)
        if len(keys) > KEYS:
            raise Invalid(f"A webhook has at most {KEYS} keys.", hint="Remove one that is not used any more.")
        for key in keys:  # a changed scheme must still be able to use them
            key_material(source.scheme, self._cipher.unseal(key.sealed, trigger.id))
        return replace(trigger, source=replace(source, keys=keys)), shown

    def _key(self, trigger: Trigger, source: WebhookSource, text: str, now: datetime) -> SigningKey:
        key_material(source.scheme, text)
        return SigningKey(fingerprint(text), now, self._cipher.seal(text, trigger.id))

    async def _commit(
        self, entry: Entry[Trigger], trigger: Trigger, kind: SignalType[Payload], request: Request, reason: str | None = None
    ) -> Entry[Trigger]:
        payload = TriggerChanged(
            name=trigger.name,
            kind=trigger.kind.value,
            workflow=trigger.target.workflow,
            reason=reason,
            changes=changes_of(entry.value, trigger),
        )
        signal = change_of_trigger(
            kind,
            payload,
            namespace=trigger.namespace,
            name=trigger.name,
            sequence=entry.sequence + 1,
            time=request.now,
            cause=request.cause,
            actor=request.actor,
        )
        committed = await self._store.commit(entry, trigger, [signal])
        await self._registry.spread(committed)
        if isinstance(trigger.source, SignalSource | CorrelationSource):
            await self._listening.widen()  # before anybody is told that the trigger is there
        return committed


def _value(entry: Entry[Trigger]) -> Trigger:
    if entry.value is None:
        raise NotFound(f"There is no trigger {entry.key}.")
    return entry.value


def _refuse_managed(name: str, *, managing: bool) -> None:
    if name.startswith(RESERVED) and not managing:
        raise TriggerManaged(
            f"{name} belongs to the definition of a workflow.", hint="Publish the workflow without `schedule.on`."
        )


def _expect(request: Request, entry: Entry[Trigger]) -> None:
    if request.revision is not None and request.revision != entry.revision:
        raise PreconditionFailed(f"{entry.key} has changed since it was read.", hint="Read it again.")
