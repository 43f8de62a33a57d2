"""Requests with an idempotency key: done once, answered the same each time.

A key belongs to who used it and to what was asked with it; the same key with another request is refused. A record of a
process that died in the middle runs out after a minute, and the next attempt does the work: the work itself must therefore be
idempotent or atomic with the answer.
"""

import hashlib
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Generic, Protocol, TypeVar

from pymongo.errors import DuplicateKeyError

from tocsin.errors import Conflict, Rejected
from tocsin_kit.store.database import Database
from tocsin_kit.store.errors import translated
from tocsin_kit.store.indexes import Index, ensure_indexes
from tocsin_kit.telemetry.health import Health

COLLECTION = "_idempotency"
KEEP = timedelta(hours=24)
CLAIM = timedelta(minutes=1)  # longer than any request may take


class KeyReused(Rejected):
    """This idempotency key was used for another request."""

    code = "idempotency_key_reused"
    status = 422


class InProgress(Conflict):
    """The request with this idempotency key is still being worked on."""

    code = "request_in_progress"


class Answered(Protocol):
    """What an answer is made of, whoever defines it (``tocsin_kit.web.Recorded``)."""

    @property
    def status(self) -> int:
        """HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Those worth repeating."""
        ...

    @property
    def body(self) -> bytes:
        """Its bytes."""
        ...


A = TypeVar("A", bound=Answered)


class IdempotencyRecords(Generic[A]):
    """Records of one service; fits ``tocsin_kit.web.IdempotencyRecords`` when made with ``make=Recorded``. A component.

    Args:
        database: Where.
        make: Makes an answer from ``status``, ``headers`` and ``body``.
        keep: How long an answer is remembered.
    """

    name = "idempotency"

    def __init__(
        self, database: Database, make: Callable[[int, Mapping[str, str], bytes], A], *, keep: timedelta = KEEP
    ) -> None:
        self._database = database
        self._make = make
        self._keep = keep

    async def start(self) -> None:
        """Make the index that forgets old records."""
        await ensure_indexes(self._database, {COLLECTION: [Index(("expires",), expires=timedelta(0))]})

    async def serve(self) -> None:
        """Nothing to do."""

    async def stop(self) -> None:
        """Nothing to do."""

    def health(self) -> Health:
        """Ready."""
        return Health(ready=True, detail="remembering")

    async def begin(self, key: str, fingerprint: str) -> A | None:
        """Claim a key.

        Args:
            key: Names who asks, the route, and the sender's key.
            fingerprint: Digest of the request: the same in a repeat.

        Returns:
            The answer to repeat; ``None`` when the caller now has to do the work and then :meth:`finish` or :meth:`abandon`.

        Raises:
            KeyReused: The key belongs to another request.
            InProgress: Another request with it is being worked on now.
        """
        now = self._database.clock.now()
        name = _name(key)
        fresh = {"request": fingerprint, "answer": None, "claimed": now, "expires": now + self._keep}
        records = self._database.collection(COLLECTION)
        with translated(COLLECTION):
            try:
                await records.insert_one({"_id": name, **fresh})
            except DuplicateKeyError:
                found = await records.find_one({"_id": name})
            else:
                return None
            if found is None:
                raise InProgress
            if found["request"] != fingerprint:
                raise KeyReused(hint="Use a new key for a new request.")
            stored = found["answer"]
            if stored is not None:
                return self._make(stored["status"], stored["headers"], bytes(stored["body"]))
            taken = await records.update_one({"_id": name, "claimed": {"$lt": now - CLAIM}, "answer": None}, {"$set": fresh})
            if taken.modified_count == 1:
                return None
        raise InProgress(hint="Ask again in a moment.")

    async def finish(self, key: str, answer: A) -> None:
        """Remember the answer."""
        stored = {"status": answer.status, "body": answer.body, "headers": dict(answer.headers)}
        with translated(COLLECTION):
            await self._database.collection(COLLECTION).update_one({"_id": _name(key)}, {"$set": {"answer": stored}})

    async def abandon(self, key: str) -> None:
        """The work failed in a way that a repeat may cure: let it begin again at once."""
        with translated(COLLECTION):
            await self._database.collection(COLLECTION).delete_one({"_id": _name(key), "answer": None})


def _name(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
