"""Publishing that takes two people: propose, look, approve, decline, withdraw."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from tocsin.definitions import Definition
from tocsin.errors import Conflict, NotFound
from tocsin.signals import Cause
from tocsin_executor.application.definitions import Definitions, DefinitionStore
from tocsin_executor.application.reading import Scope
from tocsin_executor.domain.proposals import OPEN, Deed, Person, Proposal, Stand, decided
from tocsin_executor.domain.values import Json
from tocsin_executor.ports import Version
from tocsin_kit.chance import Chance, new_id
from tocsin_kit.clock import Clock
from tocsin_kit.store import Entry


class ProposalStore(Protocol):
    """Where proposals are kept."""

    async def load(self, proposal: str) -> Entry[Proposal]:
        """One with its revision."""
        ...

    async def count_open(self, namespace: str) -> int:
        """How many of a namespace are open."""
        ...

    async def put(self, entry: Entry[Proposal], proposal: Proposal, cause: Cause) -> None:
        """A new one, or one that was declined or withdrawn, with its signal."""
        ...

    async def carry_out(self, entry: Entry[Proposal], proposal: Proposal, version: Version | None, cause: Cause) -> None:
        """One that was approved, together with what was proposed: both with their signals, or neither.

        Args:
            entry: The proposal as it was.
            proposal: As it is now.
            version: To publish; ``None`` for a deletion.
            cause: The request.

        Raises:
            VersionTaken: That version has another content by now.
            NotFound: What is to be deleted is gone.
        """
        ...

    async def page(
        self, scope: Scope, stand: Stand | None, limit: int, cursor: str | None
    ) -> tuple[Sequence[Proposal], str | None]:
        """Newest first."""
        ...


class Proposals:
    """Use cases of proposals.

    Args:
        store: Where they are.
        definitions: Use cases of definitions.
        documents: Where documents are.
        clock: Time.
        chance: For ids.
    """

    def __init__(
        self, store: ProposalStore, definitions: Definitions, documents: DefinitionStore, *, clock: Clock, chance: Chance
    ) -> None:
        self._store, self._definitions, self._documents = store, definitions, documents
        self._clock, self._chance = clock, chance

    async def publication(self, definition: Definition, note: str, by: Person, cause: Cause) -> Proposal:
        """Propose to publish a checked definition.

        Raises:
            Conflict: There are too many open ones.
        """
        await self._documents.keep(definition.digest, definition.document)
        place = (definition.namespace, definition.name)
        version, digest = definition.version, definition.digest
        return await self._propose(place, Deed.PUBLISH, version=version, digest=digest, note=note, by=by, cause=cause)

    async def deletion(self, place: tuple[str, str], version: str | None, note: str, by: Person, cause: Cause) -> Proposal:
        """Propose to delete a version of the workflow ``place`` (namespace, name), or all of it.

        Raises:
            NotFound: There is none.
            Conflict: There are too many open ones.
        """
        await self._definitions.resolve(*place, version)
        return await self._propose(place, Deed.DELETE, version=version, digest=None, note=note, by=by, cause=cause)

    async def _propose(
        self,
        place: tuple[str, str],
        deed: Deed,
        *,
        version: str | None,
        digest: str | None,
        note: str,
        by: Person,
        cause: Cause,
    ) -> Proposal:
        namespace, name = place
        if await self._store.count_open(namespace) >= OPEN:
            raise Conflict(f"{namespace} has {OPEN} open proposals.", hint="Decide about some, or withdraw them.")
        now = self._clock.now()
        proposal = Proposal(
            id=new_id(now, self._chance),
            namespace=namespace,
            name=name,
            deed=deed,
            version=version,
            digest=digest,
            note=note,
            by=by,
            at=now,
        )
        await self._store.put(await self._store.load(proposal.id), proposal, cause)
        return proposal

    async def get(self, proposal: str) -> Proposal:
        """A proposal.

        Raises:
            NotFound: There is none.
        """
        return _value(await self._store.load(proposal))

    async def document(self, proposal: Proposal) -> Mapping[str, Json] | None:
        """What would be published."""
        return None if proposal.digest is None else await self._documents.read(proposal.digest)

    async def list(
        self, scope: Scope, stand: Stand | None, limit: int, cursor: str | None
    ) -> tuple[Sequence[Proposal], str | None]:
        """Newest first."""
        return await self._store.page(scope, stand, limit, cursor)

    async def decide(self, proposal: str, stand: Stand, by: Person, reason: str | None, cause: Cause) -> Proposal:
        """Approve, decline or withdraw one; what is approved is carried out in the same write.

        Raises:
            NotFound: There is none, or what is to be deleted is gone.
            ProposalDecided: It is not open any more.
            SecondReviewerNeeded: It is their own.
            VersionTaken: That version has another content by now.
        """
        entry = await self._store.load(proposal)
        after = decided(_value(entry), stand, by, self._clock.now(), reason)
        if stand is not Stand.APPROVED:
            await self._store.put(entry, after, cause)
            return after
        version = None
        if after.digest is not None and after.version is not None:
            version = Version(after.version, after.digest, self._clock.now(), after.by.subject, by.subject)
        await self._store.carry_out(entry, after, version, cause)
        await self._definitions.changed(after.namespace, after.name)
        return after


def _value(entry: Entry[Proposal]) -> Proposal:
    if entry.value is None:
        raise NotFound(f"There is no proposal {entry.key}.", proposal=entry.key)
    return entry.value
