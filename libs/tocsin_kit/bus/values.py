"""Large values in JetStream: pieces under the digest of the whole, and a mark when all of them are there.

A value is written once: whoever finds the mark only renews it, so that nobody deletes the value while a reference is on its
way. Deleting is in two steps, since a writer may come in between: the mark is replaced on the condition that nobody has renewed
it, and then only what is older than that goes. Written pieces are never changed, as their name is what they hold.
"""

import hashlib
from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from typing import Final

import orjson

from tocsin.errors import Defect, NotFound
from tocsin_kit.bus.api import call
from tocsin_kit.bus.connection import Bus
from tocsin_kit.bus.errors import WrongSequence
from tocsin_kit.bus.messages import EXPECTED_LAST_SUBJECT_SEQUENCE, Message
from tocsin_kit.clock import Clock

STREAM: Final = "VALUES"
PIECE: Final = 512 * 1024  # bytes; a stream is read and replicated message by message
_CACHE: Final = 32 * 1024 * 1024  # bytes of values kept at hand
_RENEW: Final = timedelta(minutes=10)  # a younger mark need not be renewed: nobody deletes so young a value
_AGAIN: Final = 0.02  # seconds
_PATIENCE: Final = (0.05, 0.1, 0.2, 0.5, 1.0)  # seconds: a replica that answers may be behind the one that stored


class ValueStore:
    """Keeps and reads values.

    Args:
        bus: A started bus of a service that may use the stream.
        clock: Time.
    """

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0

    async def keep(self, body: bytes) -> str:
        """Store a value that is about to be referred to; what is there already is not written again.

        Returns:
            SHA-256 of the body, in hex.

        Raises:
            Unavailable: Not known to be stored.
        """
        digest = hashlib.sha256(body).hexdigest()
        while True:
            mark = await self._mark(digest)
            if mark is not None and mark[1] is not None:
                if self._clock.now() - mark[2] > _RENEW and not await self._put_mark(digest, len(body), mark[0]):
                    await self._clock.sleep(_AGAIN)  # somebody has renewed it, or is deleting it
                    continue
                break
            pieces = [body[at : at + PIECE] for at in range(0, len(body), PIECE)]
            await self._bus.publish_many([Message(f"values.{digest}.{n}", piece) for n, piece in enumerate(pieces)])
            if await self._put_mark(digest, len(body), 0 if mark is None else mark[0]):
                break
            await self._clock.sleep(_AGAIN)
        self._remember(digest, body)
        return digest

    async def read(self, digest: str) -> bytes:
        """A value.

        Raises:
            NotFound: There is none.
            Unavailable: The store does not answer.
            Defect: It is damaged.
        """
        known = self._kept.get(digest)
        if known is not None:
            self._kept.move_to_end(digest)
            return known
        mark = await self._mark(digest)
        for pause in _PATIENCE:
            if mark is not None and mark[1] is not None:
                break
            await self._clock.sleep(pause)
            mark = await self._mark(digest)
        if mark is None or mark[1] is None:
            raise NotFound(f"There is no value {digest}.", digest=digest)
        parts = []
        for number in range(-(-mark[1] // PIECE)):
            piece = await self._get(f"values.{digest}.{number}")
            if piece is None:
                raise NotFound(f"The value {digest} is being deleted.", digest=digest)
            parts.append(piece[1])
        body = b"".join(parts)
        if hashlib.sha256(body).hexdigest() != digest:
            raise Defect(f"The value {digest} is damaged.", digest=digest)
        self._remember(digest, body)
        return body

    async def remove(self, digest: str, *, unused_for: timedelta) -> bool:
        """Delete a value that nobody refers to, unless somebody stored it again within ``unused_for``; whether it is gone."""
        mark = await self._mark(digest) or await self._begun(digest)
        if mark is None or self._clock.now() - mark[2] < unused_for:
            return mark is None
        if not await self._put_mark(digest, None, mark[0]):
            return False
        fence = await self._mark(digest)
        if fence is None or fence[1] is not None:
            return False
        await call(self._bus, f"STREAM.PURGE.{STREAM}", {"filter": f"values.{digest}.>", "seq": fence[0] + 1})
        known = self._kept.pop(digest, None)
        self._bytes -= 0 if known is None else len(known)
        return True

    async def digests(self, offset: int = 0) -> tuple[list[str], int]:
        """Digests of all values, a page of them, and where the next page begins; 0 at the end."""
        answer = await call(self._bus, f"STREAM.INFO.{STREAM}", {"subjects_filter": "values.*.0", "offset": offset})
        found = [subject.split(".")[1] for subject in answer.get("state", {}).get("subjects") or {}]
        total = int(answer.get("total", 0))
        return found, offset + len(found) if found and offset + len(found) < total else 0

    async def _mark(self, digest: str) -> tuple[int, int | None, datetime] | None:
        """Position, size (``None``: it is being deleted) and time of the mark."""
        found = await self._get(f"values.{digest}.all")
        if found is None:
            return None
        size = orjson.loads(found[1])
        return found[0], size if isinstance(size, int) else None, found[2]

    async def _begun(self, digest: str) -> tuple[int, int | None, datetime] | None:
        """As a mark, of a value whose writer has died before its end: position 0, and the time of its first piece."""
        found = await self._get(f"values.{digest}.0")
        return None if found is None else (0, None, found[2])

    async def _put_mark(self, digest: str, size: int | None, after: int) -> bool:
        try:
            await self._bus.publish(
                f"values.{digest}.all", orjson.dumps(size), headers={EXPECTED_LAST_SUBJECT_SEQUENCE: str(after)}
            )
        except WrongSequence:
            return False
        return True

    async def _get(self, subject: str) -> tuple[int, bytes, datetime] | None:
        """Position, payload and time of the newest message of a subject."""
        reply = await self._bus.request(f"$JS.API.DIRECT.GET.{STREAM}.{subject}", b"")
        if "Nats-Sequence" not in reply.headers:
            return None
        at = datetime.strptime(reply.headers["Nats-Time-Stamp"][:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
        return int(reply.headers["Nats-Sequence"]), reply.payload, at

    def _remember(self, digest: str, body: bytes) -> None:
        if len(body) > _CACHE // 2 or digest in self._kept:
            return
        self._kept[digest] = body
        self._bytes += len(body)
        while self._bytes > _CACHE:
            self._bytes -= len(self._kept.popitem(last=False)[1])
