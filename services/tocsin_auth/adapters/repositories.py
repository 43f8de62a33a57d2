"""The service's collections, their indexes, and the relay that says what their commits leave to be said."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from tocsin_auth.adapters import documents
from tocsin_auth.domain.api_keys import KeyRecord
from tocsin_auth.domain.data_keys import DataKeyRing
from tocsin_auth.domain.key_ring import KeyRing
from tocsin_auth.domain.roles import Role
from tocsin_auth.domain.secrets import SecretRecord, SecretUse
from tocsin_auth.domain.sessions import Session
from tocsin_auth.domain.throttle import Failures
from tocsin_auth.domain.users import User
from tocsin_kit.chassis import Part
from tocsin_kit.store import Database, Index, Relay, Repository, Transport, ensure_indexes

_INDEXES: Final[Mapping[str, Sequence[Index]]] = {
    "users": [Index(("v.bindings.role",))],
    "api_keys": [Index(("v.owner", "_id"))],
    # What is over goes a day later, when the relay has long said what there was to say about it.
    "sessions": [Index(("v.ends_at",), expires=timedelta(days=1))],
    "secrets": [Index(("v.scope", "_id"))],
    "secret_uses": [Index(("v.at",), expires=timedelta(days=2))],
    "failures": [Index(("v.last_at",), expires=timedelta(days=2))],
}


class Collections(Part):
    """All repositories of the service; starting it makes their indexes.

    Args:
        database: The service's own.
        transport: The bus, for the relay.
    """

    def __init__(self, database: Database, transport: Transport) -> None:
        super().__init__("collections")
        names = ("users", "roles", "api_keys", "sessions", "failures", "key_rings", "data_keys", "secrets", "secret_uses")
        self._database = database
        self.relay = Relay(database, transport, names)
        wake = self.relay.wake
        self.users: Repository[User] = Repository(
            database, "users", encode=documents.encode_user, decode=documents.decode_user, wake=wake
        )
        self.roles: Repository[Role] = Repository(
            database, "roles", encode=documents.encode_role, decode=documents.decode_role, wake=wake
        )
        self.api_keys: Repository[KeyRecord] = Repository(
            database, "api_keys", encode=documents.encode_key, decode=documents.decode_key, wake=wake
        )
        self.sessions: Repository[Session] = Repository(
            database, "sessions", encode=documents.encode_session, decode=documents.decode_session, wake=wake
        )
        self.failures: Repository[Failures] = Repository(
            database, "failures", encode=documents.encode_failures, decode=documents.decode_failures, wake=wake
        )
        self.key_rings: Repository[KeyRing] = Repository(
            database, "key_rings", encode=documents.encode_ring, decode=documents.decode_ring, wake=wake
        )
        self.data_keys: Repository[DataKeyRing] = Repository(
            database, "data_keys", encode=documents.encode_data_keys, decode=documents.decode_data_keys, wake=wake
        )
        self.secrets: Repository[SecretRecord] = Repository(
            database, "secrets", encode=documents.encode_secret, decode=documents.decode_secret, wake=wake
        )
        self.secret_uses: Repository[SecretUse] = Repository(
            database, "secret_uses", encode=documents.encode_secret_use, decode=documents.decode_secret_use, wake=wake
        )

    async def start(self) -> None:
        """Make the indexes."""
        await ensure_indexes(self._database, _INDEXES)
