"""What became of runs, asked of the executor over HTTP in the name of the trigger service."""

from datetime import timedelta

import aiohttp
import structlog

from tocsin.signals import Json
from tocsin_kit.chassis import Part
from tocsin_kit.clock import Clock
from tocsin_kit.config import Secret
from tocsin_trigger.ports import RunEnd

log = structlog.get_logger()

_TIMEOUT = aiohttp.ClientTimeout(total=10)
_FIRST, _LONGEST = 0.03, 0.5  # seconds between two questions
_ENDED = frozenset({"completed", "faulted", "cancelled"})


class HttpResults(Part):
    """Asks the executor.

    Args:
        auth_url: Where a secret becomes a token.
        executor_url: Where runs are.
        secret: Of the trigger service; without one nobody can wait.
        clock: Time.
    """

    def __init__(self, auth_url: str, executor_url: str, secret: Secret | None, clock: Clock) -> None:
        super().__init__("results")
        self._auth, self._executor, self._secret, self._clock = auth_url, executor_url, secret, clock
        self._session: aiohttp.ClientSession | None = None
        self._token: str | None = None

    @property
    def offered(self) -> bool:
        """Whether anybody can wait."""
        return self._secret is not None

    async def stop(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def wait(self, run: str, within: timedelta) -> RunEnd | None:
        """How a run ended; ``None`` when it has not by then, or cannot be asked."""
        if self._secret is None:
            return None
        deadline = self._clock.monotonic() + within.total_seconds()
        pause = _FIRST
        while True:
            try:
                end = await self._ask(run, self._secret)
            except (TimeoutError, aiohttp.ClientError, ValueError) as error:
                log.warning("results.not_read", run=run, error=type(error).__name__)
                end = None
            if end is not None:
                return end
            if self._clock.monotonic() + pause >= deadline:
                return None
            await self._clock.sleep(pause)
            pause = min(pause * 1.5, _LONGEST)

    async def _ask(self, run: str, secret: Secret) -> RunEnd | None:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=_TIMEOUT)
        for _ in range(2):
            if self._token is None:
                self._token = await self._login(self._session, secret)
            headers = {"Authorization": f"Bearer {self._token}"}
            async with self._session.get(f"{self._executor}/api/v1/runs/{run}", headers=headers) as answer:
                if answer.status == 401:
                    self._token = None
                    continue
                if answer.status == 404:
                    return None  # its command is still on its way
                answer.raise_for_status()
                body = await answer.json()
                status = str(body.get("status"))
                output: Json = body.get("output")
                return RunEnd(status, output) if status in _ENDED else None
        return None

    async def _login(self, session: aiohttp.ClientSession, secret: Secret) -> str:
        body = {"service": "trigger", "secret": secret.reveal()}
        async with session.post(f"{self._auth}/api/v1/auth/service-token", json=body) as answer:
            answer.raise_for_status()
            return str((await answer.json())["access_token"])
