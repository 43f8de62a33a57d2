"""Every operation that changes something existing leaves a record of what it was before and after."""

from typing import Any, Final

import pytest

from security.changing import Tour, walk
from security.test_matrix import operations
from security.world import World
from tocsin_kit.clock import SystemClock

pytestmark = pytest.mark.server

_CLOCK = SystemClock()
_NEW = "makes something new: its first signal says what it is"
_SAYS = "only answers: nothing is kept, or nothing changes that anybody said"
_SENDS = "sends or moves messages; the request's record says which"
NOTHING_TO_COMPARE: Final = {
    "POST /api/v1/api-keys": _NEW,
    "POST /api/v1/assets/backfills": _NEW,
    "POST /api/v1/assets/checks": _NEW,
    "POST /api/v1/assets/happenings": _NEW,
    "POST /api/v1/assets/partitions": _NEW,
    "POST /api/v1/auth/can-i": _SAYS,
    "POST /api/v1/auth/data-keys/rewrap": "the same keys under another one of the settings; here all are under it",
    "POST /api/v1/auth/explain": _SAYS,
    "POST /api/v1/auth/login": _NEW,
    "POST /api/v1/auth/logout": "ends a session, and says so: `session.ended` has no further state",
    "POST /api/v1/auth/nats-credentials": _NEW,
    "POST /api/v1/auth/oidc/begin": _NEW,
    "POST /api/v1/auth/oidc/finish": _NEW,
    "POST /api/v1/auth/refresh": _NEW,
    "POST /api/v1/auth/second-factor": "nothing is asked for until a code is shown; that is recorded",
    "POST /api/v1/auth/service-token": _NEW,
    "POST /api/v1/auth/simulate": _SAYS,
    "POST /api/v1/auth/token": _NEW,
    "POST /api/v1/backfills/{namespace}/{name}/preview": _SAYS,
    "POST /api/v1/cases": _NEW,
    "POST /api/v1/cases/alerts": "opens a case; or counts and resolves, which is said as by the other routes of cases",
    "POST /api/v1/cases/{case}/attachments/{attachment}/custody": "a chain of its own, which nothing is ever taken out of",
    "POST /api/v1/channels/{namespace}/{name}/test": _SENDS,
    "POST /api/v1/dead-letters/case/discard": "nothing is dead here; where something is, its record says what it was",
    "POST /api/v1/dead-letters/case/redrive": _SENDS,
    "POST /api/v1/dead-letters/executor/discard": "nothing is dead here; where something is, its record says what it was",
    "POST /api/v1/dead-letters/executor/redrive": _SENDS,
    "POST /api/v1/dead-letters/lineage/discard": "nothing is dead here; where something is, its record says what it was",
    "POST /api/v1/dead-letters/lineage/redrive": _SENDS,
    "POST /api/v1/dead-letters/observer/discard": "nothing is dead here; where something is, its record says what it was",
    "POST /api/v1/dead-letters/observer/redrive": _SENDS,
    "POST /api/v1/dead-letters/scheduler/discard": "nothing is dead here; where something is, its record says what it was",
    "POST /api/v1/dead-letters/scheduler/redrive": _SENDS,
    "POST /api/v1/dead-letters/trigger/discard": "nothing is dead here; where something is, its record says what it was",
    "POST /api/v1/dead-letters/trigger/redrive": _SENDS,
    "POST /api/v1/events": _NEW,
    "POST /api/v1/events/replay": _SENDS,
    "POST /api/v1/lineage": _NEW,
    "POST /api/v1/lineage/batch": _NEW,
    "POST /api/v1/analytics/rebuild": "facts are made anew from the same signals: what they say stays",
    "POST /api/v1/proposals": _NEW,
    "POST /api/v1/proposals/deletions": _NEW,
    "POST /api/v1/runs": _NEW,
    "POST /api/v1/runs/{run}/rerun": "makes a new run; the old one stays as it is",
    "POST /api/v1/schedules/preview": _SAYS,
    "POST /api/v1/schedules/simulate": _SAYS,
    "POST /api/v1/triggers": _NEW,
    "POST /api/v1/triggers/backtest": _SAYS,
    "POST /api/v1/triggers/{namespace}/{name}/fire": _NEW,
    "POST /api/v1/users": _NEW,
    "POST /api/v1/webhooks/{namespace}/{name}/deliveries/{delivery}/redeliver": _SENDS,
    "POST /api/v1/webhooks/{namespace}/{name}/redeliver": _SENDS,
    "POST /api/v1/webhooks/{namespace}/{name}/test": _SENDS,
    "POST /api/v1/webhooks/{namespace}/{name}/verify": "asks the endpoint; what comes of it is said when the answer is there",
    "POST /hooks/{namespace}/{name}": _NEW,
    "POST /hooks/{namespace}/{name}/{secret}": _NEW,
    "PUT /api/v1/audit/holds/{name}": "a hold never changes: it is placed, and released",
    "POST /examples/payments": "an example service of a laptop",
}


@pytest.fixture(scope="module")
def tour(world: World) -> Tour:
    """Something of each kind, changed by each operation."""
    tour = Tour(world, [f"{method} {path}" for method, path, _ in operations(world)])
    walk(tour, world)
    return tour


def test_every_operation_that_changes_something_is_tried(world: World, tour: Tour) -> None:
    """A new route is tried here, or it is said why there is nothing to compare."""
    writing = {f"{method} {path}" for method, path, _ in operations(world) if method != "GET"}
    assert writing - tour.asked.keys() - NOTHING_TO_COMPARE.keys() == set()
    assert NOTHING_TO_COMPARE.keys() - writing == set()


def test_the_audit_trail_has_it_before_and_after(world: World, tour: Tour) -> None:
    """By the request: a record of it, or of what came of it, names fields with what they were and are; the actor too."""
    judged = {one: request for one, request in tour.asked.items() if one not in NOTHING_TO_COMPARE and "GET" not in one}

    def missing() -> list[str]:
        told = {request for request, changed in _records(world) if changed}
        return sorted(one for one, request in judged.items() if request not in told)

    until = _CLOCK.monotonic() + 30  # for the trail to catch up
    while (left := missing()) and _CLOCK.monotonic() < until:
        pass
    assert not left


def _records(world: World) -> list[tuple[str, list[Any]]]:
    """Request and changes of each record of the tour."""
    found, cursor = [], ""
    while True:
        page = world.good("GET", f"/api/v1/audit?limit=500&outcome=accepted{cursor}")
        found += [(one["request"], one["event"]["data"].get("changes", [])) for one in page["items"] if one["actor"]]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"
