"""Channels of notifications in MongoDB, one document each with its outbox; what must stay secret is sealed."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pymongo import ASCENDING

from tocsin_kit.store import Database, Document, Entry, Filter, Outgoing, Page, Relay, Repository, Sort, translated
from tocsin_observer.domain.channels import Channel, ChannelKind

CHANNELS: Final = "channels"


class MongoChannelStore:
    """The collection ``channels``.

    Args:
        database: The observer's database.
        relay: Told about each commit.
    """

    def __init__(self, database: Database, relay: Relay) -> None:
        self._database = database
        self._channels: Repository[Channel] = Repository(database, CHANNELS, encode=_document, decode=_read, wake=relay.wake)

    async def prepare(self) -> None:
        """Make the index."""
        with translated(CHANNELS):
            collection: Any = self._database.collection(CHANNELS)
            await collection.create_index([("v.namespace", ASCENDING), ("_id", ASCENDING)], name="namespace")

    async def load(self, channel: str) -> Entry[Channel]:
        """The channel, or an entry without value."""
        return await self._channels.load(channel)

    async def commit(self, entry: Entry[Channel], channel: Channel | None, outbox: Sequence[Outgoing]) -> Entry[Channel]:
        """Store (``None`` deletes) and say it."""
        return await self._channels.commit(entry, channel, outbox=outbox)

    async def of_namespace(self, namespace: str, *, limit: int, cursor: str | None) -> Page[Entry[Channel]]:
        """One page of the channels of a namespace, by name."""
        return await self._channels.page(Filter().eq("namespace", namespace), sort=Sort(), limit=limit, cursor=cursor)


def _document(channel: Channel) -> Document:
    plain = {name: getattr(channel, name) for name in Channel.__slots__}
    return {**plain, "kind": channel.kind.value, "to": list(channel.to)}


def _read(document: Mapping[str, Any]) -> Channel:
    sealed = {name: None if document[name] is None else bytes(document[name]) for name in ("url", "key")}
    document = {"url_secret": None, "key_secret": None, **document}  # channels of before name none
    return Channel(**{**document, **sealed, "kind": ChannelKind(document["kind"]), "to": tuple(document["to"])})
