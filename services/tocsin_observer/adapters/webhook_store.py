"""Webhooks in MongoDB, one document each with its outbox; their secrets are sealed."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from pymongo import ASCENDING

from tocsin_kit.store import Database, Document, Entry, Filter, Outgoing, Page, Relay, Repository, Sort, translated
from tocsin_observer.domain.webhooks import (
    Format,
    SigningSecret,
    Verification,
    Webhook,
    WebhookSpec,
    WebhookState,
)

WEBHOOKS: Final = "webhooks"
REVISIONS: Final = "revisions"
# Asked for every batch of signals: answered from the index alone, without a look at a single document.
SUM_OF_REVISIONS: Final = [{"$sort": {"_rev": 1}}, {"$group": {"_id": None, "revisions": {"$sum": "$_rev"}}}]
NAMED: Final = 5  # of those that use something, in a refusal to delete it
MOST: Final = 10_000  # webhooks of an installation


class MongoWebhookStore:
    """The collection ``webhooks``.

    Args:
        database: The observer's database.
        relay: Told about each commit.
    """

    def __init__(self, database: Database, relay: Relay) -> None:
        self._database = database
        self._webhooks: Repository[Webhook] = Repository(database, WEBHOOKS, encode=_document, decode=_read, wake=relay.wake)

    async def prepare(self) -> None:
        """Make the indexes."""
        with translated(WEBHOOKS):
            collection: Any = self._database.collection(WEBHOOKS)
            await collection.create_index([("v.namespace", ASCENDING), ("_id", ASCENDING)], name="namespace")
            await collection.create_index([("v.state", ASCENDING)], name="state")
            await collection.create_index([("_rev", ASCENDING)], name=REVISIONS)

    async def load(self, webhook: str) -> Entry[Webhook]:
        """The webhook, or an entry without value."""
        return await self._webhooks.load(webhook)

    async def commit(self, entry: Entry[Webhook], webhook: Webhook | None, outbox: Sequence[Outgoing]) -> Entry[Webhook]:
        """Store (``None`` deletes) and say it."""
        return await self._webhooks.commit(entry, webhook, outbox=outbox)

    async def of_namespace(self, namespace: str, *, limit: int, cursor: str | None) -> Page[Entry[Webhook]]:
        """One page of the webhooks of a namespace, by name."""
        return await self._webhooks.page(Filter().eq("namespace", namespace), sort=Sort(), limit=limit, cursor=cursor)

    async def active(self) -> Sequence[Webhook]:
        """All that are told."""
        found = await self._webhooks.find(Filter().eq("state", WebhookState.ACTIVE.value), limit=MOST)
        return [entry.value for entry in found if entry.value is not None]

    async def naming(self, namespace: str, channel: str) -> Sequence[str]:
        """Webhooks that have a channel told when they are disabled, some of them."""
        chosen = Filter().eq("namespace", namespace).eq("spec.notify", channel)
        return [e.value.name for e in await self._webhooks.find(chosen, limit=NAMED) if e.value is not None]

    async def stamp(self) -> object:
        """Something that is another whenever any webhook has changed: every commit raises a revision."""
        with translated(WEBHOOKS):
            collection: Any = self._database.collection(WEBHOOKS)
            found = await collection.aggregate(SUM_OF_REVISIONS, hint=REVISIONS).to_list(1)
            return found[0]["revisions"] if found else 0


def _document(webhook: Webhook) -> Document:
    spec = webhook.spec
    return {
        "namespace": webhook.namespace,
        "name": webhook.name,
        "state": webhook.state.value,
        "reason": webhook.reason,
        "failing_since": webhook.failing_since,
        "created_at": webhook.created_at,
        "changed_at": webhook.changed_at,
        "secrets": [{name: getattr(one, name) for name in SigningSecret.__slots__} for one in webhook.secrets],
        "spec": {
            "url": spec.url,
            "subject": spec.subject,
            "filter": spec.filter,
            "format": spec.format.value,
            "template": spec.template,
            "ordered": spec.ordered,
            "key": spec.key,
            "parallel": spec.parallel,
            "rate": spec.rate,
            "timeout_s": spec.timeout.total_seconds(),
            "retry_for_s": spec.retry_for.total_seconds(),
            "disable_after_s": spec.disable_after.total_seconds(),
            "headers": [list(pair) for pair in spec.headers.items()],
            "signing_secret": spec.signing_secret,
            "header_secrets": [list(pair) for pair in spec.header_secrets.items()],
            "verification": spec.verification.value,
            "description": spec.description,
            "notify": list(spec.notify),
        },
    }


def _read(document: Mapping[str, Any]) -> Webhook:
    spec = document["spec"]
    return Webhook(
        namespace=document["namespace"],
        name=document["name"],
        state=WebhookState(document["state"]),
        reason=document["reason"],
        failing_since=document["failing_since"],
        created_at=document["created_at"],
        changed_at=document["changed_at"],
        secrets=tuple(SigningSecret(**{**one, "sealed": bytes(one["sealed"])}) for one in document["secrets"]),
        spec=WebhookSpec(
            url=spec["url"],
            subject=spec["subject"],
            filter=spec["filter"],
            format=Format(spec["format"]),
            template=spec["template"],
            ordered=spec["ordered"],
            key=spec["key"],
            parallel=spec["parallel"],
            rate=spec["rate"],
            timeout=timedelta(seconds=spec["timeout_s"]),
            retry_for=timedelta(seconds=spec["retry_for_s"]),
            disable_after=timedelta(seconds=spec["disable_after_s"]),
            headers=dict(spec["headers"]),
            signing_secret=spec.get("signing_secret"),
            header_secrets=dict(spec.get("header_secrets", ())),
            verification=Verification(spec["verification"]),
            description=spec["description"],
            notify=tuple(spec.get("notify", ())),
        ),
    )
