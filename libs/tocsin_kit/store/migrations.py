"""Numbered changes of a service's stored data: each applied once, in order, by one replica, forward only.

A replica holds a lease while it migrates and the others wait; a lease whose holder died runs out. Each migration must be
harmless when it is applied again, because its holder can die between the change and the record of it. Old and new code run
side by side during a rollout, so a migration adds what new code needs first and removes what old code needs in a later
release.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog
from pymongo.errors import DuplicateKeyError

from tocsin.errors import Defect, Unavailable
from tocsin_kit.store.database import Database
from tocsin_kit.store.errors import translated

log = structlog.get_logger()

COLLECTION = "_migrations"
LEASE = timedelta(minutes=5)  # longer than any one migration should take; renewed before each
PATIENCE = timedelta(minutes=6)


@dataclass(frozen=True, slots=True)
class Migration:
    """One change.

    Attributes:
        number: 1, 2, 3, ... without gaps.
        name: What it does, a few words.
        apply: Does it; harmless when repeated.
    """

    number: int
    name: str
    apply: Callable[[Database], Awaitable[None]]


async def migrate(database: Database, migrations: Sequence[Migration], *, holder: str) -> int:
    """Apply what has not been applied.

    Args:
        database: The service's database.
        migrations: All there ever were, in order.
        holder: Names this replica; unique.

    Returns:
        How many were applied now.

    Raises:
        Defect: The numbers have gaps.
        Unavailable: Another replica has been migrating for too long.
    """
    if [m.number for m in migrations] != list(range(1, len(migrations) + 1)):
        raise Defect("Migrations must be numbered 1, 2, 3, ... in order.")
    if not await _missing(database, migrations):
        return 0
    waited = database.clock.monotonic()
    while not await _take_lease(database, holder):
        if database.clock.monotonic() - waited > PATIENCE.total_seconds():
            raise Unavailable("Another replica has been migrating the database for too long.")
        await database.clock.sleep(0.2)
    try:
        return await _apply(database, migrations, holder)
    finally:
        with translated(COLLECTION):
            await database.collection(COLLECTION).delete_one({"_id": "lease", "holder": holder})


async def _apply(database: Database, migrations: Sequence[Migration], holder: str) -> int:
    count = 0
    for migration in await _missing(database, migrations):
        if not await _take_lease(database, holder):
            raise Unavailable("The migration lease was lost; another replica goes on.")
        log.info("store.migrating", database=database.database_name, number=migration.number, name=migration.name)
        await migration.apply(database)
        record = {"name": migration.name, "applied": database.clock.now()}
        with translated(COLLECTION):
            await database.collection(COLLECTION).update_one({"_id": migration.number}, {"$set": record}, upsert=True)
        count += 1
    return count


async def _missing(database: Database, migrations: Sequence[Migration]) -> list[Migration]:
    with translated(COLLECTION):
        done = {d["_id"] for d in await database.collection(COLLECTION).find({"_id": {"$type": "number"}}).to_list(None)}
    ahead = done - {m.number for m in migrations}
    if ahead:
        # A newer release has been here, for example before a rollback. Its migrations kept what this release needs.
        log.warning("store.newer_data", database=database.database_name, numbers=sorted(ahead))
    return [m for m in migrations if m.number not in done]


async def _take_lease(database: Database, holder: str) -> bool:
    now = database.clock.now()
    free = {"_id": "lease", "$or": [{"holder": holder}, {"until": {"$lt": now}}]}
    try:
        with translated(COLLECTION):
            await database.collection(COLLECTION).update_one(
                free, {"$set": {"holder": holder, "until": now + LEASE}}, upsert=True
            )
    except Exception as error:
        if isinstance(error.__cause__, DuplicateKeyError):
            return False
        raise
    return True
