"""Ends a connection at the NATS server it is connected to (``application.bus_endings.Ender``)."""

from datetime import timedelta
from typing import Final

import orjson

from tocsin_auth.domain.bus_access import Place
from tocsin_kit.bus import Bus
from tocsin_kit.bus.permissions import END_CONNECTION

_PATIENCE: Final = timedelta(seconds=1)


class NatsEnder:
    """Asks the server, through the one subject of its own account that the auth service is lent.

    Args:
        bus: Connected as the auth service.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def end(self, place: Place) -> None:
        """End that connection; a server answers the same when it has gone.

        Raises:
            Unavailable: The server is not there, or its configuration has no such subject.
        """
        await self._bus.request(f"{END_CONNECTION}.{place.server}", orjson.dumps({"cid": place.client}), within=_PATIENCE)
