"""Bodies and views of webhooks that go out."""

from datetime import datetime, timedelta
from typing import Annotated

import orjson
from pydantic import AwareDatetime, BaseModel, Field, JsonValue

from tocsin_kit.config import Duration
from tocsin_kit.web import Input, PageQuery
from tocsin_observer.domain.deliveries import Answer, Attempt, Delivery, DeliveryState
from tocsin_observer.domain.webhooks import Format, Verification, Webhook, WebhookSpec, WebhookState

Namespace = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length=63)]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length=63)]

SecretName = Annotated[str, Field(min_length=1, max_length=128)]


class WebhookPath(Input):
    """Path of a webhook."""

    namespace: Namespace
    name: Slug


class DeliveryPath(WebhookPath):
    """Path of one of its deliveries."""

    delivery: str = Field(min_length=26, max_length=26)


class WebhookQuery(PageQuery):
    """Which webhooks."""

    namespace: Namespace = "default"


class WebhookBody(Input):
    """A webhook."""

    url: str = Field(min_length=1, max_length=2048)
    subject: str = Field(
        max_length=512, description="Pattern over subjects: `signals.default.run.faulted.*`, `signals.default.>`."
    )
    filter: str | None = Field(default=None, max_length=4096, description="CESQL condition over the signal.")
    format: Format = Format.STRUCTURED
    template: str | None = Field(default=None, max_length=16_384, description="jq over the signal, for the format `template`.")
    ordered: bool = Field(default=True, description="Whether messages of one key do not overtake one another.")
    key: str = Field(default="subject", pattern=r"^[a-z0-9]{1,20}$", description="Attribute of the signal that has an order.")
    parallel: int = Field(default=4, ge=1, le=50, description="At most so many on their way.")
    rate: float | None = Field(default=None, gt=0, le=10_000, description="At most so many a second.")
    timeout: Duration = Field(default=timedelta(seconds=15), gt=timedelta(0), le=timedelta(seconds=60))
    retry_for: Duration = Field(default=timedelta(hours=24), ge=timedelta(0), le=timedelta(days=7))
    disable_after: Duration = Field(
        default=timedelta(hours=72), gt=timedelta(0), le=timedelta(days=30), description="Of nothing but failures."
    )
    headers: dict[str, Annotated[str, Field(max_length=1024)]] = Field(default_factory=dict, max_length=20)
    signing_secret: SecretName | None = Field(
        default=None, description="Name of a stored secret that signs instead of one of its own; needs `secret:use`."
    )
    header_secrets: dict[str, SecretName] = Field(
        default_factory=dict, max_length=20, description="Headers whose values are stored secrets, by name; needs `secret:use`."
    )
    verification: Verification = Field(
        default=Verification.CHALLENGE, description="`none` needs the permission `webhook:trust`."
    )
    description: str = Field(default="", max_length=500)
    notify: tuple[Slug, ...] = Field(
        default=(), max_length=20, description="Channels of the namespace that are told when it is disabled by itself."
    )

    def spec(self) -> WebhookSpec:
        """As the domain has it."""
        return WebhookSpec(**{name: getattr(self, name) for name in type(self).model_fields})


class SecretView(BaseModel):
    """A secret, without itself."""

    fingerprint: str
    made_at: datetime
    until: datetime | None = Field(description="Signs until then; null for the newest.")


class WebhookView(WebhookBody):
    """A webhook as it is."""

    namespace: str
    name: str
    state: WebhookState
    reason: str | None = Field(description="Why it is not told, or not verified.")
    failing_since: datetime | None = Field(description="Every attempt since then failed.")
    secrets: list[SecretView]
    created_at: datetime
    changed_at: datetime
    secret: str | None = Field(default=None, description="Of a new one or after a rotation; shown this once.")
    waiting: int | None = Field(default=None, description="Messages that wait; counted up to 1000.")

    @classmethod
    def of(cls, webhook: Webhook, *, secret: str | None = None, waiting: int | None = None) -> "WebhookView":
        """The view."""
        return cls(
            **{name: getattr(webhook.spec, name) for name in WebhookBody.model_fields},
            namespace=webhook.namespace,
            name=webhook.name,
            state=webhook.state,
            reason=webhook.reason,
            failing_since=webhook.failing_since,
            secrets=[SecretView(fingerprint=s.fingerprint, made_at=s.made_at, until=s.until) for s in webhook.secrets],
            created_at=webhook.created_at,
            changed_at=webhook.changed_at,
            secret=secret,
            waiting=waiting,
        )


class PublicKeyView(BaseModel):
    """What asymmetric signatures are checked with."""

    key: str = Field(description="Ed25519, as Standard Webhooks writes it: `whpk_` and base64.")


class RotateBody(Input):
    """How a secret is rotated."""

    overlap: Duration = Field(
        default=timedelta(hours=24), ge=timedelta(0), le=timedelta(days=30), description="The old one signs as well."
    )


class WindowBody(Input):
    """What is sent again."""

    since: AwareDatetime
    until: AwareDatetime | None = None


class AgainView(BaseModel):
    """What is sent again."""

    messages: int


class DeliveryQuery(PageQuery):
    """Which deliveries."""

    state: DeliveryState | None = None
    type: str | None = Field(default=None, max_length=256, description="CloudEvents type.")
    message: str | None = Field(default=None, max_length=64, description="The `webhook-id` that the endpoint has seen.")


class AttemptView(BaseModel):
    """One attempt."""

    at: datetime | None = None
    status: int | None
    seconds: float
    error: str | None
    headers: dict[str, str] = Field(description="Of the request.")
    request: str = Field(description="The beginning of what was sent.")
    answer: str = Field(description="The beginning of what came back.")

    @classmethod
    def of(cls, answer: Answer, at: datetime | None = None) -> "AttemptView":
        """The view."""
        return cls(
            at=at,
            status=answer.status,
            seconds=round(answer.seconds, 4),
            error=answer.error,
            headers=dict(answer.headers),
            request=answer.request,
            answer=answer.answer,
        )


class DeliveryView(BaseModel):
    """A delivery."""

    id: str
    message: str = Field(description="The `webhook-id`: the same in every attempt and when it is sent again.")
    state: DeliveryState
    type: str
    subject: str
    created_at: datetime
    due: datetime | None = Field(description="When it is tried next.")
    attempts: int
    reason: str | None
    log: list[AttemptView] = Field(description="The last ten attempts.")
    event: JsonValue = Field(default=None, description="The signal; of one delivery only.")

    @classmethod
    def of(cls, delivery: Delivery, *, whole: bool = False) -> "DeliveryView":
        """The view; ``whole`` has the signal as well."""
        return cls(
            id=delivery.id,
            message=delivery.message,
            state=delivery.state,
            type=delivery.type,
            subject=delivery.subject,
            created_at=delivery.created_at,
            due=delivery.due if delivery.state is DeliveryState.WAITING else None,
            attempts=delivery.attempts,
            reason=delivery.reason,
            log=[_attempt(one) for one in delivery.log],
            event=orjson.loads(delivery.event) if whole else None,
        )


def _attempt(attempt: Attempt) -> AttemptView:
    return AttemptView.of(attempt.answer, attempt.at)
