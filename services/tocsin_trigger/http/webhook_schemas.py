"""What the API takes and shows about webhooks, with the ways of well-known senders as presets."""

import ipaddress
from datetime import datetime, timedelta
from typing import Annotated, Literal

import orjson
from pydantic import AfterValidator, BaseModel, Field, JsonValue

from tocsin.errors import Violation
from tocsin_kit.config import Secret
from tocsin_kit.config.durations import Duration
from tocsin_kit.web import Input
from tocsin_kit.web.jws import fit_keys
from tocsin_trigger.domain.errors import TriggerInvalid
from tocsin_trigger.domain.signing import scheme_problems
from tocsin_trigger.domain.triggers import (
    BODY_LIMIT,
    Algorithm,
    BearerScheme,
    Encoding,
    Handshake,
    HmacScheme,
    JwtScheme,
    Scheme,
    StandardScheme,
    StripeScheme,
    Trigger,
    WebhookSource,
)

EventType = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$")]
Text = Annotated[str, Field(min_length=1, max_length=512)]
Header = Annotated[str, Field(min_length=1, max_length=128)]


def _cidr(text: str) -> str:
    return str(ipaddress.ip_network(text))


Network = Annotated[str, Field(max_length=64), AfterValidator(_cidr)]


class JwtBody(Input):
    """Whose tokens are taken, and which."""

    issuer: Text
    audience: Text
    keys_url: Annotated[str, Field(max_length=2048, pattern=r"^https?://[^\s]+$")] | None = Field(
        None, description="Where its keys are (JWKS). Asked through the guard; a token is never asked."
    )
    keys: dict[str, JsonValue] | None = Field(None, description="Instead: the key set itself, `{keys: [...]}`.")
    algorithms: tuple[Literal["RS256", "PS256", "ES256", "EdDSA"], ...] = Field(("RS256",), min_length=1, max_length=4)
    claims: dict[Text, Text] = Field(
        default_factory=dict, max_length=16, description="Further claims that it must have, such as `repository: acme/shop`."
    )
    tolerance: int = Field(60, ge=0, le=600, description="Seconds that its times may be off.")

    def to_scheme(self) -> JwtScheme:
        """The domain's value."""
        if (self.keys_url is None) == (self.keys is None):
            raise TriggerInvalid("Give either keys_url or keys.", violations=[Violation("/webhook/jwt", "keys_url or keys")])
        given = (self.keys or {}).get("keys")
        if any(isinstance(key, dict) and key.keys() & {"d", "k", "p"} for key in (given if isinstance(given, list) else ())):
            raise TriggerInvalid(
                "/webhook/jwt/keys: this is a private key.", violations=[Violation("/webhook/jwt/keys", "public keys only")]
            )
        if self.keys is not None and not fit_keys(self.keys, self.algorithms):
            problem = "no key of the set can verify any of the algorithms"
            raise TriggerInvalid(f"/webhook/jwt/keys: {problem}", violations=[Violation("/webhook/jwt/keys", problem)])
        keys = None if self.keys is None else orjson.dumps(self.keys).decode()
        algorithms, claims = tuple(dict.fromkeys(self.algorithms)), tuple(sorted(self.claims.items()))
        tolerance = timedelta(seconds=self.tolerance)
        return JwtScheme(self.issuer, self.audience, algorithms, self.keys_url, keys, claims, tolerance)


class WebhookBody(Input):
    """How a webhook's requests are signed, and what becomes of them."""

    scheme: Literal["standard", "hmac", "github", "stripe", "slack", "bearer", "jwt"] = Field(
        "standard",
        description="`standard`: Standard Webhooks 1.0. `github` and `slack` are `hmac` with what these senders do filled in; "
        "`slack` also answers its url_verification, `stripe` reads `Stripe-Signature`. "
        "`bearer`: a token or API key of this platform with `trigger:fire` instead of a signature. "
        "`jwt`: a token of another issuer.",
    )
    jwt: JwtBody | None = Field(None, description="Of `jwt`: whose tokens.")
    header: Header | None = Field(None, description="Of `hmac`: where the signature is.")
    prefix: str = Field("", max_length=64, description="Of `hmac`: what stands before it, such as `sha256=`.")
    encoding: Encoding = Encoding.HEX
    algorithm: Algorithm = Algorithm.SHA256
    signed: str = Field("{body}", max_length=256, description="Of `hmac`: what is signed, with {body}, {timestamp}, {id}.")
    timestamp_header: Header | None = None
    id_header: Header | None = Field(None, description="Of `hmac`: the message's id; without one replays cannot be recognised.")
    id_path: str | None = Field(
        None, max_length=512, description="jq path in the body to the message's id, where no header has it, e.g. `.event_id`."
    )
    handshake: Handshake | None = Field(
        None, description="`slack`: answer a signed url_verification; `cloudevents`: answer OPTIONS."
    )
    networks: list[Network] = Field(default_factory=list, max_length=64, description="CIDR blocks that may send; all without.")
    methods: tuple[Literal["POST", "PUT", "PATCH", "GET", "DELETE"], ...] = Field(("POST",), min_length=1, max_length=5)
    message_header: Header | None = Field(
        None, description="Header with the message's id, for senders whose scheme signs none, e.g. `Idempotency-Key`."
    )
    digest_id: bool = Field(False, description="The same bytes are the same message, where nothing else names it.")
    answer_within: Annotated[Duration, Field(gt=timedelta(0), le=timedelta(seconds=60))] | None = Field(
        None, description="Senders may ask with `?wait=` for the run's output and wait at most so long; null: they may not."
    )
    tolerance: int = Field(300, ge=1, le=86400, description="Seconds that the timestamp may be off.")
    event_type: EventType = Field("io.tocsin.webhook.received.v1", description="CloudEvents type of the events.")
    max_body: int = Field(BODY_LIMIT, ge=1, le=BODY_LIMIT, description="Bytes.")
    secret: Secret | None = Field(None, description="A key to accept; a new webhook without one gets one, shown once.")

    def to_source(self) -> WebhookSource:
        """The domain's value, without keys.

        Raises:
            TriggerInvalid: With everything that is wrong.
        """
        ids = {"stripe": ".id", "slack": ".event_id"}
        return WebhookSource(
            self._scheme(),
            (),
            self.event_type,
            self.max_body,
            self.id_path or ids.get(self.scheme),
            Handshake.SLACK if self.scheme == "slack" else self.handshake,
            tuple(self.networks),
            tuple(dict.fromkeys(self.methods)),
            self.message_header,
            self.digest_id,
            self.answer_within,
        )

    def _scheme(self) -> Scheme:
        tolerance = timedelta(seconds=self.tolerance)
        match self.scheme:
            case "standard":
                return StandardScheme(tolerance)
            case "stripe":
                return StripeScheme(self.header or "Stripe-Signature", tolerance)
            case "github":
                return HmacScheme("X-Hub-Signature-256", "sha256=", id_header="X-GitHub-Delivery", tolerance=tolerance)
            case "slack":
                stamp = "X-Slack-Request-Timestamp"
                signed = "v0:{timestamp}:{body}"
                return HmacScheme("X-Slack-Signature", "v0=", signed=signed, timestamp_header=stamp, tolerance=tolerance)
            case "bearer":
                return BearerScheme()
            case "jwt":
                if self.jwt is None:
                    raise TriggerInvalid("The scheme jwt says whose.", violations=[Violation("/webhook/jwt", "missing")])
                return self.jwt.to_scheme()
            case "hmac":
                return self._hmac(tolerance)

    def _hmac(self, tolerance: timedelta) -> HmacScheme:
        if self.header is None:
            raise TriggerInvalid("The scheme hmac needs a header.", violations=[Violation("/webhook/header", "missing")])
        scheme = HmacScheme(
            header=self.header,
            prefix=self.prefix,
            encoding=self.encoding,
            algorithm=self.algorithm,
            signed=self.signed,
            timestamp_header=self.timestamp_header,
            id_header=self.id_header,
            tolerance=tolerance,
        )
        problems = scheme_problems(scheme)
        if problems:
            raise TriggerInvalid(f"/webhook: {problems[0]}", violations=[Violation("/webhook", text) for text in problems])
        return scheme


_NAMES = {StandardScheme: "standard", HmacScheme: "hmac", StripeScheme: "stripe", BearerScheme: "bearer", JwtScheme: "jwt"}


class KeyView(BaseModel):
    """A key, without its text."""

    id: str
    created_at: datetime
    expires_at: datetime | None = None


class WebhookView(BaseModel):
    """A webhook's settings; of a preset, what it stands for."""

    scheme: str
    path: str = Field(description="Where partners send to, on the public address.")
    event_type: str
    max_body: int
    tolerance: int
    header: str | None = None
    prefix: str | None = None
    encoding: str | None = None
    algorithm: str | None = None
    signed: str | None = None
    timestamp_header: str | None = None
    id_header: str | None = None
    id_path: str | None = None
    handshake: str | None = None
    networks: list[str]
    methods: list[str]
    message_header: str | None = None
    digest_id: bool
    answer_within: float | None = Field(None, description="Seconds.")
    private: bool = Field(description="Its address has an end that nobody can guess; `path` is without it.")
    keys: list[KeyView]
    jwt: dict[str, JsonValue] | None = Field(None, description="Of `jwt`: whose tokens.")


def webhook_view(trigger: Trigger, source: WebhookSource) -> WebhookView:
    """From the domain's value."""
    scheme = source.scheme
    hmac = scheme if isinstance(scheme, HmacScheme) else None
    return WebhookView(
        scheme=_NAMES[type(scheme)],
        path=f"/hooks/{trigger.namespace}/{trigger.name}",
        event_type=source.event_type,
        max_body=source.max_body,
        tolerance=0 if isinstance(scheme, BearerScheme) else int(scheme.tolerance.total_seconds()),
        header=scheme.header if isinstance(scheme, HmacScheme | StripeScheme) else None,
        prefix=hmac.prefix if hmac else None,
        encoding=hmac.encoding.value if hmac else None,
        algorithm=hmac.algorithm.value if hmac else None,
        signed=hmac.signed if hmac else None,
        timestamp_header=hmac.timestamp_header if hmac else None,
        id_header=hmac.id_header if hmac else None,
        id_path=source.id_path,
        handshake=source.handshake.value if source.handshake else None,
        networks=list(source.networks),
        methods=list(source.methods),
        message_header=source.id_header,
        digest_id=source.id_digest,
        answer_within=None if source.answer_within is None else source.answer_within.total_seconds(),
        private=bool(source.paths),
        jwt=_jwt_view(scheme) if isinstance(scheme, JwtScheme) else None,
        keys=[KeyView(id=key.id, created_at=key.created, expires_at=key.expires) for key in source.keys],
    )


def _jwt_view(scheme: JwtScheme) -> dict[str, JsonValue]:
    view: dict[str, JsonValue] = {"issuer": scheme.issuer, "audience": scheme.audience, "algorithms": [*scheme.algorithms]}
    keys = {"keys_url": scheme.keys_url} if scheme.keys is None else {"keys": orjson.loads(scheme.keys)}
    return {**view, **keys, "claims": {**dict(scheme.claims)}, "tolerance": int(scheme.tolerance.total_seconds())}


class MoveBody(Input):
    """A new address."""

    grace: Annotated[Duration, Field(ge=timedelta(0), le=timedelta(days=30))] = Field(
        timedelta(hours=24), description="How long the private address of before still works."
    )


class MovedView(BaseModel):
    """Where to send to from now on."""

    path: str = Field(description="On the public address; its end is shown this once.")
    private: bool
