"""The shop, served over real sockets."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from aiohttp import ClientSession
from prometheus_client import CollectorRegistry

from integration.kit_web.shop import Memory, Shop, Tokens
from tocsin_kit.chance import SystemChance
from tocsin_kit.clock import SystemClock
from tocsin_kit.telemetry import Metrics
from tocsin_kit.web import (
    HttpServer,
    Limits,
)


@pytest.fixture
async def shop() -> Shop:
    return Shop()


@pytest.fixture
async def server(shop: Shop) -> AsyncIterator[HttpServer]:
    server = HttpServer(
        "shop",
        shop.routes(),
        host="127.0.0.1",
        port=0,
        authenticator=Tokens(),
        clock=SystemClock(),
        chance=SystemChance(),
        limits=Limits(body_bytes=1000, read=timedelta(milliseconds=200), drain=timedelta(seconds=5)),
        records=Memory(),
        metrics=Metrics("shop", CollectorRegistry()),
    )
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def http(server: HttpServer) -> AsyncIterator[ClientSession]:
    async with ClientSession(server.url) as session:
        yield session
