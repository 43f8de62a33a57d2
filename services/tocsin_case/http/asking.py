"""Who asks for a case, why, and whether they may see it."""

from tocsin.errors import NotFound
from tocsin.signals import root
from tocsin_case.application import By, Cases, Settings
from tocsin_case.application.ledger import value_of
from tocsin_case.domain.access import Viewer
from tocsin_case.domain.cases import Case
from tocsin_kit.store import Entry
from tocsin_kit.web import Call, Permission

READ = Permission("case:read")
WRITE = Permission("case:write")
COMMENT = Permission("case:comment")
RESTRICTED = "case-restricted:read"


def by(call: Call) -> By:
    """Who does it; the request is the cause."""
    return By(call.principal.subject, root(call.request_id, call.traceparent))


class Door:
    """Lets people at cases.

    Args:
        cases: The cases.
        settings: For teams.
    """

    def __init__(self, cases: Cases, settings: Settings) -> None:
        self._cases = cases
        self._settings = settings

    async def viewer(self, call: Call, namespace: str = "*") -> Viewer:
        """Who looks, with their teams."""
        if call.may(RESTRICTED, namespace):
            return Viewer(call.principal.subject, everything=True)
        return Viewer(call.principal.subject, frozenset(await self._settings.teams_of(call.principal.subject)))

    async def permitted(self, call: Call, case_id: str, permission: Permission) -> Entry[Case]:
        """A case that somebody may do something with.

        Raises:
            NotFound: There is none that they may see: no word of whether there is one.
            Forbidden: They may see it and no more.
        """
        entry = await self._cases.get(case_id)
        case = value_of(entry)
        hidden = not call.may(READ.name, case.namespace)
        if hidden or (case.restricted and not (await self.viewer(call, case.namespace)).sees(case)):
            raise NotFound(f"there is no case {case_id}", case=case_id)
        call.require(permission.name, case.namespace)
        return entry
