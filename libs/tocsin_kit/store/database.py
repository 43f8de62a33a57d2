"""One service's database: connection, durability, health, transactions.

Writes are acknowledged by a majority that has them in its journal; reads see only what a majority has. Nobody but the owning
service opens its database. MongoDB is always a replica set, so transactions exist everywhere.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from itertools import count
from typing import Any

import structlog
from bson.codec_options import CodecOptions
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorClientSession, AsyncIOMotorCollection, AsyncIOMotorDatabase
from pymongo.errors import ConfigurationError, InvalidURI, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from tocsin.errors import Defect
from tocsin_kit.clock import Clock, SystemClock
from tocsin_kit.store.errors import StoreUnavailable, translated
from tocsin_kit.store.orphans import end_orphans
from tocsin_kit.telemetry.health import Health

log = structlog.get_logger()

PING_EVERY = timedelta(seconds=2)  # how stale the answer of /readyz may be
ASKED_ANYWAY = 3  # every so many-th time the server is asked although the driver, which is told of changes, knows a primary

Document = dict[str, Any]


@dataclass(slots=True)
class Transaction:
    """Several writes that happen together or not at all.

    Attributes:
        session: The driver's session; only for modules of ``tocsin_kit.store`` and adapters.
        after_commit: Called once, in order, when the commit has happened.
    """

    session: AsyncIOMotorClientSession
    after_commit: list[Callable[[], None]] = field(default_factory=list)


class Database:
    """The connection of one service to its database.

    Args:
        url: MongoDB URL of a replica set.
        name: Database name (``<prefix>_<service>``).
        start_timeout: How long :meth:`start` waits for an answer.
        clock: Time.
    """

    name = "store"

    def __init__(
        self, url: str, *, name: str, start_timeout: timedelta = timedelta(seconds=10), clock: Clock | None = None
    ) -> None:
        self.database_name = name
        self._appname = f"tocsin-{name}"[:120]
        self.clock = clock or SystemClock()
        self._url = url
        self._start_timeout = start_timeout.total_seconds()
        self._client: AsyncIOMotorClient[Document] | None = None
        self._database: AsyncIOMotorDatabase[Document] | None = None
        self._ready = False
        self._detail = "not started"
        self._down_since: float | None = None
        self._blind = False  # whether the server tells nothing of open transactions

    # -- life ---------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Connect and ask once.

        Raises:
            StoreUnavailable: No answer within the start timeout.
            Defect: The URL is not one.
        """
        try:
            self._client = AsyncIOMotorClient(
                self._url,
                appname=self._appname,
                serverSelectionTimeoutMS=3000,
                connectTimeoutMS=2000,
                socketTimeoutMS=20000,
                maxPoolSize=40,
                retryWrites=True,
            )
        except (ConfigurationError, InvalidURI) as error:
            raise Defect(f"mongo.url is not a MongoDB URL: {error}") from error
        self._database = self._client.get_database(
            self.database_name,
            codec_options=CodecOptions(tz_aware=True, tzinfo=UTC),
            write_concern=WriteConcern(w="majority", j=True),
            read_concern=ReadConcern("majority"),
        )
        try:
            await self._first_answer()
        except BaseException:  # also where it is cancelled: nobody stops what did not start
            self._client.close()
            raise

    async def _first_answer(self) -> None:
        try:
            async with asyncio.timeout(self._start_timeout):
                while not await self._ping():
                    await self.clock.sleep(0.1)
        except TimeoutError as error:
            raise StoreUnavailable(
                f"No answer from MongoDB within {self._start_timeout:g} s: {self._detail}.",
                hint="Check mongo.url, and that the server is a replica set with a primary.",
            ) from error

    async def serve(self) -> None:
        """Keep the health true, and end what dead replicas have left open, until cancelled."""
        for turn in count(1):
            await self.clock.sleep(PING_EVERY)
            if self._seems_well() and turn % ASKED_ANYWAY:
                continue
            if await self._ping():
                await self._end_orphans()

    async def stop(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()
        self._ready, self._detail = False, "stopped"

    def health(self) -> Health:
        """Ready while the primary answers."""
        if self._ready:
            return Health(ready=True, detail="connected")
        since = "" if self._down_since is None else f" since {self.clock.monotonic() - self._down_since:.0f} s"
        return Health(ready=False, detail=f"no answer from MongoDB{since}: {self._detail}")

    # -- work ---------------------------------------------------------------------------------------------------------

    @property
    def raw(self) -> "AsyncIOMotorDatabase[Document]":
        """The driver's database; only for modules of ``tocsin_kit.store`` and adapters."""
        if self._database is None:
            raise StoreUnavailable("The database is not started.")
        return self._database

    def collection(self, name: str) -> "AsyncIOMotorCollection[Document]":
        """A collection of this database with its durability; only for ``tocsin_kit.store`` and adapters."""
        return self.raw[name]

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Commit what is written with ``within=`` the given transaction together, or nothing of it.

        Raises:
            RevisionConflict: Someone else wrote to one of the documents; decide again.
            StoreUnavailable: The database was lost; it may or may not have committed.
        """
        if self._client is None:
            raise StoreUnavailable("The database is not started.")
        with translated("transaction"):
            async with await self._client.start_session() as session:
                transaction = Transaction(session)
                async with session.start_transaction(
                    read_concern=ReadConcern("snapshot"), write_concern=WriteConcern(w="majority", j=True)
                ):
                    yield transaction
        for call in transaction.after_commit:
            call()

    async def _end_orphans(self) -> None:
        assert self._client is not None
        try:
            await end_orphans(self._client, self._appname)
        except PyMongoError as error:
            if not self._blind:
                log.warning("store.orphans_unseen", error=str(error))
            self._blind = True
        else:
            self._blind = False

    def _seems_well(self) -> bool:
        """Whether nothing has changed since the last answer, as far as the driver has heard: costs no question."""
        return self._ready and self._client is not None and self._client.primary is not None

    async def _ping(self) -> bool:
        try:
            answer = await self.raw.command("hello")
            ready = bool(answer.get("isWritablePrimary"))
            self._detail = "connected" if ready else "no primary"
        except PyMongoError as error:
            ready = False
            self._detail = type(error).__name__
        if ready and not self._ready:
            log.info("store.connected", database=self.database_name)
            self._down_since = None
        elif self._ready and not ready:
            log.warning("store.lost", database=self.database_name, error=self._detail)
            self._down_since = self.clock.monotonic()
        self._ready = ready
        return ready
