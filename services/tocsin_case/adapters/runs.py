"""What became of runs, asked of the executor over HTTP in the name of the case service."""

import aiohttp
import structlog

from tocsin.signals import Json
from tocsin_case.ports import Unreadable
from tocsin_kit.chassis import Part
from tocsin_kit.clock import Clock
from tocsin_kit.config import Secret
from tocsin_kit.telemetry import Health

log = structlog.get_logger()

TIMEOUT = aiohttp.ClientTimeout(total=10)
TRIES = 5  # until the result of a run counts as not to be read; a redeployed executor is back within seconds
FINAL = frozenset({400, 403, 404})  # answers that will not be others soon
PAUSE = 1.0  # seconds between them


class HttpRuns(Part):
    """Asks the executor.

    Args:
        auth_url: Where a secret becomes a token.
        executor_url: Where runs are.
        secret: Of the case service; without one nothing can be asked.
        clock: For the time between two tries.
    """

    def __init__(self, auth_url: str, executor_url: str, secret: Secret | None, clock: Clock) -> None:
        super().__init__("runs")
        self._auth, self._executor, self._secret, self._clock = auth_url, executor_url, secret, clock
        self._session: aiohttp.ClientSession | None = None
        self._token: str | None = None

    async def start(self) -> None:
        """Open the connections."""
        self._session = aiohttp.ClientSession(timeout=TIMEOUT)

    async def stop(self) -> None:
        """Close them."""
        if self._session is not None:
            await self._session.close()

    def health(self) -> Health:
        """Ready in any case; says what does not work without a secret."""
        if self._secret is None:
            return Health(ready=True, detail="results of playbooks are not written back: case.service_secret is not set")
        return Health(ready=True, detail="ready")

    async def output(self, run: str) -> Json:
        """The output of a run that has completed; ``None`` when it has none.

        Raises:
            Unreadable: It cannot be read, and why. That must not keep the end of the run from being noted.
        """
        if self._session is None or self._secret is None:
            raise Unreadable("its result was not read: case.service_secret is not set")
        problem = ""
        for _ in range(TRIES):
            try:
                return await self._read(self._session, self._secret, run)
            except (TimeoutError, aiohttp.ClientError, ValueError) as error:
                self._token, problem = None, _told(error)
                log.warning("runs.not_read", run=run, error=problem)
                if isinstance(error, aiohttp.ClientResponseError) and error.status in FINAL:
                    break
            await self._clock.sleep(PAUSE)
        raise Unreadable(f"its result could not be read: {problem}")

    async def _read(self, session: aiohttp.ClientSession, secret: Secret, run: str) -> Json:
        if self._token is None:
            self._token = await self._login(session, secret)
        headers = {"Authorization": f"Bearer {self._token}"}
        async with session.get(f"{self._executor}/api/v1/runs/{run}", headers=headers) as answer:
            answer.raise_for_status()
            body = await answer.json()
            output: Json = body.get("output") if isinstance(body, dict) else None
            return output

    async def _login(self, session: aiohttp.ClientSession, secret: Secret) -> str:
        body = {"service": "case", "secret": secret.reveal()}
        async with session.post(f"{self._auth}/api/v1/auth/service-token", json=body) as answer:
            answer.raise_for_status()
            return str((await answer.json())["access_token"])


def _told(error: Exception) -> str:
    return f"{error.status} {error.message}" if isinstance(error, aiohttp.ClientResponseError) else type(error).__name__
