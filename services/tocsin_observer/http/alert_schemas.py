"""Bodies and views of alerts, their rules, and channels of notifications."""

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, Field

from tocsin_kit.config import Duration, Secret
from tocsin_kit.web import Input, PageQuery
from tocsin_observer.application.alerts import ChannelSpec
from tocsin_observer.domain.alert_rules import Actions, AlertRule, Kind, Mute, Promise, Severity, promised
from tocsin_observer.domain.alerts import Alert, AlertState
from tocsin_observer.domain.channels import Channel, ChannelKind
from tocsin_observer.http.webhook_schemas import Namespace, SecretName, Slug

Pattern = Annotated[str, Field(max_length=512)]


class NamedPath(Input):
    """Path of a rule or a channel."""

    namespace: Namespace
    name: Slug


class NamedQuery(PageQuery):
    """Of which namespace."""

    namespace: Namespace = "default"


class MuteBody(Input):
    """A time in which a rule does not fire: once (`since`, `until`) or every week (`days`, `begins`, `ends`)."""

    reason: str = Field(min_length=1, max_length=200)
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    days: tuple[Annotated[int, Field(ge=0, le=6)], ...] = Field(default=(), max_length=7, description="0 is Monday; in UTC.")
    begins: int = Field(default=0, ge=0, lt=1440, description="Minute of the day.")
    ends: int = Field(default=0, ge=0, lt=1440, description="Minute of the day; before `begins` it is on the next one.")


class ActionsBody(Input):
    """What happens when it fires, beside the signal `alert.fired` (which rules of cases listen to)."""

    notify: tuple[Slug, ...] = Field(default=(), max_length=20, description="Channels of the namespace.")
    cancel_run: bool = Field(default=False, description="Needs `run:cancel`, and `run` in `group_by`.")
    open_case: bool = Field(
        default=False, description="Open a case, which ends with the alert; rules of cases shape it. Needs `case:write`."
    )
    start_workflow: Slug | None = Field(default=None, description="Gets the alert as its input; needs `run:start`.")


class RuleBody(Input):
    """An alert rule."""

    promise: Promise | None = Field(
        default=None, description="A promise for a workflow instead of kind and patterns: they follow from it."
    )
    kind: Kind = Kind.COUNT
    subject: Pattern = Field(default="", description="Pattern over subjects: `signals.default.run.faulted.*`.")
    filter: str | None = Field(default=None, max_length=4096, description="CESQL condition over the signal.")
    bad_subject: Pattern | None = Field(default=None, description="Of a rate: which of the signals are bad.")
    until_subject: Pattern | None = Field(default=None, description="Of a deadline: what ends.")
    workflow: str | None = Field(default=None, max_length=128, description="Shell pattern over workflow names.")
    measure: str | None = Field(default=None, max_length=256, description="Shell pattern over the names of measures.")
    above: float | None = None
    below: float | None = None
    window: Duration = Field(default=timedelta(minutes=5), gt=timedelta(0), le=timedelta(days=31))
    threshold: int = Field(default=1, ge=1, le=10_000)
    ratio: float = Field(default=0.0, ge=0, lt=1)
    hold_for: Duration = Field(default=timedelta(0), ge=timedelta(0), le=timedelta(days=1))
    group_by: tuple[Annotated[str, Field(max_length=64)], ...] = Field(default=(), max_length=5)
    severity: Severity = Severity.WARNING
    mutes: tuple[MuteBody, ...] = Field(default=(), max_length=20)
    actions: ActionsBody = Field(default_factory=ActionsBody)
    summary: str = Field(default="", max_length=300, description="For people; `{group}` is what it is about.")
    enabled: bool = True

    def rule(self, namespace: str, name: str) -> AlertRule:
        """As the domain has it."""
        plain = {field: getattr(self, field) for field in type(self).model_fields if field not in _COMPOSED}
        rule = AlertRule(
            namespace=namespace,
            name=name,
            mutes=tuple(Mute(**{field: getattr(one, field) for field in MuteBody.model_fields}) for one in self.mutes),
            actions=Actions(**{field: getattr(self.actions, field) for field in ActionsBody.model_fields}),
            **plain,
        )
        return rule if self.promise is None else promised(self.promise, rule)


_COMPOSED = frozenset({"promise", "mutes", "actions"})


class RuleView(RuleBody):
    """An alert rule as it is."""

    namespace: str
    name: str

    @classmethod
    def of(cls, rule: AlertRule) -> "RuleView":
        """The view."""
        plain = {field: getattr(rule, field) for field in RuleBody.model_fields if field not in _COMPOSED}
        return cls(
            namespace=rule.namespace,
            name=rule.name,
            mutes=tuple(MuteBody(**{f: getattr(one, f) for f in MuteBody.model_fields}) for one in rule.mutes),
            actions=ActionsBody(**{f: getattr(rule.actions, f) for f in ActionsBody.model_fields}),
            **plain,
        )


class AlertPath(Input):
    """Path of an alert."""

    alert: str = Field(min_length=26, max_length=26)


class AlertQuery(PageQuery):
    """Filters over alerts; all of them must hold."""

    namespace: Namespace | None = None
    state: AlertState | None = None
    rule: str | None = Field(default=None, max_length=63)
    severity: Severity | None = None
    workflow: str | None = Field(default=None, max_length=128)
    run: str | None = Field(default=None, max_length=26)


class NoteBody(Input):
    """What somebody says about it."""

    note: str | None = Field(default=None, max_length=1000)


class AlertView(BaseModel):
    """An alert."""

    id: str
    namespace: str
    rule: str
    group: dict[str, str] = Field(description="What it is about.")
    severity: Severity
    summary: str
    state: AlertState
    fired_at: datetime
    run: str | None
    workflow: str | None
    value: float | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    resolved_at: datetime | None
    resolved_by: str | None = Field(description="Null when it resolved by itself.")
    note: str | None

    @classmethod
    def of(cls, alert: Alert) -> "AlertView":
        """The view."""
        return cls(**{field: getattr(alert, field) for field in cls.model_fields if field != "group"}, group=dict(alert.group))


class ChannelBody(Input):
    """A channel of notifications. `url` and `key` are never shown again; left out they stay as they are."""

    kind: ChannelKind
    url: Secret | None = Field(default=None, description="Where to: of a Slack-compatible hook, or any endpoint.")
    key: Secret | None = Field(default=None, description="Routing key of a pager; of a webhook the secret that signs (whsec_).")
    url_secret: SecretName | None = Field(default=None, description="Name of a stored secret instead of `url`.")
    key_secret: SecretName | None = Field(default=None, description="Name of a stored secret instead of `key`.")
    to: tuple[Annotated[str, Field(max_length=254)], ...] = Field(default=(), max_length=50, description="E-mail addresses.")
    template: str | None = Field(
        default=None, max_length=16_384, description="jq over the signal of the alert; of an e-mail it makes {subject, text}."
    )

    def spec(self) -> ChannelSpec:
        """As the use case takes it."""
        return ChannelSpec(**{name: getattr(self, name) for name in type(self).model_fields})


class ChannelView(BaseModel):
    """A channel as it is, without its secrets."""

    namespace: str
    name: str
    kind: ChannelKind
    has_url: bool
    has_key: bool
    url_secret: str | None = Field(description="Name of the stored secret that is used instead.")
    key_secret: str | None
    to: list[str]
    template: str | None
    changed_at: datetime

    @classmethod
    def of(cls, channel: Channel) -> "ChannelView":
        """The view."""
        return cls(
            namespace=channel.namespace,
            name=channel.name,
            kind=channel.kind,
            has_url=channel.url is not None,
            has_key=channel.key is not None,
            url_secret=channel.url_secret,
            key_secret=channel.key_secret,
            to=list(channel.to),
            template=channel.template,
            changed_at=channel.changed_at,
        )
