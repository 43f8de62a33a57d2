"""Secrets of workflows, asked for at the moment of use and never stored on the way: a core NATS request to the auth service.

Nothing here is in a stream. The subject carries the asking service's name, and the server's permissions let each service
publish under its own only, so the auth service knows who asks; the reply is sealed for that one request
(:mod:`tocsin_kit.bus.sealed`).
A value lives as :class:`~tocsin_kit.config.Secret`, which nothing prints; keep it no longer than the work that needs it.
"""

import base64
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Annotated, Final

import orjson
from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from tocsin.errors import Defect, Forbidden, NotFound, Rejected, TooLarge, Unavailable
from tocsin_kit.bus.connection import Bus
from tocsin_kit.bus.sealed import Recipient, seal_for
from tocsin_kit.chance import Chance, SystemChance
from tocsin_kit.config import Secret

SUBJECT: Final = "secrets.resolve"
"""The asking service's name follows as the last token."""

MOST_NAMES: Final = 64  # of one request
LARGEST_REPLY: Final = 512 * 1024  # bytes; half of what a NATS server takes by default
_USE_LIMIT: Final = 16  # facts about a use

Fact = Annotated[str, Field(max_length=256)]


class SecretNotFound(NotFound):
    """There is no secret of that name in the namespace, nor in those that it inherits from."""

    code = "secret_not_found"


class SecretForbidden(Forbidden):
    """The secret exists, but not for this use."""

    code = "secret_forbidden"


class SecretRequest(BaseModel):
    """What is asked.

    Attributes:
        namespace: In whose scope the names are looked up.
        names: Of the secrets.
        used_by: What they are for (``run``, ``task``, ``workflow``, ...); goes to the audit.
        key: X25519 public key that the answer is sealed for.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    namespace: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length=63)]
    names: Annotated[list[Annotated[str, Field(min_length=1, max_length=128)]], Field(min_length=1, max_length=MOST_NAMES)]
    used_by: Annotated[dict[Annotated[str, Field(max_length=64)], Fact], Field(max_length=_USE_LIMIT)] = Field(
        default_factory=dict
    )
    key: Base64Bytes

    @property
    def context(self) -> str:
        """What the answer is bound to."""
        return "\x00".join(("tocsin secrets", self.namespace, *sorted(self.names)))


class SecretReply(BaseModel):
    """The answer: sealed values, or why there are none.

    Attributes:
        sealed: A JSON object from name to value, sealed.
        code: Of the refusal.
        detail: Of the refusal; names secrets, never values.
        names: Which secrets it is about.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    sealed: Base64Bytes | None = None
    code: str | None = None
    detail: str = ""
    names: list[str] = Field(default_factory=list)


class SecretsClient:
    """Asks the auth service.

    Args:
        bus: Connected as the service that asks; it needs permission for ``secrets.resolve.<service>``.
        chance: Makes the key of each request.
        within: How long to wait for the answer.
    """

    def __init__(self, bus: Bus, *, chance: Chance | None = None, within: timedelta = timedelta(seconds=5)) -> None:
        self._bus, self._chance, self._within = bus, chance or SystemChance(), within
        self._subject = f"{SUBJECT}.{bus.service}"

    async def resolve(self, namespace: str, names: Collection[str], *, used_by: Mapping[str, str]) -> Mapping[str, Secret]:
        """The present values, each looked up in ``namespace`` first, then in the global scope.

        Args:
            namespace: Of the run, trigger or whatever uses them.
            names: Of the secrets, at most 64.
            used_by: What for: ``run``, ``task``, ``workflow``, ... Recorded in the signal `secret.used`.

        Returns:
            The value of each name as JSON text (:func:`secret_value` decodes it): a string or an object.

        Raises:
            SecretNotFound: Some do not exist; nothing is given then. ``fields["names"]`` has them, separated by commas.
            SecretForbidden: One is not for this use (its `workflows` do not name this one).
            Unavailable: The auth service, or the place it gets a value from, does not answer.
            TooLarge: All together are above 512 KiB.
            Rejected: The request itself is not valid.
        """
        wanted = sorted(set(names))
        if not wanted:
            return {}
        recipient = Recipient(self._chance)
        key = base64.b64encode(recipient.public).decode()
        asked = {"namespace": namespace, "names": wanted, "used_by": dict(used_by), "key": key}
        answer = await self._bus.request(self._subject, orjson.dumps(asked), within=self._within)
        reply = _read(answer.payload)
        if reply.sealed is None:
            raise _refusal(reply)
        context = SecretRequest.model_validate(asked).context
        values = orjson.loads(recipient.open(reply.sealed, context=context))
        return {name: Secret(orjson.dumps(values[name]).decode()) for name in wanted}


def secret_value(secret: Secret) -> JsonValue:
    """The string or object that a resolved secret holds."""
    value: JsonValue = orjson.loads(secret.reveal())
    return value


def secret_text(secret: Secret) -> str:
    """A resolved secret as text, for a header, a password or a variable: a string as it is, an object as JSON."""
    value = secret_value(secret)
    return value if isinstance(value, str) else secret.reveal()


def sealed_reply(request: SecretRequest, values: Mapping[str, JsonValue]) -> bytes:
    """The answer with values, for the one who asked.

    Raises:
        TooLarge: It would not fit into one message.
        Invalid: The key of the request is none.
    """
    plain = orjson.dumps(dict(values))
    if len(plain) > LARGEST_REPLY:
        raise TooLarge(f"the secrets are {len(plain)} bytes together; {LARGEST_REPLY} is the most", limit=LARGEST_REPLY)
    sealed = seal_for(request.key, plain, context=request.context)
    return SecretReply(sealed=base64.b64encode(sealed)).model_dump_json(exclude_none=True).encode()


def refusing_reply(code: str, detail: str, names: Collection[str] = ()) -> bytes:
    """The answer without values."""
    return SecretReply(code=code, detail=detail, names=sorted(names)).model_dump_json(exclude_none=True).encode()


def _read(payload: bytes) -> SecretReply:
    try:
        return SecretReply.model_validate_json(payload)
    except ValidationError as error:
        raise Defect("the auth service did not answer with a reply about secrets") from error


def _refusal(reply: SecretReply) -> Exception:
    names = ",".join(reply.names)
    match reply.code:
        case SecretNotFound.code:
            return SecretNotFound(reply.detail, hint="`tocsin secret set` stores one", names=names)
        case SecretForbidden.code:
            return SecretForbidden(reply.detail, names=names)
        case TooLarge.code:
            return TooLarge(reply.detail, limit=LARGEST_REPLY)
        case Unavailable.code:
            return Unavailable(reply.detail)
        case _:
            return Rejected(reply.detail or "the auth service refused the request", reason=reply.code)
