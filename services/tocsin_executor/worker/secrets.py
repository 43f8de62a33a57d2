"""Secrets of the tasks in hand: asked for when an attempt begins, forgotten when it ends, never kept by the worker."""

from collections.abc import Collection, Mapping
from typing import Final, Protocol

import orjson
import structlog

from tocsin.errors import Forbidden, Invalid, NotFound, Rejected, Unavailable
from tocsin_executor.domain.values import ErrorKind, Json
from tocsin_executor.worker.tasks import Failed
from tocsin_kit.bus.secrets import SecretNotFound, secret_value
from tocsin_kit.clock import Clock
from tocsin_kit.config import Secret

log = structlog.get_logger()

_PAUSES: Final = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)  # seconds between questions while the auth service is away


class SecretSource(Protocol):
    """Where secrets come from."""

    async def resolve(self, namespace: str, names: Collection[str], *, used_by: Mapping[str, str]) -> Mapping[str, Secret]:
        """The values as JSON text; raises ``NotFound``, ``Forbidden`` or ``Unavailable``."""
        ...


class LocalSecrets:
    """Secrets that the operator of this worker gave it, before those of the platform; for trying definitions.

    Args:
        given: A JSON object, name to string or object.
        beyond: Asked for what is not in it; nobody if ``None``.

    Raises:
        Invalid: It is not a JSON object of strings and objects.
    """

    def __init__(self, given: Secret, beyond: SecretSource | None) -> None:
        self._beyond = beyond
        try:
            held = orjson.loads(given.reveal())
        except orjson.JSONDecodeError:
            held = None
        if not isinstance(held, dict) or not all(isinstance(value, str | dict) for value in held.values()):
            raise Invalid("The worker's secrets must be a JSON object of strings and objects.") from None
        self._held = {name: Secret(orjson.dumps(value).decode()) for name, value in held.items()}

    async def resolve(self, namespace: str, names: Collection[str], *, used_by: Mapping[str, str]) -> Mapping[str, Secret]:
        """Its own first."""
        found = {name: self._held[name] for name in names if name in self._held}
        missing = [name for name in names if name not in found]
        if missing and self._beyond is None:
            listed = ", ".join(missing)
            raise SecretNotFound(f"there is no secret {listed}", names=",".join(missing))
        if missing and self._beyond is not None:
            found |= await self._beyond.resolve(namespace, missing, used_by=used_by)
        return found


async def ask_for(
    source: SecretSource, namespace: str, names: Collection[str], used_by: Mapping[str, str], clock: Clock
) -> dict[str, Json]:
    """The values of secrets; patient for a while with an auth service that is being restarted.

    Raises:
        Failed: Of the language's type ``authorization`` where there is none or it is not for this workflow, ``communication``
            where nobody answers.
    """
    for pause in (*_PAUSES, None):
        try:
            found = await source.resolve(namespace, names, used_by=used_by)
        except (NotFound, Forbidden) as error:
            raise Failed(ErrorKind.AUTHORIZATION, f"A secret of this task is not to be had: {error.detail}.") from error
        except Unavailable as error:
            if pause is None:
                detail = f"The secrets of this task cannot be asked for now: {error.detail}."
                raise Failed(ErrorKind.COMMUNICATION, detail, status=503) from error
            log.info("worker.secrets_later", pause=pause, error=error.detail)
            await clock.sleep(pause)
        except Rejected as error:
            raise Failed(ErrorKind.CONFIGURATION, f"The secrets of this task are refused: {error.detail}.") from error
        else:
            return {name: secret_value(secret) for name, secret in found.items()}
    raise AssertionError("the last try raises or returns")
