"""Ends the NATS connections of those whose credentials were withdrawn: the server asks only when a connection begins.

Every replica looks at what is known to be withdrawn, which costs nothing while nothing new is; when something is, it goes
through the connections that were let in. It looks for a while longer, because another replica may have let somebody in at that
moment who was refused a moment later. What cannot be ended now is tried again, and ends by itself after ``auth.bus_lifetime``.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog

from tocsin.errors import Conflict, Unavailable
from tocsin.signals import root
from tocsin.signals.catalogue.auth import BUS_LOGIN_ENDED, BusLoginEnded
from tocsin_auth.application.saying import Asker, said
from tocsin_auth.domain.bus_access import BusConnection, Place
from tocsin_auth.ports import Records
from tocsin_kit.clock import Clock
from tocsin_kit.store import EVERYTHING, Entry, Sort
from tocsin_kit.web.access import Principal, Proof
from tocsin_kit.web.revocations import RevocationList

LOOK_ON: Final = timedelta(seconds=10)  # twice the time after which a replica has heard of it in any case
_PAGE: Final = 500
_PAST: Final = timedelta(milliseconds=1)

log = structlog.get_logger()


class Ender(Protocol):
    """Reaches the NATS servers."""

    async def end(self, place: Place) -> None:
        """End that connection, if it is still there.

        Raises:
            Unavailable: The server could not be told.
        """
        ...


class BusEndings:
    """Ends connections.

    Args:
        connections: Those that were let in.
        ender: Ends one.
        known: What is known to be withdrawn now.
        clock: Time.
    """

    def __init__(
        self, *, connections: Records[BusConnection], ender: Ender, known: Callable[[], RevocationList], clock: Clock
    ) -> None:
        self._connections, self._ender, self._known, self._clock = connections, ender, known, clock
        self._seen = RevocationList()
        self._until: datetime | None = None

    async def look(self) -> int:
        """End what has to end; so many were."""
        now, known = self._clock.now(), self._known()
        if known != self._seen:
            self._seen, self._until = known, now + LOOK_ON
        if self._until is None or now > self._until:
            return 0
        ended, cursor = 0, None
        while True:
            where = EVERYTHING.at_least("ends_at", now)
            page = await self._connections.page(where, sort=Sort(), limit=_PAGE, cursor=cursor)
            for entry in page.items:
                if entry.value is not None and known.refuses(_principal(entry.value)):
                    ended += await self._end(entry, entry.value, now)
            cursor = page.next_cursor
            if cursor is None:
                return ended

    async def _end(self, entry: Entry[BusConnection], connection: BusConnection, now: datetime) -> bool:
        try:
            await self._ender.end(connection.place)
        except Unavailable as error:
            self._until = now + LOOK_ON
            log.warning("bus_login.not_ended", principal=connection.subject, error=error.detail)
            return False
        payload = BusLoginEnded(name=connection.subject, address=connection.address, reason="the credential was withdrawn")
        asker = Asker(root(f"bus-ending-{entry.key}"))
        signal = said(BUS_LOGIN_ENDED, entry, payload, asker=asker, now=now, actor="service:auth")
        try:
            # Over now, so nobody looks at it again, and it goes with the others.
            await self._connections.commit(entry, replace(connection, ends_at=now - _PAST), outbox=[signal])
        except Conflict:  # another replica has just done the same
            return False
        log.info("bus_login.ended", principal=connection.subject, address=connection.address)
        return True


def _principal(connection: BusConnection) -> Principal:
    proof = Proof(connection.holder, connection.session, connection.revision, connection.policy)
    return Principal(connection.subject, connection.subject, proof=proof)
