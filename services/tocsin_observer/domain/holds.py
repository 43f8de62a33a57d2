"""Legal holds: records that must be kept although their time is over."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from tocsin.signals.audit_chain import Body


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """One hold; whatever fits all that it names is kept until it is released.

    Attributes:
        name: Its name.
        reason: Why: a case number, a court's letter.
        namespace: Only records of this namespace.
        actor: Only what this person or program did.
        since: Only records stored from then on.
        until: Only records stored before.
        placed_by: Who placed it.
        placed_at: When.
    """

    name: str
    reason: str
    namespace: str | None = None
    actor: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    placed_by: str
    placed_at: datetime

    def covers(self, body: Body, stored: datetime) -> bool:
        """Whether a record is held."""
        return (
            (self.namespace is None or body.get("namespace") == self.namespace)
            and (self.actor is None or body.get("actor") == self.actor)
            and (self.since is None or stored >= self.since)
            and (self.until is None or stored < self.until)
        )


def held(holds: Iterable[Hold], body: Body, stored: datetime) -> bool:
    """Whether any hold covers a record."""
    return any(hold.covers(body, stored) for hold in holds)
