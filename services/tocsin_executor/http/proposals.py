"""Publishing that takes two people, over HTTP."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field, JsonValue

from tocsin.definitions import DefinitionInvalid
from tocsin.errors import Conflict, NotFound
from tocsin_executor.application.definitions import Definitions, VersionTaken
from tocsin_executor.application.proposals import Proposals
from tocsin_executor.domain.proposals import Deed, Person, Proposal, ProposalDecided, SecondReviewerNeeded, Stand
from tocsin_executor.http.asking import cause_of, scope_of
from tocsin_executor.http.schemas import Name, Namespace, VersionName
from tocsin_executor.http.workflows import DOCUMENT, DOCUMENT_LIMIT, permit_definition
from tocsin_kit.web import Call, Input, Page, PageQuery, Permission, Reply, Route
from tocsin_kit.web.routes import Handler

READ = Permission("workflow:read")
PROPOSE = Permission("workflow:propose")
REVIEW = Permission("workflow:review")
Note = Annotated[str, Field(max_length=2000)]


class ProposalId(Input):
    """Path of one proposal."""

    proposal: Annotated[str, Field(pattern=r"^[0-9a-z]{26}$")]


class ProposalQuery(PageQuery):
    """Filters of the list of proposals."""

    namespace: Namespace | None = None
    stand: Stand | None = Field(None, description="`open`, `approved`, `declined` or `withdrawn`; all unless given.")


class NoteQuery(Input):
    """What the reviewer should know."""

    note: Note = ""


class DeletionBody(Input):
    """What is to be deleted."""

    namespace: Namespace = "default"
    name: Name
    version: VersionName | None = Field(None, description="All of the workflow unless given.")
    note: Note = ""


class ReasonBody(Input):
    """Why."""

    reason: Note | None = None


class ProposalOut(BaseModel):
    """A proposal."""

    id: str
    namespace: str
    name: str
    deed: Deed = Field(description="`publish` or `delete`.")
    version: str | None
    digest: str | None = Field(description="SHA-256 of the canonical document; what is approved is exactly this.")
    note: str
    proposed_by: str
    proposed_at: datetime
    stand: Stand
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None
    mine: bool = Field(description="Whether whoever looks made it, and so leaves the decision to others.")

    @classmethod
    def of(cls, proposal: Proposal, who: Person) -> "ProposalOut":
        """As somebody sees it."""
        by = proposal.decided_by
        return cls(
            id=proposal.id,
            namespace=proposal.namespace,
            name=proposal.name,
            deed=proposal.deed,
            version=proposal.version,
            digest=proposal.digest,
            note=proposal.note,
            proposed_by=proposal.by.subject,
            proposed_at=proposal.at,
            stand=proposal.stand,
            decided_by=None if by is None else by.subject,
            decided_at=proposal.decided_at,
            reason=proposal.reason,
            mine=proposal.by.person == who.person,
        )


class ProposalWhole(BaseModel):
    """A proposal with what is proposed."""

    proposal: ProposalOut
    document: JsonValue = Field(description="What would be published, or null.")


class _Handlers:
    def __init__(self, proposals: Proposals, definitions: Definitions) -> None:
        self._proposals, self._definitions = proposals, definitions

    async def publication(self, call: Call) -> Reply:
        definition = await self._definitions.check(call.raw, permit=lambda found: permit_definition(call, found, PROPOSE.name))
        for namespace in sorted(self._definitions.called_namespaces(definition) - {definition.namespace}):
            call.require("run:start", namespace)
        note = call.query(NoteQuery).note
        return _made(call, await self._proposals.publication(definition, note, _who(call), cause_of(call)))

    async def deletion(self, call: Call) -> Reply:
        body = call.body(DeletionBody)
        place = (body.namespace, body.name)
        return _made(call, await self._proposals.deletion(place, body.version, body.note, _who(call), cause_of(call)))

    async def list(self, call: Call) -> Page[ProposalOut]:
        query, who = call.query(ProposalQuery), _who(call)
        scope = scope_of(call, READ.name, query.namespace)
        found, cursor = await self._proposals.list(scope, query.stand, query.limit, query.cursor)
        return Page(items=[ProposalOut.of(one, who) for one in found], next_cursor=cursor)

    async def show(self, call: Call) -> ProposalWhole:
        proposal = await self._permitted(call, READ.name)
        document = await self._proposals.document(proposal)
        return ProposalWhole(
            proposal=ProposalOut.of(proposal, _who(call)), document=None if document is None else dict(document)
        )

    async def approve(self, call: Call) -> ProposalOut:
        return await self._decide(call, REVIEW.name, Stand.APPROVED)

    async def decline(self, call: Call) -> ProposalOut:
        return await self._decide(call, REVIEW.name, Stand.DECLINED)

    async def withdraw(self, call: Call) -> ProposalOut:
        return await self._decide(call, PROPOSE.name, Stand.WITHDRAWN)

    async def _decide(self, call: Call, permission: str, stand: Stand) -> ProposalOut:
        proposal, who = await self._permitted(call, permission), _who(call)
        after = await self._proposals.decide(proposal.id, stand, who, call.body(ReasonBody).reason, cause_of(call))
        return ProposalOut.of(after, who)

    async def _permitted(self, call: Call, permission: str) -> Proposal:
        wanted = call.params(ProposalId).proposal
        proposal = await self._proposals.get(wanted)
        if not call.may(READ.name, proposal.namespace, proposal.name):  # the same answer as if there were none
            raise NotFound(f"There is no proposal {wanted}.", proposal=wanted)
        call.require(permission, proposal.namespace, proposal.name)
        return proposal


def _who(call: Call) -> Person:
    return Person(call.principal.subject, call.principal.person)


def _made(call: Call, proposal: Proposal) -> Reply:
    where = {"Location": f"/api/v1/proposals/{proposal.id}"}
    return Reply(body=ProposalOut.of(proposal, _who(call)), status=201, headers=where)


def proposal_routes(proposals: Proposals, definitions: Definitions) -> Sequence[Route]:
    """``/api/v1/proposals``."""
    handlers = _Handlers(proposals, definitions)
    path, tags = "/api/v1/proposals", ("workflows",)
    return (
        Route(
            method="POST",
            path=path,
            access=PROPOSE,
            summary="Propose to publish a version of a workflow; somebody else publishes it",
            tags=tags,
            handler=handlers.publication,
            query=NoteQuery,
            body=DOCUMENT,
            response=ProposalOut,
            status=201,
            problems=(DefinitionInvalid, Conflict),
            body_limit=DOCUMENT_LIMIT,
        ),
        Route(
            method="POST",
            path=f"{path}/deletions",
            access=PROPOSE,
            summary="Propose to delete a version of a workflow, or all; somebody else deletes it",
            tags=tags,
            handler=handlers.deletion,
            body=DeletionBody,
            response=ProposalOut,
            status=201,
            problems=(NotFound, Conflict),
        ),
        *_reading(handlers),
        _deciding("approve", handlers.approve, REVIEW, "Publish, or delete, what somebody else proposed"),
        _deciding("decline", handlers.decline, REVIEW, "Decline what somebody else proposed"),
        _deciding("withdraw", handlers.withdraw, PROPOSE, "Take back a proposal of one's own"),
    )


def _reading(handlers: _Handlers) -> Sequence[Route]:
    path, tags = "/api/v1/proposals", ("workflows",)
    return (
        Route(
            method="GET",
            path=path,
            access=READ,
            summary="Proposals, newest first",
            tags=tags,
            handler=handlers.list,
            query=ProposalQuery,
            response=Page[ProposalOut],
        ),
        Route(
            method="GET",
            path=f"{path}/{{proposal}}",
            access=READ,
            summary="A proposal with what is proposed",
            tags=tags,
            handler=handlers.show,
            params=ProposalId,
            response=ProposalWhole,
            problems=(NotFound,),
        ),
    )


def _deciding(verb: str, handler: Handler, access: Permission, summary: str) -> Route:
    return Route(
        method="POST",
        path=f"/api/v1/proposals/{{proposal}}/{verb}",
        access=access,
        summary=summary,
        tags=("workflows",),
        handler=handler,
        params=ProposalId,
        body=ReasonBody,
        response=ProposalOut,
        problems=(NotFound, ProposalDecided, SecondReviewerNeeded, VersionTaken),
    )
