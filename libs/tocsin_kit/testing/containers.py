"""NATS and MongoDB in containers, for ``--infra=containers``. Imported only then: testcontainers is a development package."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError
from testcontainers.core.container import DockerContainer

_SET = "tocsin"
_LOOKS = 60  # a tenth of a second each, and up to a second more while nobody listens
_PAUSE = threading.Event()  # never set: its wait is a bounded pause
_ALREADY_INITIATED = 23  # server error AlreadyInitialized


@contextmanager
def nats(image: str) -> Iterator[str]:
    """A NATS server with JetStream; yields its URL."""
    with DockerContainer(image).with_command("-js -sd /tmp/jetstream").with_exposed_ports(4222) as container:
        host, port = container.get_container_host_ip(), int(container.get_exposed_port(4222))
        yield f"nats://{host}:{port}"


@contextmanager
def mongo(image: str) -> Iterator[str]:
    """MongoDB as a replica set of one node; yields its URL."""
    command = f"mongod --replSet {_SET} --bind_ip_all --wiredTigerCacheSizeGB 0.25"
    with DockerContainer(image).with_command(command).with_exposed_ports(27017).with_tmpfs_mount("/data/db") as container:
        # In memory: whatever user the image runs as may write there, and nothing outlives the run.
        host, port = container.get_container_host_ip(), int(container.get_exposed_port(27017))
        # Direct: the set knows itself by its name inside the container, which means nothing out here.
        url = f"mongodb://{host}:{port}/?directConnection=true"
        _initiate(url)
        yield url


def _initiate(url: str) -> None:
    """Make the replica set and wait until its one node is primary."""
    with MongoClient[dict[str, object]](url, serverSelectionTimeoutMS=1000) as client:
        for _ in range(_LOOKS):
            try:
                if client.admin.command("hello").get("isWritablePrimary"):
                    return
                members = [{"_id": 0, "host": "127.0.0.1:27017"}]
                client.admin.command("replSetInitiate", {"_id": _SET, "members": members})
            except OperationFailure as error:
                if error.code != _ALREADY_INITIATED:
                    raise
            except PyMongoError:  # it does not listen yet
                pass
            _PAUSE.wait(0.1)
    raise AssertionError("MongoDB in its container did not become primary")
