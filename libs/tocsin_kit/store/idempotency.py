"""Requests with an idempotency key: done once, answered the same each time.

A key belongs to who used it and to what was asked with it; the same key with another request is refused. A record of a
process that died in the middle runs out after a minute, and the next attempt does the work: the work itself must therefore be
idempotent or atomic with the answer.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from pymongo.errors import DuplicateKeyError

from tocsin.errors import Conflict, Rejected
from tocsin_kit.store.database import Database
from tocsin_kit.store.errors import translated
from tocsin_kit.store.indexes import Index, ensure_indexes

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
    """Anything that says what :class:`Answer` says (``tocsin_kit.web.Recorded``)."""

    @property
    def status(self) -> int:
        """HTTP status."""
        ...

    @property
    def body(self) -> bytes:
        """Its bytes."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Those worth repeating."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What the first request was answered.

    Attributes:
        status: HTTP status.
        body: Its bytes.
        headers: Those worth repeating.
    """

    status: int
    body: bytes
    headers: Mapping[str, str]


class IdempotencyRecords:
    """Records of one service.

    Args:
        database: Where.
        keep: How long an answer is remembered.
    """

    def __init__(self, database: Database, *, keep: timedelta = KEEP) -> None:
        self._database = database
        self._keep = keep

    async def start(self) -> None:
        """Make the index that forgets old records."""
        await ensure_indexes(self._database, {COLLECTION: [Index(("expires",), expires=timedelta(0))]})

    async def begin(self, principal: str, key: str, request: bytes) -> Answer | None:
        """Claim a key.

        Args:
            principal: Who asks.
            key: What the client sent.
            request: Method, path and body: what must be the same in a repeat.

        Returns:
            The answer to repeat; ``None`` when the caller now has to do the work and then :meth:`finish` or :meth:`abandon`.

        Raises:
            KeyReused: The key belongs to another request.
            InProgress: Another request with it is being worked on now.
        """
        now = self._database.clock.now()
        name, digest = _name(principal, key), hashlib.sha256(request).hexdigest()
        fresh = {"request": digest, "answer": None, "claimed": now, "expires": now + self._keep}
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
            if found["request"] != digest:
                raise KeyReused(hint="Use a new key for a new request.")
            if found["answer"] is not None:
                return _answer(found["answer"])
            taken = await records.update_one({"_id": name, "claimed": {"$lt": now - CLAIM}, "answer": None}, {"$set": fresh})
            if taken.modified_count == 1:
                return None
        raise InProgress(hint="Ask again in a moment.")

    async def finish(self, principal: str, key: str, answer: Answered) -> None:
        """Remember the answer."""
        stored = {"status": answer.status, "body": answer.body, "headers": dict(answer.headers)}
        with translated(COLLECTION):
            await self._database.collection(COLLECTION).update_one({"_id": _name(principal, key)}, {"$set": {"answer": stored}})

    async def abandon(self, principal: str, key: str) -> None:
        """The work failed in a way that a repeat may cure: let it begin again at once."""
        with translated(COLLECTION):
            await self._database.collection(COLLECTION).delete_one({"_id": _name(principal, key), "answer": None})


def _name(principal: str, key: str) -> str:
    return hashlib.sha256(f"{principal}\0{key}".encode()).hexdigest()


def _answer(stored: Mapping[str, Any]) -> Answer:
    return Answer(stored["status"], bytes(stored["body"]), stored["headers"])
