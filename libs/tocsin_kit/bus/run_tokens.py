"""Tokens for the code of tasks: they stand for one run, in its namespace, for as long as the task goes on, and may little.

Asked for like secrets (:mod:`tocsin_kit.bus.secrets`): a core request whose subject says who asks, with a sealed reply.
"""

import base64
import contextlib
from datetime import timedelta
from typing import Annotated, Final

import orjson
from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, ValidationError

from tocsin.errors import Defect, Rejected, TocsinError, Unavailable
from tocsin_kit.bus.connection import Bus
from tocsin_kit.bus.sealed import Recipient, seal_for
from tocsin_kit.bus.secrets import SecretReply
from tocsin_kit.chance import Chance, SystemChance
from tocsin_kit.config import Secret

SUBJECT: Final = "secrets.run-token"
"""The asking service's name follows as the last token."""

PERMISSIONS: Final = ("run:read", "event:publish", "asset:read", "asset:report")
"""What the code of a task may do over the API, in the namespace of its run."""

LONGEST: Final = timedelta(hours=1)

SESSION_PATTERN: Final = r"^rt-[0-9a-z]{26}$"
"""What names one of these tokens, in its claim ``sid``; nothing else is called like it."""


class RunTokenRequest(BaseModel):
    """What is asked.

    Attributes:
        namespace: Of the run.
        run: Its id.
        seconds: The token shall live.
        key: X25519 public key that the answer is sealed for.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    namespace: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length=63)]
    run: Annotated[str, Field(pattern=r"^[0-9a-z]{1,64}$")]
    seconds: Annotated[int, Field(ge=1, le=int(LONGEST.total_seconds()))]
    key: Base64Bytes

    @property
    def context(self) -> str:
        """What the answer is bound to."""
        return f"tocsin run token\x00{self.namespace}\x00{self.run}"


class RunTokenEnd(BaseModel):
    """Said where tokens are asked for, without waiting for an answer.

    Attributes:
        end: The ``sid`` of the token that nobody needs any more.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    end: Annotated[str, Field(pattern=SESSION_PATTERN)]


class RunTokens:
    """Asks the auth service.

    Args:
        bus: Connected as the executor or a worker.
        chance: Makes the key of each request.
        within: How long to wait for the answer.
    """

    def __init__(self, bus: Bus, *, chance: Chance | None = None, within: timedelta = timedelta(seconds=5)) -> None:
        self._bus, self._chance, self._within = bus, chance or SystemChance(), within

    async def issue(self, namespace: str, run: str, *, lifetime: timedelta) -> Secret:
        """A token for the ``Authorization`` header, for the code of a task of this run.

        Args:
            namespace: Of the run.
            run: Its id.
            lifetime: As long as the task may take, at most an hour.

        Raises:
            Unavailable: The auth service does not answer.
            Rejected: It refuses.
        """
        recipient = Recipient(self._chance)
        seconds = max(1, min(int(lifetime.total_seconds()), int(LONGEST.total_seconds())))
        key = base64.b64encode(recipient.public).decode()
        asked = {"namespace": namespace, "run": run, "seconds": seconds, "key": key}
        subject = f"{SUBJECT}.{self._bus.service}"
        answer = await self._bus.request(subject, orjson.dumps(asked), within=self._within)
        try:
            reply = SecretReply.model_validate_json(answer.payload)
        except ValidationError as error:
            raise Defect("the auth service did not answer with a token") from error
        if reply.sealed is None:
            raise Unavailable(reply.detail) if reply.code == Unavailable.code else Rejected(reply.detail)
        return Secret(recipient.open(reply.sealed, context=RunTokenRequest.model_validate(asked).context).decode())

    async def end(self, token: Secret) -> None:
        """The task is over: its token is refused within seconds. What cannot be said now is left to the token's own end."""
        body = token.reveal().split(".")[1]
        session = orjson.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))).get("sid")
        if session is None:  # of an auth service of an earlier version
            return
        with contextlib.suppress(TocsinError):
            await self._bus.announce(f"{SUBJECT}.{self._bus.service}", orjson.dumps({"end": session}))


def sealed_token(request: RunTokenRequest, token: str) -> bytes:
    """The answer.

    Raises:
        Invalid: The key of the request is none.
    """
    sealed = seal_for(request.key, token.encode(), context=request.context)
    return SecretReply(sealed=base64.b64encode(sealed)).model_dump_json(exclude_none=True).encode()
