"""Signals of the executor about publishing that takes two people: what one proposes, another one publishes."""

from typing import Literal

from pydantic import Field

from tocsin.signals.changes import Changed
from tocsin.signals.kinds import Name, Reason, Shelf

SHELF = Shelf("executor")


class ProposalChanged(Changed):
    """Data of the signals about a proposal to publish or delete a definition."""

    workflow: Name
    deed: Literal["publish", "delete"]
    version: str | None = Field(None, description="Absent when all versions would be deleted.")
    digest: str | None = Field(None, description="Content address of what would be published.")
    proposed_by: str = Field(description="Who made it; who decided is the signal's `authid`.")
    reason: Reason | None = None


PROPOSAL_OPENED = SHELF.add("proposal", "opened", ProposalChanged, "Somebody proposes to publish or delete a definition.")
PROPOSAL_APPROVED = SHELF.add("proposal", "approved", ProposalChanged, "Somebody else agreed, and what was proposed was done.")
PROPOSAL_DECLINED = SHELF.add("proposal", "declined", ProposalChanged, "Somebody else did not agree.")
PROPOSAL_WITHDRAWN = SHELF.add("proposal", "withdrawn", ProposalChanged, "Whoever made a proposal took it back.")
