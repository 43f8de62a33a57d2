"""Where a test run's NATS and MongoDB come from: embedded, containers, or running servers by URL.

Whichever it is, a test sees the same: two URLs, and nothing left over from the test before.
"""

import asyncio
import importlib
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import nats
from nats.js.errors import NotFoundError, ServiceUnavailableError
from pymongo import MongoClient

from tocsin_kit.embedded import DataFolder, MongoOptions, MongoServer, NatsOptions, NatsServer, free_ports

Result = TypeVar("Result")


@contextmanager
def embedded_nats() -> Iterator[str]:
    """A nats-server with file-backed JetStream on a free port; yields its URL."""
    folder = DataFolder.temporary().open()
    try:
        (port,) = free_ports(1)
        server = NatsServer(folder.sub("nats"), NatsOptions(port=port))
        server.spawn()
        try:
            in_thread(server.ready())
            yield server.url
        finally:
            in_thread(server.stop())
    finally:
        folder.close()


@contextmanager
def embedded_mongo() -> Iterator[str]:
    """A mongod as a one-node replica set on a free port; yields its URL."""
    folder = DataFolder.temporary().open()
    try:
        (port,) = free_ports(1)
        server = MongoServer(folder.sub("mongo"), MongoOptions(port=port))
        server.spawn()
        try:
            in_thread(server.ready())
            yield server.url
        finally:
            server.child.kill()  # its data goes next; a checkpoint would only cost time
    finally:
        folder.close()


@contextmanager
def container_nats(image: str) -> Iterator[str]:
    """A NATS container; yields its URL. Needs a Docker engine and the ``testcontainers`` package."""
    with importlib.import_module("tocsin_kit.testing.containers").nats(image) as url:
        yield url


@contextmanager
def container_mongo(image: str) -> Iterator[str]:
    """A MongoDB container; yields its URL. Needs a Docker engine and the ``testcontainers`` package."""
    with importlib.import_module("tocsin_kit.testing.containers").mongo(image) as url:
        yield url


def delete_streams(url: str) -> None:
    """Delete every stream (and with them every consumer, bucket and key) of the account behind ``url``."""
    in_thread(_delete_streams(url))


async def _delete_streams(url: str) -> None:
    client = await nats.connect(url, max_reconnect_attempts=1, connect_timeout=5)
    try:
        jetstream = client.jetstream()
        for info in await jetstream.streams_info():
            assert info.config.name is not None
            try:
                await jetstream.delete_stream(info.config.name)
            except NotFoundError:  # a stream that was sourced from one already gone
                continue
    except ServiceUnavailableError:  # JetStream is off: nothing to delete
        return
    finally:
        await client.close()


def drop_databases(url: str, prefix: str) -> None:
    """Drop every database whose name starts with ``prefix``."""
    with MongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=5000) as client:
        for name in client.list_database_names():
            if name.startswith(prefix):
                client.drop_database(name)


def in_thread(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end outside any loop that the test may have."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()
