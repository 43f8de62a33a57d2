"""Fixtures of the auth service: real servers, settings, the service itself."""

from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from integration.auth.harness import KEY, Auth, started


@pytest.fixture
def environ(nats_url: str, mongo_url: str, mongo_prefix: str, tmp_path: Path) -> dict[str, str]:
    """Settings of the service."""
    return {
        "TOCSIN_NATS_URL": nats_url,
        "TOCSIN_MONGO_URL": mongo_url,
        "TOCSIN_MONGO_DATABASE_PREFIX": mongo_prefix,
        "TOCSIN_HTTP_PORT": "0",
        "TOCSIN_AUTH_KEY": KEY,
        "TOCSIN_AUTH_ADMIN_FILE": str(tmp_path / "admin.json"),
        "TOCSIN_AUTH_PASSWORD_MEMORY": "1024",
        "TOCSIN_AUTH_PASSWORD_ROUNDS": "1",
        "TOCSIN_AUTH_SERVICE_SECRETS": '{"gateway": "a secret of the gateway"}',
    }


@pytest.fixture
def start(tmp_path: Path) -> Callable[[dict[str, str]], Any]:
    """Starts the service with these settings."""
    return partial(started, folder=tmp_path)


@pytest.fixture
async def auth(environ: dict[str, str], tmp_path: Path) -> AsyncIterator[Auth]:
    """The service, running."""
    async with started(environ, tmp_path) as auth:
        yield auth
