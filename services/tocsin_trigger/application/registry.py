"""All triggers in memory, kept true while any replica changes them.

Deciding about an event asks no database. A change made by this replica counts at once, one made by another as soon as the
database tells (a change stream; milliseconds). A change is answered when the database has told it here as well, and so to the
other replicas: an event that is sent then meets the new trigger whoever takes it. When the database is lost everything is read
again, so nothing is missed.
"""

import asyncio
import gc
from contextlib import suppress

import structlog

from tocsin.errors import NotFound, TocsinError, Unavailable
from tocsin_kit.clock import Clock
from tocsin_kit.store import Entry
from tocsin_kit.telemetry import Health
from tocsin_trigger.domain.deciding import Ready, prepare
from tocsin_trigger.domain.matching import Met, TriggerIndex
from tocsin_trigger.domain.signing import key_material
from tocsin_trigger.domain.triggers import Trigger, WebhookSource, key_of
from tocsin_trigger.ports import Cipher, Snapshot, TriggerStore

log = structlog.get_logger()

RETRY = 1.0  # seconds before the database is asked again
ECHO = 1.0  # seconds for which a change, which is stored, waits at most for the database to tell of it


class Registry:
    """The triggers that this replica knows.

    Args:
        store: Where they are kept.
        cipher: Opens the keys of webhooks.
        clock: Time.
    """

    name = "triggers"

    def __init__(self, store: TriggerStore, cipher: Cipher, clock: Clock) -> None:
        self._store = store
        self._cipher = cipher
        self._clock = clock
        self._index = TriggerIndex()
        self._loaded = False
        self._broken: dict[str, str] = {}
        self._told: set[str] = set()
        self._following = False
        self._echoes: dict[tuple[str, int], asyncio.Event] = {}

    async def start(self) -> None:
        """Read all triggers."""
        self._replace(await self._store.snapshot())
        # The triggers stay, and what an event makes is freed by reference counts. Walking all of it for cycles that are not
        # there made each event dearer the more triggers there were, whatever they listen to.
        gc.freeze()
        gc.set_threshold(50_000, 50, 100)

    async def serve(self) -> None:
        """Follow every change until cancelled."""
        while True:
            self._told.clear()  # what was told before is in the snapshot that is read now
            try:
                async for change in self._store.follow(self._index.states):
                    if isinstance(change, Snapshot):
                        await self._take(change)
                        self._following = True
                    else:
                        self._put(change)
                        self._echo(change)
            except Unavailable as error:
                log.info("triggers.not_followed", error=error.detail)
            finally:
                self._following = False
            await self._clock.sleep(RETRY)

    async def stop(self) -> None:
        """Nothing to do."""

    def health(self) -> Health:
        """Ready when the triggers have been read once."""
        facts = {"triggers": len(self._index), "broken": len(self._broken)}
        detail = next((f"{key} cannot be used: {why}" for key, why in self._broken.items()), f"{len(self._index)} triggers")
        return Health(ready=self._loaded, detail=detail, facts=facts)

    def put(self, entry: Entry[Trigger]) -> None:
        """Take a trigger's new state (or its end) from this replica's own use cases."""
        self._told.add(entry.key)
        self._put(entry)

    async def spread(self, entry: Entry[Trigger]) -> None:
        """Take it as :meth:`put`, and return when the database has told all that follow it, as far as can be seen from here."""
        told = self._echoes.setdefault((entry.key, entry.revision), asyncio.Event()) if self._following else None
        self.put(entry)
        if told is not None:
            try:
                with suppress(TimeoutError):
                    async with asyncio.timeout(ECHO):
                        await told.wait()
            finally:
                self._echoes.pop((entry.key, entry.revision), None)

    def _echo(self, change: Entry[Trigger]) -> None:
        for (key, revision), told in self._echoes.items():
            if key == change.key and revision <= change.revision:
                told.set()

    def _put(self, entry: Entry[Trigger]) -> None:
        trigger = entry.value
        if trigger is None:
            self._index.drop(entry.key)
            self._broken.pop(entry.key, None)
            return
        try:
            ready = prepare(trigger, entry.revision, self._keys(trigger))
        except TocsinError as error:
            # Stored by another version or under another key: this one trigger is out, the others work.
            log.error("trigger.unusable", trigger=entry.key, code=error.code, error=error.detail)
            self._broken[entry.key] = error.detail
            self._index.drop(entry.key)
            return
        self._broken.pop(entry.key, None)
        self._index.put(ready)

    def webhook(self, namespace: str, name: str) -> Ready:
        """The webhook of this name.

        Raises:
            NotFound: There is none; also when a trigger of another kind has the name.
            Unavailable: There is one, but its key cannot be opened.
        """
        key = key_of(namespace, name)
        ready = self._index.get(key)
        if ready is None or not isinstance(ready.trigger.source, WebhookSource):
            if key in self._broken:
                raise Unavailable(f"The webhook {key} cannot be verified now.")
            raise NotFound(f"There is no webhook {key}.")
        return ready

    def known(self, key: str) -> Ready | None:
        """The trigger of this key, if it is there and can be used."""
        return self._index.get(key)

    def required(self, namespace: str, name: str) -> Ready:
        """The same by its names.

        Raises:
            NotFound: There is none.
        """
        ready = self._index.get(key_of(namespace, name))
        if ready is None:
            raise NotFound(f"There is no trigger {key_of(namespace, name)}.")
        return ready

    def watched(self) -> list[Ready]:
        """Triggers that look at something themselves."""
        return self._index.watched()

    def subjects(self) -> list[Ready]:
        """Triggers that listen to somebody else's subjects."""
        return self._index.subjects()

    def signals(self) -> set[tuple[str, str]]:
        """Entities and transitions (or ``*``) of the signals that some trigger listens to."""
        return self._index.signals()

    def matching(self, namespace: str, event_type: str, source: str) -> list[Met]:
        """The triggers that a custom event meets."""
        return self._index.matching(namespace, event_type, source)

    def matching_signal(self, namespace: str, entity: str, transition: str) -> list[Met]:
        """The triggers that a signal of ``namespace`` meets."""
        return self._index.matching_signal(namespace, entity, transition)

    def of_namespace(self, namespace: str) -> list[Ready]:
        """All usable triggers of a namespace, by name."""
        return self._index.of_namespace(namespace)

    async def _take(self, snapshot: Snapshot) -> None:
        """Know these and no others; what this replica changed while they were read is not forgotten even for a moment."""
        later: dict[str, Entry[Trigger]] = {}
        while self._told:
            key = self._told.pop()
            later[key] = await self._store.load(key)
        self._replace(snapshot)
        for entry in later.values():
            self._put(entry)

    def _replace(self, snapshot: Snapshot) -> None:
        there = {entry.key for entry in snapshot.entries} | snapshot.same
        for key in [key for key in self._index.known() if key not in there]:
            self._index.drop(key)
        self._broken = {key: why for key, why in self._broken.items() if key in there}
        for entry in snapshot.entries:
            known = self._index.get(entry.key)
            # Compiling ten thousand triggers takes a second: what has not changed since the last look is not compiled again.
            if known is None or known.revision != entry.revision or entry.value is None or known.trigger.id != entry.value.id:
                self._put(entry)
        self._loaded = True

    def _keys(self, trigger: Trigger) -> tuple[tuple[str, bytes], ...]:
        source = trigger.source
        if not isinstance(source, WebhookSource):
            return ()
        return tuple((key.id, key_material(source.scheme, self._cipher.unseal(key.sealed, trigger.id))) for key in source.keys)
