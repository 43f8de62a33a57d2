"""Who sees a case: everybody who may read cases in its namespace, or, when it is restricted, its own people only."""

from collections.abc import Collection
from dataclasses import dataclass

from tocsin_case.domain.cases import Case


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks.

    Attributes:
        subject: ``user:<name>`` ...
        teams: ``<namespace>/<team>`` of which the viewer is a member.
        everything: Whether restricted cases are shown too.
    """

    subject: str
    teams: Collection[str] = ()
    everything: bool = False

    def sees(self, case: Case) -> bool:
        """Whether the case is shown to them."""
        if not case.restricted or self.everything:
            return True
        people = {case.owner, case.opened_by, *case.members}
        return self.subject in people or (case.team is not None and f"{case.namespace}/{case.team}" in self.teams)


ANYBODY = Viewer("")
"""Sees what everybody sees."""
EVERYBODY = Viewer("service:case", everything=True)
