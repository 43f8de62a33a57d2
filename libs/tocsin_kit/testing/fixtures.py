"""Pytest fixtures for real servers; ``tests/conftest.py`` registers them.

========================  ==========  ===========================================================================
fixture                   scope       gives
========================  ==========  ===========================================================================
``nats_server``           session     URL of the run's NATS server (no isolation: prefer ``nats_url``)
``mongo_server``          session     URL of the run's MongoDB replica set (prefer ``mongo_url`` + ``mongo_prefix``)
``nats_url``              function    the same URL; every stream, consumer and bucket is deleted after the test
``mongo_url``             function    the same URL
``mongo_prefix``          function    a database prefix of this test's own; its databases are dropped afterwards
``clean_jetstream``       function    the promise of ``nats_url`` by name, for tests that take the URL elsewhere
``clock``                 function    a :class:`~tocsin_kit.testing.clocks.ManualClock`
``seed``                  function    of what a test leaves to chance; another one each time, unless ``--seed`` names it
========================  ==========  ===========================================================================
"""

import sys
from collections.abc import Iterator
from itertools import count

import pytest

from tocsin_kit.chance import SystemChance
from tocsin_kit.testing.clocks import ManualClock
from tocsin_kit.testing.servers import (
    container_mongo,
    container_nats,
    delete_streams,
    drop_databases,
    embedded_mongo,
    embedded_nats,
)

_PREFIXES = count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Say where the servers come from."""
    group = parser.getgroup("tocsin", "servers of the tests")
    group.addoption(
        "--infra", choices=["embedded", "containers"], default="embedded", help="start servers from wheels or images"
    )
    group.addoption("--nats-url", help="use this running NATS server; every stream on it is DELETED after each test")
    group.addoption("--mongo-url", help="use this running MongoDB replica set; tests make databases of their own there")
    group.addoption("--nats-image", default="nats:2.12-alpine", help="image for --infra=containers")
    group.addoption("--mongo-image", default="mongo:8.0", help="image for --infra=containers")
    group.addoption("--seed", type=int, help="repeat what a failed test had left to chance")


@pytest.fixture(scope="session")
def nats_server(request: pytest.FixtureRequest) -> Iterator[str]:
    """URL of the run's NATS server."""
    options = request.config.option
    if options.nats_url:
        yield options.nats_url
        return
    source = container_nats(options.nats_image) if options.infra == "containers" else embedded_nats()
    with source as url:
        yield url


@pytest.fixture(scope="session")
def mongo_server(request: pytest.FixtureRequest) -> Iterator[str]:
    """URL of the run's MongoDB replica set."""
    options = request.config.option
    if options.mongo_url:
        yield options.mongo_url
        return
    source = container_mongo(options.mongo_image) if options.infra == "containers" else embedded_mongo()
    with source as url:
        yield url


@pytest.fixture
def nats_url(nats_server: str) -> Iterator[str]:
    """URL of a NATS server without any stream; what the test makes is deleted afterwards."""
    yield nats_server
    delete_streams(nats_server)


@pytest.fixture
def clean_jetstream(nats_url: str) -> str:
    """The promise of ``nats_url``, by name."""
    return nats_url


@pytest.fixture
def mongo_url(mongo_server: str) -> str:
    """URL of a MongoDB replica set; use ``mongo_prefix`` for database names."""
    return mongo_server


@pytest.fixture
def mongo_prefix(mongo_server: str) -> Iterator[str]:
    """A database prefix of this test's own."""
    prefix = f"t{next(_PREFIXES)}"
    drop_databases(mongo_server, f"{prefix}_")  # left by an earlier run on the same server
    yield prefix
    drop_databases(mongo_server, f"{prefix}_")


@pytest.fixture
def clock() -> ManualClock:
    """A clock that moves when the test says so."""
    return ManualClock()


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """Of what a test leaves to chance; shown when it fails."""
    chosen: int | None = request.config.option.seed
    seed = int(SystemChance().sample() * 1_000_000) if chosen is None else chosen
    sys.stdout.write(f"again with: --seed {seed}\n")
    return seed
