"""Hears how every replica of every service is, and keeps the last word of each in memory."""

from typing import Any, Final, Protocol

import orjson

from tocsin_kit.bus import Bus
from tocsin_kit.chassis import Part
from tocsin_kit.clock import Clock
from tocsin_observer.domain.fleet import FORGOTTEN, Component, Replica

SUBJECT: Final = "health.*"
_MOST: Final = 2000  # replicas; more would be a flood


class _Word(Protocol):
    """What the bus hands to a listener."""

    data: bytes


class FleetListener(Part):
    """The last word of each replica.

    Args:
        bus: A started connection.
        clock: Time.
    """

    def __init__(self, bus: Bus, clock: Clock) -> None:
        super().__init__("fleet")
        self._bus = bus
        self._clock = clock
        self._replicas: dict[str, Replica] = {}

    async def start(self) -> None:
        """Listen."""
        await self._bus.subscribe(SUBJECT, self._heard)

    def replicas(self) -> dict[str, Replica]:
        """All that were heard within the hour."""
        now = self._clock.now()
        for key in [key for key, one in self._replicas.items() if now - one.heard > FORGOTTEN]:
            del self._replicas[key]
        return dict(self._replicas)

    async def _heard(self, word: _Word) -> None:
        try:
            said: dict[str, Any] = orjson.loads(word.data)
            key = f"{said['service']}/{said['instance']}"
            if said.get("gone"):
                self._replicas.pop(key, None)
                return
            components = tuple(
                Component(str(part["name"]), bool(part["ready"]), str(part["detail"])[:300], dict(part["facts"]))
                for part in said["components"]
            )
            replica = Replica(
                service=str(said["service"]),
                instance=str(said["instance"]),
                version=str(said["version"]),
                started=str(said["started"]),
                heard=self._clock.now(),
                components=components,
            )
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
            return
        if key in self._replicas or len(self._replicas) < _MOST:
            self._replicas[key] = replica
