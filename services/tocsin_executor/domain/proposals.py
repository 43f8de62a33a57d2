"""Publishing that takes two people: what one proposes, another one publishes.

A proposal never changes: who wants something else makes another one, so what was looked at is what is published. It is decided
once, and never by who made it, whatever credential they use; taking it back is theirs alone.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Final

from tocsin.errors import Conflict, Forbidden

OPEN: Final = 200  # of one namespace at once; a reviewer reads them
KEPT_DAYS: Final = 400  # as long as the audit trail by default


class Deed(Enum):
    """What is proposed."""

    #: Publish a version.
    PUBLISH = "publish"
    #: Delete a version, or all of a workflow.
    DELETE = "delete"


class Stand(Enum):
    """Where a proposal stands."""

    OPEN = "open"
    APPROVED = "approved"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


class SecondReviewerNeeded(Forbidden):
    """Whoever made a proposal does not decide about it."""

    code = "second_reviewer_needed"


class ProposalDecided(Conflict):
    """The proposal is not open any more."""

    code = "proposal_decided"


@dataclass(frozen=True, slots=True)
class Person:
    """Who does something.

    Attributes:
        subject: The credential: ``user:<name>``, ``key:<id>``.
        person: Who is behind it; what two deeds are compared by.
    """

    subject: str
    person: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """One proposal.

    Attributes:
        id: Unique.
        namespace: Of the workflow.
        name: Of the workflow.
        deed: What is proposed.
        version: To publish or delete; ``None`` for all versions.
        digest: Of the definition; ``None`` for a deletion.
        note: Why, for the reviewer.
        by: Who proposes it.
        at: When.
        stand: Where it stands.
        decided_by: Who approved, declined or withdrew it.
        decided_at: When.
        reason: Why, in a sentence.
    """

    id: str
    namespace: str
    name: str
    deed: Deed
    version: str | None
    digest: str | None
    note: str
    by: Person
    at: datetime
    stand: Stand = Stand.OPEN
    decided_by: Person | None = None
    decided_at: datetime | None = None
    reason: str | None = None


def decided(proposal: Proposal, stand: Stand, by: Person, now: datetime, reason: str | None) -> Proposal:
    """The proposal after somebody decided about it.

    Raises:
        ProposalDecided: That was done before.
        SecondReviewerNeeded: It is their own, or to be withdrawn and somebody else's.
    """
    if proposal.stand is not Stand.OPEN:
        raise ProposalDecided(f"Proposal {proposal.id} is {proposal.stand.value}.", hint="Make another one.")
    own = by.person == proposal.by.person
    if stand is Stand.WITHDRAWN and not own:
        raise SecondReviewerNeeded("Only who made a proposal takes it back.", hint="Decline it.")
    if stand is not Stand.WITHDRAWN and own:
        raise SecondReviewerNeeded("This takes two people: somebody else decides about it.", hint="Or withdraw it.")
    return replace(proposal, stand=stand, decided_by=by, decided_at=now, reason=reason)
