"""Proposals in MongoDB, each with its signals; an approved one together with what it was about."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from tocsin.errors import Conflict
from tocsin.signals import Cause
from tocsin.signals.catalogue.proposals import (
    PROPOSAL_APPROVED,
    PROPOSAL_DECLINED,
    PROPOSAL_OPENED,
    PROPOSAL_WITHDRAWN,
    ProposalChanged,
)
from tocsin.signals.make import make_signal, subject_of
from tocsin_executor.adapters.definitions import MongoDefinitions
from tocsin_executor.adapters.scopes import within
from tocsin_executor.application.reading import Scope
from tocsin_executor.domain.proposals import KEPT_DAYS, Deed, Person, Proposal, Stand
from tocsin_executor.ports import Version
from tocsin_kit.chassis.components import Part
from tocsin_kit.store import (
    Database,
    Entry,
    Index,
    Outgoing,
    Relay,
    Repository,
    Sort,
    ensure_indexes,
    translated,
    undisputed,
)
from tocsin_kit.store.changes import changes

PROPOSALS: Final = "proposals"
INDEXES: Final = (
    Index(("v.namespace", "v.stand")),
    Index(("v.at",), expires=timedelta(days=KEPT_DAYS)),
)
_SAID: Final = {
    Stand.OPEN: PROPOSAL_OPENED,
    Stand.APPROVED: PROPOSAL_APPROVED,
    Stand.DECLINED: PROPOSAL_DECLINED,
    Stand.WITHDRAWN: PROPOSAL_WITHDRAWN,
}


class MongoProposals(Part):
    """The proposal store.

    Args:
        database: The executor's database.
        relay: Publishes the signals of commits.
        definitions: What is published.
    """

    def __init__(self, database: Database, relay: Relay, definitions: MongoDefinitions) -> None:
        super().__init__("executor.proposals")
        self._database, self._definitions = database, definitions
        self._proposals: Repository[Proposal] = Repository(database, PROPOSALS, encode=_encode, decode=_decode, wake=relay.wake)

    async def start(self) -> None:
        """Make indexes."""
        await ensure_indexes(self._database, {PROPOSALS: INDEXES})

    async def load(self, proposal: str) -> Entry[Proposal]:
        """One with its revision."""
        return await self._proposals.load(proposal)

    async def count_open(self, namespace: str) -> int:
        """How many of a namespace are open."""
        with translated(PROPOSALS):
            found: int = await self._database.collection(PROPOSALS).count_documents(
                {"v.namespace": namespace, "v.stand": Stand.OPEN.value}
            )
        return found

    async def put(self, entry: Entry[Proposal], proposal: Proposal, cause: Cause) -> None:
        """A new one, or one that was declined or withdrawn, with its signal."""
        await self._proposals.commit(entry, proposal, outbox=[_signal(entry, proposal, cause)])

    @undisputed
    async def carry_out(self, entry: Entry[Proposal], proposal: Proposal, version: Version | None, cause: Cause) -> None:
        """One that was approved, together with what was proposed."""
        if (await self._proposals.load(entry.key)).revision != entry.revision:
            raise Conflict("Somebody else decided about this proposal at the same moment.")  # again would change nothing
        place, by = (proposal.namespace, proposal.name), proposal.decided_by
        async with self._database.transaction() as transaction:
            if version is not None:
                await self._definitions.publish_within(transaction, place, version, cause)
            else:
                actor = by.subject if by is not None else None
                await self._definitions.delete_within(transaction, place, proposal.version, actor, cause)
            await self._proposals.commit(entry, proposal, outbox=[_signal(entry, proposal, cause)], within=transaction)

    async def page(
        self, scope: Scope, stand: Stand | None, limit: int, cursor: str | None
    ) -> tuple[Sequence[Proposal], str | None]:
        """Newest first."""
        where = within(scope)
        if stand is not None:
            where = where.eq("stand", stand.value)
        page = await self._proposals.page(where, sort=Sort("at", descending=True), limit=limit, cursor=cursor)
        return [entry.value for entry in page.items if entry.value is not None], page.next_cursor


def _signal(entry: Entry[Proposal], proposal: Proposal, cause: Cause) -> Outgoing:
    by = proposal.decided_by or proposal.by
    payload = ProposalChanged(
        workflow=proposal.name,
        deed=proposal.deed.value,
        version=proposal.version,
        digest=proposal.digest,
        proposed_by=proposal.by.subject,
        reason=proposal.reason or proposal.note or None,
        changes=changes(entry.value, proposal, without={"id", "namespace", "at", "decided_at"}),
    )
    event = make_signal(
        _SAID[proposal.stand],
        namespace=proposal.namespace,
        entity_id=proposal.id,
        sequence=entry.sequence + 1,
        time=proposal.decided_at or proposal.at,
        payload=payload,
        cause=cause,
        actor=by.subject,
    )
    return Outgoing.of(subject_of(event), event)


def _encode(proposal: Proposal) -> dict[str, Any]:
    by = proposal.decided_by
    return {
        "namespace": proposal.namespace,
        "name": proposal.name,
        "id": proposal.id,
        "deed": proposal.deed.value,
        "version": proposal.version,
        "digest": proposal.digest,
        "note": proposal.note,
        "by": [proposal.by.subject, proposal.by.person],
        "at": proposal.at,
        "stand": proposal.stand.value,
        "decided_by": None if by is None else [by.subject, by.person],
        "decided_at": proposal.decided_at,
        "reason": proposal.reason,
    }


def _decode(document: Mapping[str, Any]) -> Proposal:
    by = document["decided_by"]
    return Proposal(
        id=document["id"],
        namespace=document["namespace"],
        name=document["name"],
        deed=Deed(document["deed"]),
        version=document["version"],
        digest=document["digest"],
        note=document["note"],
        by=Person(*document["by"]),
        at=document["at"],
        stand=Stand(document["stand"]),
        decided_by=None if by is None else Person(*by),
        decided_at=document["decided_at"],
        reason=document["reason"],
    )
