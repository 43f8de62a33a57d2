"""The trigger service on real servers."""

from collections.abc import AsyncIterator

import pytest

from integration.trigger.harness import KEY, Service, started


@pytest.fixture
def environ(nats_url: str, mongo_url: str, mongo_prefix: str) -> dict[str, str]:
    """Settings of the service."""
    return {
        "TOCSIN_NATS_URL": nats_url,
        "TOCSIN_MONGO_URL": mongo_url,
        "TOCSIN_MONGO_DATABASE_PREFIX": mongo_prefix,
        "TOCSIN_HTTP_PORT": "0",
        "TOCSIN_TRIGGER_KEY": KEY,
    }


@pytest.fixture
async def service(environ: dict[str, str]) -> AsyncIterator[Service]:
    """The service, running."""
    async with started(environ) as service:
        yield service
