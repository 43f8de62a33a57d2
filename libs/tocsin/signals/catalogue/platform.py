"""Signals that every service says of itself: what was asked of it over HTTP, and with what outcome."""

from typing import Final

from pydantic import Field

from tocsin.signals.changes import Changed
from tocsin.signals.kinds import Name, Severity, Shelf

ANY_SERVICE: Final = "any"
"""Instead of an owner: every service that is on the bus may say it."""

SHELF = Shelf(ANY_SERVICE)


class RequestAnswered(Changed):
    """Data of the signals about a request."""

    service: Name
    method: str = Field(max_length=16)
    route: str = Field(max_length=256, description="Template of the route: `/api/v1/runs/{run}`.")
    target: str = Field(max_length=256, description="Path as it was asked for, without the query; cut after 256 characters.")
    permission: str | None = Field(None, max_length=128, description="What the route needs.")
    status: int = Field(description="HTTP status of the answer.")
    address: str = Field(max_length=64, description="Of the person or program, behind trusted proxies too.")
    request: str = Field(max_length=128, description="Request id; what came of the request has it as its `causationid`.")
    reason: str | None = Field(None, max_length=256, description="Why somebody is not let in, or not here.")
    more: int = Field(
        0, ge=0, description="Requests without a valid credential that were refused like this one since; not said one by one."
    )


REQUEST_ACCEPTED = SHELF.add("request", "accepted", RequestAnswered, "A request that changes something was carried out.")
REQUEST_REFUSED = SHELF.add(
    "request",
    "refused",
    RequestAnswered,
    "A request was refused: not permitted, not valid, or too late.",
    severity=Severity.WARN,
)
REQUEST_FAILED = SHELF.add(
    "request", "failed", RequestAnswered, "A request could not be carried out: the platform's fault.", severity=Severity.ERROR
)
