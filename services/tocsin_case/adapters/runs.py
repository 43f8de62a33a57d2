"""What became of runs, asked of the executor over HTTP in the name of the case service."""

import aiohttp
import structlog

from tocsin.signals import Json
from tocsin_kit.chassis import Part
from tocsin_kit.config import Secret

log = structlog.get_logger()

TIMEOUT = aiohttp.ClientTimeout(total=10)


class HttpRuns(Part):
    """Asks the executor.

    Args:
        auth_url: Where a secret becomes a token.
        executor_url: Where runs are.
        secret: Of the case service; without one nothing can be asked.
    """

    def __init__(self, auth_url: str, executor_url: str, secret: Secret | None) -> None:
        super().__init__("runs")
        self._auth, self._executor, self._secret = auth_url, executor_url, secret
        self._session: aiohttp.ClientSession | None = None
        self._token: str | None = None

    async def start(self) -> None:
        """Open the connections."""
        self._session = aiohttp.ClientSession(timeout=TIMEOUT)

    async def stop(self) -> None:
        """Close them."""
        if self._session is not None:
            await self._session.close()

    async def output(self, run: str) -> Json:
        """The output of a run that has completed; ``None`` when it has none or cannot be read.

        A result that cannot be read must not keep the end of the run from being noted.
        """
        if self._session is None or self._secret is None:
            return None
        try:
            for _ in range(2):
                if self._token is None:
                    self._token = await self._login(self._session, self._secret)
                headers = {"Authorization": f"Bearer {self._token}"}
                async with self._session.get(f"{self._executor}/api/v1/runs/{run}", headers=headers) as answer:
                    if answer.status == 401:
                        self._token = None
                        continue
                    answer.raise_for_status()
                    body = await answer.json()
                    output: Json = body.get("output") if isinstance(body, dict) else None
                    return output
        except (TimeoutError, aiohttp.ClientError, ValueError) as error:
            log.warning("runs.not_read", run=run, error=type(error).__name__)
        return None

    async def _login(self, session: aiohttp.ClientSession, secret: Secret) -> str:
        body = {"service": "case", "secret": secret.reveal()}
        async with session.post(f"{self._auth}/api/v1/auth/service-token", json=body) as answer:
            answer.raise_for_status()
            return str((await answer.json())["access_token"])
