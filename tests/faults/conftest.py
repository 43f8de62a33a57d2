"""Replicas to kill, and what surrounds them."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tocsin_kit.bus import Bus, ensure_streams
from tocsin_kit.store import Database
from tocsin_kit.testing.replicas import Replicas


@pytest.fixture
def service(request: pytest.FixtureRequest) -> str:
    """The service that is tried: each file has its own."""
    name: str = request.module.SERVICE
    return name


@pytest.fixture
async def database(mongo_url: str, mongo_prefix: str, service: str) -> AsyncIterator[Database]:
    """The service's database."""
    database = Database(mongo_url, name=f"{mongo_prefix}_{service}")
    await database.start()
    yield database
    await database.stop()


@pytest.fixture
async def bus(nats_url: str, service: str) -> AsyncIterator[Bus]:
    """The bus, with all streams."""
    bus = Bus(nats_url, name=service)
    await bus.start()
    await ensure_streams(bus)
    yield bus
    await bus.stop()


@pytest.fixture
def two_replicas(nats_url: str, mongo_url: str, mongo_prefix: str, service: str, tmp_path: Path) -> Callable[[], Replicas]:
    """Makes two replicas of the service."""
    environ = {
        "TOCSIN_NATS_URL": nats_url,
        "TOCSIN_MONGO_URL": mongo_url,
        "TOCSIN_MONGO_DATABASE_PREFIX": mongo_prefix,
        "TOCSIN_HTTP_PORT": "0",
    }
    return lambda: Replicas(service, environ, tmp_path)
