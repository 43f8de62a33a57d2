"""Files with their chain of custody, and things that were seen."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from tocsin.errors import Conflict, Defect, Invalid, NotFound, TooLarge
from tocsin.signals.catalogue import case as words
from tocsin_case.application.guiding import Guide
from tocsin_case.application.ledger import TRIES, By, Decision, Ledger
from tocsin_case.domain.access import ANYBODY, Viewer
from tocsin_case.domain.cases import Case
from tocsin_case.domain.evidence import (
    LARGEST,
    OBSERVABLE_TYPES,
    Attachment,
    Custody,
    Observable,
    Sighting,
    Use,
    deleted,
    handled,
    normal,
    observable_id,
    sha256_of,
    unbroken,
)
from tocsin_case.ports import BesideStore
from tocsin_kit.chance import Chance, new_id
from tocsin_kit.config.secret import HIDDEN
from tocsin_kit.store import Page


class Evidence:
    """What was found.

    Args:
        ledger: Changes cases.
        besides: Where files and observables are.
        chance: For ids.
    """

    def __init__(self, ledger: Ledger, besides: BesideStore, *, chance: Chance) -> None:
        self._ledger = ledger
        self._besides = besides
        self._chance = chance

    async def attach(
        self, case_id: str, content: bytes, *, name: str, media_type: str, evidence: bool, note: str, by: By
    ) -> Attachment:
        """Put a file to a case; its hash and the first entry of its chain are stored with it.

        Raises:
            TooLarge: Above 8 MiB.
        """
        if len(content) > LARGEST:
            raise TooLarge(f"a file of {len(content)} bytes is above the limit of {LARGEST}", limit=LARGEST, size=len(content))
        now = self._ledger.clock.now()
        digest = sha256_of(content)
        attachment = Attachment(
            id=new_id(now, self._chance),
            case=case_id,
            name=name,
            media_type=media_type,
            size=len(content),
            sha256=digest,
            added_at=now,
            added_by=by.actor,
            evidence=evidence,
            note=note,
        )
        first = handled(None, attachment, actor=by.actor, action="added", sha256=digest, at=now, note=note)

        async def decide(case: Case, _guide: Guide, _now: datetime) -> Decision:
            await self._besides.keep(digest, content)  # again if it was deleted before this is stored
            payload = words.CaseAttached(
                attachment=attachment.id,
                name="A file." if case.restricted else name,
                sha256=digest,
                size=len(content),
                evidence=evidence,
            )
            after = replace(case, attachments=case.attachments + 1)
            return Decision(after, [(words.CASE_ATTACHED, payload)], [attachment, first, Use(digest, more=True)])

        await self._ledger.change(case_id, decide, by=by, why="attached")
        return attachment

    async def delete(self, case_id: str, attachment_id: str, reason: str, *, by: By) -> None:
        """Delete the content of a file; what it was called, its hash and who held it stay.

        Raises:
            NotFound: The case has no such file.
            Invalid: It is evidence.
        """

        async def decide(case: Case, _guide: Guide, now: datetime) -> Decision:
            gone = deleted(await self._one(case_id, attachment_id), now)
            chain = await self._besides.custody(attachment_id)
            last = handled(
                chain[-1] if chain else None, gone, actor=by.actor, action="deleted", sha256=gone.sha256, at=now, note=reason
            )
            payload = words.CaseDetached(attachment=gone.id, sha256=gone.sha256, reason=HIDDEN if case.restricted else reason)
            return Decision(
                replace(case, attachments=max(case.attachments - 1, 0)),
                [(words.CASE_DETACHED, payload)],
                [gone, last, Use(gone.sha256, more=False)],
            )

        await self._ledger.change(case_id, decide, by=by, why="file deleted")
        await self._besides.forget((await self._one(case_id, attachment_id)).sha256)

    async def attachments(self, case_id: str) -> list[Attachment]:
        """Files of a case, oldest first."""
        return await self._besides.attachments(case_id)

    async def read(self, case_id: str, attachment_id: str, *, by: By) -> tuple[Attachment, bytes]:
        """The content of a file; that it was read is in its chain.

        Raises:
            NotFound: The case has no such file.
            Defect: What is stored is not what was put there.
        """
        attachment = await self._one(case_id, attachment_id)
        if attachment.deleted_at is not None:
            raise NotFound(f"the content of file {attachment_id} was deleted", attachment=attachment_id)
        content = await self._besides.content(attachment.sha256)
        if content is None or sha256_of(content) != attachment.sha256:
            raise Defect(f"the content of file {attachment_id} is not what was stored", attachment=attachment_id)
        await self._append(attachment, "read", "", by=by)
        return attachment, content

    async def hand_over(self, case_id: str, attachment_id: str, note: str, *, by: By) -> list[Custody]:
        """Note in the chain of a file that somebody else has it now, or what was done to it.

        Raises:
            NotFound: The case has no such file.
        """
        attachment = await self._one(case_id, attachment_id)
        await self._append(attachment, "handed-over", note, by=by)
        return await self._besides.custody(attachment_id)

    async def custody(self, case_id: str, attachment_id: str) -> tuple[list[Custody], bool, bool]:
        """The chain of a file, whether it is unbroken, and whether the content is stored still, or deleted as it says.

        Raises:
            NotFound: The case has no such file.
        """
        attachment = await self._one(case_id, attachment_id)
        chain = await self._besides.custody(attachment_id)
        if attachment.deleted_at is not None:
            return chain, unbroken(chain), bool(chain) and chain[-1].action == "deleted"
        content = await self._besides.content(attachment.sha256)
        return chain, unbroken(chain), content is not None and sha256_of(content) == attachment.sha256

    async def see(self, case_id: str, type_: str, value: str, note: str, *, by: By) -> Observable:
        """Note that something was seen in a case.

        Raises:
            Invalid: There is no such type, or nothing is left of the value.
        """
        written = normal(type_, value)
        if type_ not in OBSERVABLE_TYPES or not written:
            raise Invalid(f"{type_} is no type of an observable", hint=f"one of {', '.join(OBSERVABLE_TYPES)}")
        entry = await self._ledger.get(case_id)
        assert entry.value is not None, "found"
        namespace = entry.value.namespace
        sighting = Sighting(
            observable=observable_id(namespace, type_, value),
            case=case_id,
            namespace=namespace,
            type=type_,
            value=written,
            at=self._ledger.clock.now(),
            by=by.actor,
            note=note,
        )
        seen = await self._besides.see(sighting)
        others = [one for one in await self._besides.sightings_of([seen.id]) if one.case != case_id]
        cases = 1 + len(await self._visible(others, ANYBODY))

        async def decide(case: Case, _guide: Guide, _now: datetime) -> Decision:
            count = len(await self._besides.sightings(case_id))
            # Its id is that of the same thing in cases that everybody sees, so a restricted case does not say it.
            payload = words.CaseObserved(observable=HIDDEN if case.restricted else seen.id, kind=type_, cases=cases)
            return Decision(replace(case, observables=count), [(words.CASE_OBSERVED, payload)])

        await self._ledger.change(case_id, decide, by=by, why="observed")
        return replace(seen, cases=cases)

    async def unsee(self, case_id: str, observable: str, *, by: By) -> None:
        """Take a sighting back.

        Raises:
            NotFound: It was not seen in this case.
        """
        if not await self._besides.unsee(case_id, observable):
            raise NotFound(f"{observable} was not seen in case {case_id}", observable=observable)

        async def decide(case: Case, _guide: Guide, _now: datetime) -> Decision:
            return Decision(replace(case, observables=len(await self._besides.sightings(case_id))))

        await self._ledger.change(case_id, decide, by=by, why="observable removed")

    async def sightings(self, case_id: str) -> list[Sighting]:
        """What was seen in a case."""
        return await self._besides.sightings(case_id)

    async def observable(self, observable: str, viewer: Viewer) -> tuple[Observable, list[Sighting]]:
        """A thing, and where it was seen, as far as somebody may see.

        Raises:
            NotFound: It was seen nowhere, or in restricted cases only.
        """
        found = await self._besides.observable(observable)
        sightings = [] if found is None else await self._visible(found[1], viewer)
        if found is None or not sightings:
            raise NotFound(f"there is no observable {observable}", observable=observable)
        return replace(found[0], cases=len(sightings)), sightings

    async def observables(
        self, namespace: str, viewer: Viewer, *, text: str | None, limit: int, cursor: str | None
    ) -> Page[Observable]:
        """Things that were seen in a namespace, in cases that somebody may see; a page may be shorter for it."""
        page = await self._besides.observables(namespace, text=text, limit=limit, cursor=cursor)
        sightings = await self._visible(await self._besides.sightings_of([one.id for one in page.items]), viewer)
        counts = Counter(sighting.observable for sighting in sightings)
        seen = [replace(one, cases=counts[one.id]) for one in page.items if counts[one.id]]
        return Page(seen, page.next_cursor)

    async def _visible(self, sightings: Sequence[Sighting], viewer: Viewer) -> list[Sighting]:
        cases = await self._ledger.store.load_many(sorted({sighting.case for sighting in sightings}))
        seen = {key for key, entry in cases.items() if entry.value is not None and viewer.sees(entry.value)}
        return [sighting for sighting in sightings if sighting.case in seen]

    async def _one(self, case_id: str, attachment_id: str) -> Attachment:
        found = next((one for one in await self._besides.attachments(case_id) if one.id == attachment_id), None)
        if found is None:
            raise NotFound(f"case {case_id} has no file {attachment_id}", attachment=attachment_id)
        return found

    async def _append(self, attachment: Attachment, action: str, note: str, *, by: By) -> None:
        for _ in range(TRIES):  # not `undisputed`: a link of a chain has no revision, its number is taken or not
            chain = await self._besides.custody(attachment.id)
            entry = handled(
                chain[-1] if chain else None,
                attachment,
                actor=by.actor,
                action=action,
                sha256=attachment.sha256,
                at=self._ledger.clock.now(),
                note=note,
            )
            try:
                await self._besides.hand(entry)
            except Conflict:
                continue
            return
        raise Conflict(f"file {attachment.id} is being handled by others all the time")
