"""What is old goes: ended runs with all that belongs to them, and what tasks printed.

In small batches, so that nothing else waits, and the run's own document last, so that a sweep which is cut off is taken up
again. A value is shared by digest between runs; it goes with the last run that refers to it, unless it was saved lately. Now
and then all that are stored apart are looked through for those that no run came to refer to: the output of an attempt that was
too late, say.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

import structlog

from tocsin_kit.clock import Clock
from tocsin_kit.store.database import Database, Document
from tocsin_kit.store.errors import translated

log = structlog.get_logger()

_BATCH: Final = 500
_BATCHES: Final = 200  # a sweep; the next one goes on
_TERMINAL: Final = ["completed", "faulted", "cancelled"]
_PARTS: Final = {"refs": 1, "large": 1, "slots.keys": 1}
_LOOK: Final = timedelta(hours=6)  # between two looks through all large values
_ORPHAN: Final = timedelta(days=8)  # as long as an input of a run may wait in the log
_SAVED_AGAIN: Final = timedelta(hours=1)  # a save writes its values first and refers to them a moment later


class Removable(Protocol):
    """Large values, as those see it who tidy up."""

    async def digests(self, offset: int = 0) -> tuple[list[str], int]:
        """Some of all, and where the next ones begin; 0 at the end."""
        ...

    async def remove(self, digest: str, *, unused_for: timedelta) -> bool:
        """Delete a value unless somebody stored it again lately; whether it is gone."""
        ...


class Retention:
    """Deletes what is kept no longer.

    Args:
        database: The executor's database.
        clock: Time.
        runs: How long ended runs are kept.
        logs: How long the output of tasks is kept.
        values: Where large values are.
    """

    def __init__(
        self, database: Database, clock: Clock, *, runs: timedelta, logs: timedelta, values: Removable | None = None
    ) -> None:
        self._values = values
        self._looked: datetime | None = None
        self._database = database
        self._clock = clock
        self._runs = runs
        self._logs = logs

    async def sweep(self) -> None:
        """Delete what is due; safe to repeat, and beside others who do the same."""
        now, runs, logs = self._clock.now(), 0, 0
        with translated("retention"):
            for _ in range(_BATCHES):
                query = {"status": {"$in": _TERMINAL}, "ended": {"$lt": now - self._runs}}
                found = await self._collection("runs").find(query, _PARTS).limit(_BATCH).to_list(None)
                if not found:
                    break
                await self._delete(found)
                runs += len(found)
            for _ in range(_BATCHES):
                old = {"at": {"$lt": now - self._logs}}
                pieces = await self._collection("task_logs").find(old, {"_id": 1}).limit(_BATCH).to_list(None)
                if not pieces:
                    break
                await self._collection("task_logs").delete_many({"_id": {"$in": [piece["_id"] for piece in pieces]}})
                logs += len(pieces)
        values = 0
        if self._values is not None and (self._looked is None or now - self._looked >= _LOOK):
            self._looked = now
            values = await self.remove_orphans(_ORPHAN)
        if runs or logs or values:
            log.info("retention.deleted", runs=runs, log_pieces=logs, orphans=values)

    async def remove_orphans(self, unused_for: timedelta) -> int:
        """Delete large values that no run refers to and nobody has stored again for so long; how many went."""
        gone = offset = 0
        while self._values is not None:
            digests, offset = await self._values.digests(offset)
            for at in range(0, len(digests), _BATCH):
                gone += await self._remove(digests[at : at + _BATCH], unused_for)
            if not offset:
                break
        return gone

    async def _remove(self, digests: Sequence[str], unused_for: timedelta) -> int:
        assert self._values is not None
        with translated("retention"):
            held = set(await self._collection("runs").distinct("large", {"large": {"$in": list(digests)}}))
        return sum([await self._values.remove(digest, unused_for=unused_for) for digest in digests if digest not in held])

    async def _delete(self, found: list[Document]) -> None:
        ids = [document["_id"] for document in found]
        cells = await self._collection("cells").find({"run": {"$in": ids}}, {"refs": 1}).to_list(None)
        refs = {ref for document in (*found, *cells) for ref in document.get("refs") or ()}
        for name in ("records", "cells", "task_logs"):
            await self._collection(name).delete_many({"run": {"$in": ids}})
        await self._collection("runs").delete_many({"_id": {"$in": ids}})
        if refs:
            await self._delete_values(refs)
        large = sorted({digest for document in found for digest in document.get("large") or ()})
        if large and self._values is not None:
            await self._remove(large, _SAVED_AGAIN)
        for key in {key for document in found for key in (document.get("slots") or {}).get("keys", ())}:
            if (
                await self._collection("runs").find_one({"slots.keys": key, "slots.state": {"$exists": True}}, {"_id": 1})
                is None
            ):
                await self._collection("limits").delete_one({"_id": key})  # of a key that nobody uses any more

    async def _delete_values(self, refs: set[str]) -> None:
        """Those that no run refers to any more."""
        held: set[str] = set()
        for name in ("runs", "cells"):
            others = self._collection(name).find({"refs": {"$in": sorted(refs)}}, {"refs": 1})
            held |= {ref async for document in others for ref in document["refs"]}
        before = self._clock.now() - _SAVED_AGAIN
        free = {"_id": {"$in": sorted(refs - held)}, "$or": [{"at": {"$lt": before}}, {"at": {"$exists": False}}]}
        await self._collection("values").delete_many(free)

    def _collection(self, name: str) -> Any:  # Motor ships no types; this is the codec's edge
        return self._database.collection(name)
