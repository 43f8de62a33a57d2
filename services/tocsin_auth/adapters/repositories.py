"""The service's collections, their indexes, and the relay that says what their commits leave to be said."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, TypeVar

from tocsin_auth.adapters import binding_documents, documents, secret_documents
from tocsin_kit.chassis import Part
from tocsin_kit.store import Database, Document, Index, Outgoing, Relay, Repository, Transport, ensure_indexes

T = TypeVar("T")

_INDEXES: Final[Mapping[str, Sequence[Index]]] = {
    "users": [Index(("v.bindings.role",)), Index(("v.changed_at",)), Index(("v.origin",)), Index(("v.claims",))],
    "groups": [Index(("v.members",)), Index(("v.claimed",)), Index(("v.bindings.role",))],
    "api_keys": [Index(("v.owner", "_id")), Index(("v.revoked_at",))],
    "attempts": [Index(("v.until",), expires=timedelta(minutes=1))],
    "departures": [Index(("v.at",), expires=timedelta(days=2))],
    # What is over goes a day later, when the relay has long said what there was to say about it.
    "sessions": [Index(("v.ends_at",), expires=timedelta(days=1)), Index(("v.user", "_id")), Index(("v.ended_at",))],
    "secrets": [Index(("v.scope", "_id"))],
    "run_token_ends": [Index(("v.at",), expires=timedelta(hours=2))],
    "secret_uses": [Index(("v.at",), expires=timedelta(days=2))],
    "bus_connections": [Index(("v.ends_at",), expires=timedelta(hours=1))],
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
        self._database = database
        self._names: list[str] = []
        self.users = self._of("users", documents.encode_user, documents.decode_user)
        self.roles = self._of("roles", documents.encode_role, documents.decode_role)
        self.api_keys = self._of("api_keys", documents.encode_key, documents.decode_key)
        self.sessions = self._of("sessions", documents.encode_session, documents.decode_session)
        self.run_token_ends = self._of("run_token_ends", documents.encode_run_token_end, documents.decode_run_token_end)
        self.failures = self._of("failures", documents.encode_failures, documents.decode_failures)
        self.bus_connections = self._of("bus_connections", documents.encode_connection, documents.decode_connection)
        self.key_rings = self._of("key_rings", documents.encode_ring, documents.decode_ring)
        self.attempts = self._of("attempts", documents.encode_attempt, documents.decode_attempt)
        self.departures = self._of("departures", documents.encode_departure, documents.decode_departure)
        self.groups = self._of("groups", binding_documents.encode_group, binding_documents.decode_group)
        self.namespaces = self._of("namespaces", binding_documents.encode_namespace, binding_documents.decode_namespace)
        self.factor_rules = self._of(
            "factor_rules", binding_documents.encode_factor_rules, binding_documents.decode_factor_rules
        )
        self.policies = self._of("policies", binding_documents.encode_policy, binding_documents.decode_policy)
        self.data_keys = self._of("data_keys", secret_documents.encode_data_keys, secret_documents.decode_data_keys)
        self.secrets = self._of("secrets", secret_documents.encode_secret, secret_documents.decode_secret)
        self.secret_uses = self._of("secret_uses", secret_documents.encode_secret_use, secret_documents.decode_secret_use)
        self.relay = Relay(database, transport, self._names)

    def _of(self, name: str, encode: Callable[[T], Document], decode: Callable[[Mapping[str, Any]], T]) -> Repository[T]:
        self._names.append(name)

        def wake(collection: str, key: str, pending: Sequence[Outgoing]) -> None:
            self.relay.wake(collection, key, pending)

        return Repository(self._database, name, encode=encode, decode=decode, wake=wake)

    async def start(self) -> None:
        """Make the indexes."""
        await ensure_indexes(self._database, _INDEXES)
