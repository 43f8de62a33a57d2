"""Routes of files and of things that were seen."""

from collections.abc import Sequence

from tocsin.errors import Conflict, NotFound
from tocsin_case.application import Evidence
from tocsin_case.domain.evidence import LARGEST
from tocsin_case.http.asking import READ, WRITE, Door, by
from tocsin_case.http.beside_schemas import (
    AnyObservable,
    AttachmentId,
    AttachmentQuery,
    AttachmentView,
    CustodyBody,
    CustodyEntry,
    CustodyView,
    DeletionQuery,
    ObservableBody,
    ObservableId,
    ObservableQuery,
    ObservableView,
    SeenView,
    SightingView,
)
from tocsin_case.http.case_routes import ONE, TAGS
from tocsin_case.http.schemas import CaseId
from tocsin_kit.web import Call, Page, RawBody, Reply, Route

ANY = RawBody(media_types=("*/*",), description="The file.", required=True)


class _Handlers:
    def __init__(self, evidence: Evidence, door: Door) -> None:
        self._evidence, self._door = evidence, door

    async def attach(self, call: Call) -> AttachmentView:
        entry = await self._door.permitted(call, call.params(CaseId).case, WRITE)
        query = call.query(AttachmentQuery)
        media_type = call.headers.get("Content-Type", "application/octet-stream")[:200]
        made = await self._evidence.attach(
            entry.key,
            call.raw,
            name=query.name,
            media_type=media_type,
            evidence=query.evidence,
            note=query.note,
            by=by(call),
        )
        return AttachmentView.of(made)

    async def attachments(self, call: Call) -> Page[AttachmentView]:
        entry = await self._door.permitted(call, call.params(CaseId).case, READ)
        return Page(items=[AttachmentView.of(one) for one in await self._evidence.attachments(entry.key)])

    async def read(self, call: Call) -> Reply:
        path = call.params(AttachmentId)
        entry = await self._door.permitted(call, path.case, READ)
        attachment, content = await self._evidence.read(entry.key, path.attachment, by=by(call))
        # Never shown in place: what a stranger has sent must not run in the name of this platform.
        name = attachment.name.encode("ascii", "replace").decode()
        headers = {
            "Content-Disposition": f'attachment; filename="{name}"',
            "X-Content-Type-Options": "nosniff",
            "Digest": f"sha-256={attachment.sha256}",
        }
        return Reply(body=content, media_type="application/octet-stream", headers=headers)

    async def delete(self, call: Call) -> None:
        path = call.params(AttachmentId)
        entry = await self._door.permitted(call, path.case, WRITE)
        await self._evidence.delete(entry.key, path.attachment, call.query(DeletionQuery).reason, by=by(call))

    async def custody(self, call: Call) -> CustodyView:
        path = call.params(AttachmentId)
        entry = await self._door.permitted(call, path.case, READ)
        chain, unbroken, intact = await self._evidence.custody(entry.key, path.attachment)
        return CustodyView(unbroken=unbroken, intact=intact, items=[CustodyEntry.of(one) for one in chain])

    async def hand_over(self, call: Call) -> CustodyView:
        path = call.params(AttachmentId)
        entry = await self._door.permitted(call, path.case, WRITE)
        await self._evidence.hand_over(entry.key, path.attachment, call.body(CustodyBody).note, by=by(call))
        return await self.custody(call)

    async def see(self, call: Call) -> ObservableView:
        entry = await self._door.permitted(call, call.params(CaseId).case, WRITE)
        body = call.body(ObservableBody)
        return ObservableView.of(await self._evidence.see(entry.key, body.type, body.value, body.note, by=by(call)))

    async def sightings(self, call: Call) -> Page[SightingView]:
        entry = await self._door.permitted(call, call.params(CaseId).case, READ)
        return Page(items=[SightingView.of(one) for one in await self._evidence.sightings(entry.key)])

    async def unsee(self, call: Call) -> None:
        path = call.params(ObservableId)
        entry = await self._door.permitted(call, path.case, WRITE)
        await self._evidence.unsee(entry.key, path.observable, by=by(call))

    async def observables(self, call: Call) -> Page[ObservableView]:
        query = call.query(ObservableQuery)
        viewer = await self._door.viewer(call, query.namespace)
        page = await self._evidence.observables(
            query.namespace, viewer, text=query.value, limit=query.limit, cursor=query.cursor
        )
        return Page(items=[ObservableView.of(one) for one in page.items], next_cursor=page.next_cursor)

    async def observable(self, call: Call) -> SeenView:
        wanted = call.params(AnyObservable).observable
        found, sightings = await self._evidence.observable(wanted, await self._door.viewer(call))
        if not call.may(READ.name, found.namespace):
            raise NotFound(f"there is no observable {wanted}", observable=wanted)
        seen = [SightingView.of(sighting) for sighting in sightings]
        return SeenView(**ObservableView.of(found).model_dump(), sightings=seen)


def observable_routes(evidence: Evidence, door: Door) -> Sequence[Route]:
    """Things seen anywhere; their path stands before that of a case."""
    on = _Handlers(evidence, door)
    return (
        Route(
            method="GET",
            path="/api/v1/cases/observables",
            access=READ,
            summary="Things that were seen in cases of a namespace",
            tags=TAGS,
            query=ObservableQuery,
            response=Page[ObservableView],
            handler=on.observables,
        ),
        Route(
            method="GET",
            path="/api/v1/cases/observables/{observable}",
            access=READ,
            summary="Something that was seen, and in which cases",
            tags=TAGS,
            params=AnyObservable,
            response=SeenView,
            handler=on.observable,
        ),
    )


def evidence_routes(evidence: Evidence, door: Door) -> Sequence[Route]:
    """Files and things seen in a case."""
    on = _Handlers(evidence, door)
    return (*_of_files(on), *_of_one_file(on), *_of_chains(on), *_of_sightings(on))


def _of_files(on: _Handlers) -> Sequence[Route]:
    return (
        Route(
            method="POST",
            path=f"{ONE}/attachments",
            access=WRITE,
            summary="Put a file to a case",
            tags=TAGS,
            params=CaseId,
            query=AttachmentQuery,
            body=ANY,
            body_limit=LARGEST,
            response=AttachmentView,
            status=201,
            problems=(Conflict,),
            handler=on.attach,
        ),
        Route(
            method="GET",
            path=f"{ONE}/attachments",
            access=READ,
            summary="Files of a case, oldest first",
            tags=TAGS,
            params=CaseId,
            response=Page[AttachmentView],
            handler=on.attachments,
        ),
    )


def _of_one_file(on: _Handlers) -> Sequence[Route]:
    return (
        Route(
            method="GET",
            path=f"{ONE}/attachments/{{attachment}}",
            access=READ,
            summary="The content of a file; that it was read is in its chain of custody",
            tags=TAGS,
            params=AttachmentId,
            media_type="application/octet-stream",
            problems=(Conflict,),
            handler=on.read,
        ),
        Route(
            method="DELETE",
            path=f"{ONE}/attachments/{{attachment}}",
            access=WRITE,
            summary="Delete the content of a file that is no evidence; its chain of custody stays",
            tags=TAGS,
            params=AttachmentId,
            query=DeletionQuery,
            status=204,
            problems=(Conflict,),
            handler=on.delete,
        ),
    )


def _of_chains(on: _Handlers) -> Sequence[Route]:
    path = f"{ONE}/attachments/{{attachment}}/custody"
    return (
        Route(
            method="GET",
            path=path,
            access=READ,
            summary="Who held a file, and whether chain and content are whole",
            tags=TAGS,
            params=AttachmentId,
            response=CustodyView,
            handler=on.custody,
        ),
        Route(
            method="POST",
            path=path,
            access=WRITE,
            summary="Note that a file was given to somebody",
            tags=TAGS,
            params=AttachmentId,
            body=CustodyBody,
            response=CustodyView,
            problems=(Conflict,),
            handler=on.hand_over,
        ),
    )


def _of_sightings(on: _Handlers) -> Sequence[Route]:
    return (
        Route(
            method="POST",
            path=f"{ONE}/observables",
            access=WRITE,
            summary="Note that something was seen",
            tags=TAGS,
            params=CaseId,
            body=ObservableBody,
            response=ObservableView,
            status=201,
            problems=(Conflict,),
            handler=on.see,
        ),
        Route(
            method="GET",
            path=f"{ONE}/observables",
            access=READ,
            summary="What was seen in a case",
            tags=TAGS,
            params=CaseId,
            response=Page[SightingView],
            handler=on.sightings,
        ),
        Route(
            method="DELETE",
            path=f"{ONE}/observables/{{observable}}",
            access=WRITE,
            summary="Take back that something was seen",
            tags=TAGS,
            params=ObservableId,
            status=204,
            problems=(Conflict,),
            handler=on.unsee,
        ),
    )
