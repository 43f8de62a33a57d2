"""Ends the transactions of dead processes, which would lock their documents for a minute and a half.

A transaction lives at the server and not in its connection: when a process is killed between two statements, the server goes
on holding what it had written, until its own limit of 60 s and its look for that every 30 s are over. Whoever takes over meets
write conflicts for so long, and plain writes wait. So each replica looks for transactions of its own service that nobody has
gone on with for some seconds. If one of a living but paused process is among them, that process decides again, as after any
conflict. Needs no privilege: a user may see and end its own sessions.
"""

from datetime import timedelta
from typing import Any, Final

import structlog
from motor.motor_asyncio import AsyncIOMotorClient

log = structlog.get_logger()

ABANDONED_AFTER: Final = timedelta(seconds=10)  # since its last statement; ours follow each other in milliseconds
_MOST: Final = 100  # at once


async def end_orphans(client: "AsyncIOMotorClient[dict[str, Any]]", appname: str, *, idle: timedelta = ABANDONED_AFTER) -> int:
    """End the open transactions of this application that nobody has gone on with.

    Args:
        client: The driver's client.
        appname: How the connections of all replicas of the service are named.
        idle: Since the last statement of the transaction.

    Returns:
        How many there were.

    Raises:
        PyMongoError: The server does not answer, or does not tell.
    """
    admin = client.get_database("admin")
    idle_for = {"transaction.timeInactiveMicros": {"$gte": idle // timedelta(microseconds=1)}}
    pipeline: list[dict[str, Any]] = [
        {"$currentOp": {"allUsers": False, "idleSessions": True}},
        {"$match": {"type": "idleSession", "appName": appname, **idle_for}},
        {"$project": {"lsid": 1}},
    ]
    found = await admin.aggregate(pipeline).to_list(_MOST)
    if found:
        await admin.command("killSessions", [{"id": each["lsid"]["id"]} for each in found])
        log.warning("store.orphans_ended", transactions=len(found), application=appname)
    return len(found)
