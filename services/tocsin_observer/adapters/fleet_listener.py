"""Hears how every replica of every service is, and keeps the last word of each in memory."""

from typing import Any, Final, Protocol

import orjson

from tocsin_kit.bus import Bus
from tocsin_kit.chassis import Part
from tocsin_kit.clock import Clock
from tocsin_observer.domain.fleet import FORGOTTEN, SILENT, Component, Replica

SUBJECT: Final = "health.*"
_MOST: Final = 2000  # replicas; more would be a flood


class _Word(Protocol):
    """What the bus hands to a listener."""

    data: bytes
    subject: str


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
        self._deaf_at = clock.now()

    async def start(self) -> None:
        """Listen."""
        self._deaf_at = self._clock.now()
        await self._bus.subscribe(SUBJECT, self._heard)

    def deaf(self) -> str | None:
        """Why whoever is not heard may be well all the same: cut off from NATS, or not listening for long enough."""
        now, health = self._clock.now(), self._bus.health()
        if not health.ready:
            self._deaf_at = now
            return f"the observer is cut off from NATS and hears nobody ({health.detail})"
        if now - self._deaf_at < SILENT:
            return (
                f"the observer listens for {(now - self._deaf_at).total_seconds():.0f} s only, and may not have heard all yet"
            )
        return None

    def replicas(self) -> dict[str, Replica]:
        """All that were heard within the hour."""
        now = self._clock.now()
        for key in [key for key, one in self._replicas.items() if now - one.heard > FORGOTTEN]:
            del self._replicas[key]
        return dict(self._replicas)

    async def _heard(self, word: _Word) -> None:
        try:
            said: dict[str, Any] = orjson.loads(word.data)
            if word.subject.rpartition(".")[2] != said["service"]:
                return  # who may speak for which service is decided by the subject
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
