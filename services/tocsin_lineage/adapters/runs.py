"""What runs wait for, asked of the executor over HTTP in the name of lineage.

Asked only when an asset is late or somebody wants to know why. Who does not answer is not asked again for a while: the clocks
of promises must not wait for another service, and a cause that is not known is better than a signal that comes late.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

import aiohttp
import structlog

from tocsin_kit.chassis import Part
from tocsin_kit.clock import Clock
from tocsin_kit.config import Secret
from tocsin_lineage.domain.causes import Wait
from tocsin_lineage.ports import Place

log = structlog.get_logger()

TIMEOUT = aiohttp.ClientTimeout(total=3)
SILENCE = timedelta(seconds=30).total_seconds()
FRESH = 1.0  # seconds for which an answer counts: many assets of one workflow become late at once
RUNS = 3  # of a workflow
REMEMBERED = 1000
_LIVE = ("pending", "running", "waiting", "suspended")


class HttpWaits(Part):
    """Asks the executor.

    Args:
        auth_url: Where a secret becomes a token.
        executor_url: Where runs are.
        secret: Of lineage; without one nothing can be asked.
        clock: Time.
    """

    def __init__(self, auth_url: str, executor_url: str, secret: Secret | None, *, clock: Clock) -> None:
        super().__init__("waits")
        self._auth, self._executor, self._secret, self._clock = auth_url, executor_url, secret, clock
        self._session: aiohttp.ClientSession | None = None
        self._token: str | None = None
        self._silent_until = float("-inf")
        self._known: dict[Place, tuple[float, list[Wait]]] = {}

    async def start(self) -> None:
        """Open the connections."""
        self._session = aiohttp.ClientSession(timeout=TIMEOUT)

    async def stop(self) -> None:
        """Close them."""
        if self._session is not None:
            await self._session.close()

    async def of(self, workflows: Collection[Place]) -> Sequence[Wait]:
        """What the newest runs of these workflows that have not ended wait for."""
        found: list[Wait] = []
        try:
            for place in workflows:
                found += await self._of(place)
        except (TimeoutError, aiohttp.ClientError, ValueError, KeyError, TypeError) as error:
            self._silent_until = self._clock.monotonic() + SILENCE
            log.warning("waits.not_read", error=type(error).__name__)
        return found

    async def _of(self, place: Place) -> list[Wait]:
        now = self._clock.monotonic()
        asked, waits = self._known.get(place, (float("-inf"), []))
        if now - asked < FRESH:
            return waits
        if self._session is None or self._secret is None or now < self._silent_until:
            return []
        namespace, workflow = place
        query: dict[str, str | list[str]] = {"status": list(_LIVE), "limit": str(RUNS)}
        query |= {"namespace": namespace, "workflow": workflow}
        listed = await self._get(self._session, self._secret, "/api/v1/runs", query)
        waits = []
        for run in listed["items"]:
            told = await self._get(self._session, self._secret, f"/api/v1/runs/{run['id']}/explanation", {})
            waits += [_wait(place, told, one) for one in told["waits"]]
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[place] = (now, waits)
        return waits

    async def _get(
        self, session: aiohttp.ClientSession, secret: Secret, path: str, query: Mapping[str, str | list[str]]
    ) -> dict[str, Any]:
        for _ in range(2):
            if self._token is None:
                self._token = await self._login(session, secret)
            headers = {"Authorization": f"Bearer {self._token}"}
            async with session.get(f"{self._executor}{path}", params=query, headers=headers) as answer:
                if answer.status == 401:
                    self._token = None
                    continue
                answer.raise_for_status()
                body = await answer.json()
                if isinstance(body, dict):
                    return body
        raise ValueError("the executor does not answer as it should")

    async def _login(self, session: aiohttp.ClientSession, secret: Secret) -> str:
        body = {"service": "lineage", "secret": secret.reveal()}
        async with session.post(f"{self._auth}/api/v1/auth/service-token", json=body) as answer:
            answer.raise_for_status()
            return str((await answer.json())["access_token"])


def _wait(place: Place, told: Mapping[str, Any], one: Mapping[str, Any]) -> Wait:
    held_by = one.get("held_by")
    limit = one.get("limit")
    if one.get("for") == "worker" and one.get("worker") is None:
        limit = one.get("queue")
    return Wait(
        namespace=place[0],
        workflow=place[1],
        run=str(told["id"]),
        status=str(told["status"]),
        waits_for=str(one.get("for")),
        detail=str(one.get("detail")),
        limit=str(limit) if limit else None,
        held_by=tuple(str(run) for run in held_by) if isinstance(held_by, list) else (),
    )
