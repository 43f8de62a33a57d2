"""What people do with the audit trail: search it, take it with them in a form that can be proven, and hold parts of it."""

import binascii
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from tocsin.errors import Conflict, NotFound
from tocsin.signals import Cause
from tocsin.signals.audit_chain import FORMAT, Body, genesis, header_bytes
from tocsin.signals.catalogue import observer as words
from tocsin.signals.codec import format_time
from tocsin.signals.kinds import SYSTEM_NAMESPACE
from tocsin_kit.clock import Clock
from tocsin_kit.store import Entry as Stored
from tocsin_kit.store import Page
from tocsin_kit.store.changes import changes
from tocsin_kit.web import Namespaces
from tocsin_kit.web.spreadsheets import csv_row
from tocsin_observer.application.announcing import announce
from tocsin_observer.application.chaining import checkpoint_at
from tocsin_observer.domain.audit import Entry, Head, changes_of
from tocsin_observer.domain.holds import Hold, held
from tocsin_observer.ports import AuditSearch, AuditStore, CheckpointSigner, HoldStore

CSV_COLUMNS: Final = (
    "number",
    "stored",
    "time",
    "namespace",
    "actor",
    "action",
    "id",
    "outcome",
    "permission",
    "address",
    "request",
    "correlation",
    "changes",
    "position",
    "hash",
)
_ERASED_AT_ONCE: Final = 1000
_SEAL_TRIES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What an export shows in full.

    Attributes:
        permitted: Namespaces that the reader may see.
        namespace: Only this one.
        actor: Only what this person or program did.
        since: Stored from then on.
        until: Stored before.
    """

    permitted: Namespaces
    namespace: str | None = None
    actor: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def shows(self, body: Body) -> bool:
        """Whether a record is shown, or only its digest."""
        namespace = str(body.get("namespace") or SYSTEM_NAMESPACE)
        return (
            namespace in self.permitted
            and self.namespace in {None, namespace}
            and (self.actor is None or body.get("actor") == self.actor)
        )


class Audit:
    """The use cases of the audit trail.

    Args:
        store: Where the chain lies.
        holds: Legal holds.
        signer: Signs the checkpoint at the end of an export.
        clock: Time.
        retention: How long records are kept in full.
    """

    def __init__(
        self, store: AuditStore, holds: HoldStore, signer: CheckpointSigner, *, clock: Clock, retention: timedelta
    ) -> None:
        self._store = store
        self._holds = holds
        self._signer = signer
        self._clock = clock
        self._retention = retention

    # ---- reading -----------------------------------------------------------------------------------------------------

    async def search(self, search: AuditSearch, *, limit: int, cursor: str | None) -> Page[Entry]:
        """One page of records, newest first."""
        return await self._store.search(search, limit=limit, cursor=cursor)

    async def record(self, number: int) -> Entry:
        """One record in full.

        Raises:
            NotFound: There is none of this number, or its time to be kept in full is over.
        """
        async for entry in self._store.entries(number, number):
            if entry.body is not None:
                return entry
            raise NotFound(f"record {number} is kept as a digest only", hint="its time to be kept in full is over")
        raise NotFound(f"there is no record {number} in the audit trail")

    async def status(self) -> tuple[Head, dict[str, bytes]]:
        """Where the chain ends, and the public keys that sign it."""
        return await self._store.head(), await self._store.keys()

    async def export(self, wanted: Wanted) -> AsyncIterator[bytes]:
        """The trail as JSON lines that ``tocsin audit verify`` proves; what the reader may not see is there as a digest."""
        head = await self._sealed_head()
        first, last = await self._store.range(wanted.since, wanted.until)
        before = await self._store.hash_before(first, genesis(head.chain))
        keys = await self._store.keys()
        # The last record of the period may lie before the checkpoint that proves it: go on to that, with digests only.
        end = await self._store.covered_by(last)
        header = {
            "kind": "header",
            "format": FORMAT,
            "chain": head.chain,
            "after": first - 1,
            "to": end,
            "hash": before.hex(),
            "exported": format_time(self._clock.now()),
            "keys": {kid: _base64(key) for kid, key in keys.items()},
            "kid": self._signer.kid,
        }
        yield _line({**header, "signature": _base64(self._signer.sign(header_bytes(header)))})
        checkpoints = {point.number: point for point in await self._store.checkpoints(first, end)}
        async for entry in self._store.entries(first, end):
            shown = entry.body if entry.number <= last and entry.body is not None and wanted.shows(entry.body) else None
            what: dict[str, Any] = {"kind": "withheld", "digest": entry.digest.hex()}
            if shown is not None:
                what = {"kind": "record", "body": shown}
            yield _line({**what, "number": entry.number, "hash": entry.hash.hex()})
            if entry.number in checkpoints:
                yield _line(checkpoints[entry.number].line())

    async def table(self, wanted: Wanted) -> AsyncIterator[bytes]:
        """The same records for a spreadsheet; proves nothing."""
        yield csv_row(CSV_COLUMNS)
        first, last = await self._store.range(wanted.since, wanted.until)
        async for entry in self._store.entries(first, last):
            if entry.body is not None and wanted.shows(entry.body):
                row = {**entry.body, "number": entry.number, "hash": entry.hash.hex()}
                row["changes"] = orjson.dumps(found).decode() if (found := changes_of(entry.body)) else None
                yield csv_row(row.get(name) for name in CSV_COLUMNS)

    async def _sealed_head(self) -> Head:
        """The end of the chain, with a checkpoint at it, so that an export is proven up to its last line."""
        await self._store.publish_key(self._signer.kid, self._signer.public)  # it signs the header in any case
        for _ in range(_SEAL_TRIES):  # not `undisputed`: whoever is always first seals as well
            head = await self._store.head()
            if head.number == head.sealed:
                return head
            after = Head(head.chain, head.number, head.hash, head.position, head.number)
            try:
                await self._store.seal(head, checkpoint_at(head, self._signer, format_time(self._clock.now())), after)
            except Conflict:
                continue
            return after
        return await self._store.head()  # the writer seals while we look; what it sealed is proven

    # ---- keeping -----------------------------------------------------------------------------------------------------

    async def tidy(self) -> int:
        """Forget what records said whose time is over and that nobody holds; their digests keep the chain whole."""
        holds = [entry.value for entry in await self._holds.all() if entry.value is not None]
        before = self._clock.now() - self._retention
        gone, after = 0, 0
        while True:
            old = await self._store.expired(before, after=after, limit=_ERASED_AT_ONCE)
            if not old:
                break
            after = old[-1].number
            free = [e.number for e in old if e.body is not None and not held(holds, e.body, e.stored)]
            await self._store.erase(free)
            gone += len(free)
        await self._store.cut()
        return gone

    async def place(self, hold: Hold, *, cause: Cause) -> Hold:
        """Place a hold.

        Raises:
            Conflict: There is one of this name.
        """
        entry = await self._holds.load(hold.name)
        if entry.value is not None:
            raise Conflict(f"there is a hold {hold.name} already", hint="release it, or choose another name")
        said = words.HoldChanged(name=hold.name, reason=hold.reason, hold_namespace=hold.namespace, hold_actor=hold.actor)
        outbox = announce(
            [(words.AUDIT_HOLD_PLACED, said)],
            namespace=SYSTEM_NAMESPACE,
            entity_id=hold.name,
            after=entry.sequence,
            now=self._clock.now(),
            cause=cause,
            actor=hold.placed_by,
        )
        await self._holds.commit(entry, hold, outbox)
        return hold

    async def holds(self) -> list[Hold]:
        """All holds, by name."""
        return [entry.value for entry in await self._holds.all() if entry.value is not None]

    async def release(self, name: str, *, actor: str, cause: Cause) -> None:
        """Release a hold.

        Raises:
            NotFound: There is none.
        """
        entry: Stored[Hold] = await self._holds.load(name)
        if entry.value is None:
            raise NotFound(f"there is no hold {name}", hold=name)
        hold = entry.value
        said = words.HoldChanged(
            name=name,
            reason=hold.reason,
            hold_namespace=hold.namespace,
            hold_actor=hold.actor,
            changes=changes(hold, None),
        )
        outbox = announce(
            [(words.AUDIT_HOLD_RELEASED, said)],
            namespace=SYSTEM_NAMESPACE,
            entity_id=name,
            after=entry.sequence,
            now=self._clock.now(),
            cause=cause,
            actor=actor,
        )
        await self._holds.commit(entry, None, outbox)


def _line(value: dict[str, Any]) -> bytes:
    return orjson.dumps(value) + b"\n"


def _base64(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode()
