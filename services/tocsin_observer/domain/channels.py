"""Channels of notifications and what is sent through them: e-mail, chat, pagers, any endpoint; made from alerts' signals."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Final, assert_never

from tocsin.errors import Invalid
from tocsin.expressions import Cost, ExpressionFailed, ExpressionInvalid, Json, compile_expression
from tocsin.signals import CloudEvent
from tocsin.signals.catalogue import observer as words
from tocsin.signals.codec import format_time
from tocsin_observer.domain.webhooks import template_value

PAGER_URL: Final = "https://events.pagerduty.com/v2/enqueue"
_COLOURS: Final = {"info": "#3b82f6", "warning": "#f59e0b", "error": "#ef4444", "critical": "#991b1b"}
_PAGER_ACTIONS: Final = {"fired": "trigger", "acknowledged": "acknowledge", "resolved": "resolve"}


class ChannelInvalid(Invalid):
    """A channel cannot work like this."""

    code = "channel_invalid"


class ChannelUnknown(Invalid):
    """Something names a channel that is not there."""

    code = "channel_unknown"


class ChannelKind(Enum):
    """How people are reached."""

    WEBHOOK = "webhook"
    SLACK = "slack"
    PAGERDUTY = "pagerduty"
    EMAIL = "email"


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A channel.

    Attributes:
        namespace: Where it belongs.
        name: Its name there.
        kind: How people are reached.
        url: Where to, sealed: such URLs are secrets; ``None`` for e-mail.
        key: Routing key of a pager, or signing secret of a webhook, sealed.
        url_secret: Name of a secret of the platform's store that is the URL, instead of ``url``.
        key_secret: The same, instead of ``key``.
        to: Addresses, for e-mail.
        template: jq over the signal: the JSON that is sent; of an e-mail ``{subject, text}``.
        changed_at: When it was last changed.
    """

    namespace: str
    name: str
    kind: ChannelKind
    url: bytes | None = None
    key: bytes | None = None
    url_secret: str | None = None
    key_secret: str | None = None
    to: tuple[str, ...] = ()
    template: str | None = None
    changed_at: datetime

    @property
    def id(self) -> str:
        """Its name across namespaces."""
        return f"{self.namespace}/{self.name}"

    @property
    def endpoint(self) -> str:
        """Its name among endpoints."""
        return f"channel/{self.id}"

    @property
    def secret_names(self) -> frozenset[str]:
        """The secrets of the platform's store that it uses."""
        return frozenset(name for name in (self.url_secret, self.key_secret) if name)


def checked_template(template: str | None) -> None:
    """Refuse a template that cannot work.

    Raises:
        ChannelInvalid: It is not jq, or could take any time.
    """
    if template is None:
        return
    try:
        expression = compile_expression(template, frozenset())
    except ExpressionInvalid as error:
        raise ChannelInvalid(f"template is not jq: {error.detail}", hint=error.hint) from error
    if expression.cost is Cost.OPEN:
        raise ChannelInvalid("template could take any time", hint="do without recursion, `range` and the like")


@dataclass(frozen=True, slots=True)
class Mail:
    """An e-mail without its envelope."""

    subject: str
    text: str


def message(kind: ChannelKind, template: str | None, event: CloudEvent, *, key: str, link: str, note: str = "") -> Json:
    """What is sent to a channel that takes JSON.

    Args:
        kind: Of the channel.
        template: Its template.
        event: The signal of the alert.
        key: Routing key of a pager.
        link: Where people see more.
        note: For whoever reads it, beside what the channel says by itself.

    Raises:
        ExpressionFailed: The template does not work on it.
    """
    if template is not None:
        made = template_value(template, event)
        if kind is ChannelKind.WEBHOOK:
            return made
        if not isinstance(made, dict):
            raise ExpressionFailed(f"the template of a {kind.value} channel makes a JSON object, this made another value")
        return {"routing_key": key, **made} if kind is ChannelKind.PAGERDUTY else made
    data = _data(event)
    match kind:
        case ChannelKind.SLACK:
            return _chat(event, data, link, note)
        case ChannelKind.PAGERDUTY:
            return _page(event, data, key=key, link=link)
        case ChannelKind.WEBHOOK | ChannelKind.EMAIL:
            return template_value(".", event)
        case _:
            assert_never(kind)


def mail(template: str | None, event: CloudEvent, *, link: str, note: str = "") -> Mail:
    """What is sent by e-mail, with a ``note`` at its end; line breaks never reach the subject.

    Raises:
        ExpressionFailed: The template does not work on it.
    """
    data, state = _data(event), event.type.split(".")[-2]
    subject, text = f"[{data.get('severity')}] {state}: {data.get('summary')}", _plain(event, data, link)
    if template is not None:
        made = template_value(template, event)
        given = made if isinstance(made, dict) else {"text": made}
        subject, text = str(given.get("subject", subject)), str(given.get("text", text))
    return Mail(" ".join(subject.split())[:200], f"{text}\n{note}\n" if note else text)


def _data(event: CloudEvent) -> Mapping[str, Any]:
    data = event.payload if isinstance(event.payload, dict) else {}
    if event.type != words.WEBHOOK_DISABLED.type:
        return data
    summary = f"Webhook {data.get('name')} is not told any more: {data.get('reason')}."
    at = None if event.time is None else format_time(event.time)
    told = {"rule": data.get("name"), "severity": "error", "summary": summary, "fired_at": at}
    return {**told, "group": {"endpoint": data.get("url")}}


def _plain(event: CloudEvent, data: Mapping[str, Any], link: str) -> str:
    lines = [
        str(data.get("summary")),
        "",
        f"state:     {event.type.split('.')[-2]}" + (f" by {data['by']}" if data.get("by") else ""),
        f"severity:  {data.get('severity')}",
        f"rule:      {event.namespace}/{data.get('rule')}",
        f"fired at:  {data.get('fired_at')}",
    ]
    lines += [f"{name + ':':<10} {value}" for name, value in dict(data.get("group") or {}).items() if value]
    lines += [f"run:       {data['run']}"] if data.get("run") else []
    return "\n".join([*lines, "", link]) + "\n"


def _chat(event: CloudEvent, data: Mapping[str, Any], link: str, note: str) -> Json:
    state = event.type.split(".")[-2]
    good = state == "resolved"
    fields: list[Json] = [
        {"title": str(name), "value": str(value), "short": True} for name, value in dict(data.get("group") or {}).items()
    ]
    return {
        "text": f"{'✅' if good else '🔔'} *{state}*: {data.get('summary')}" + (f" {note}" if note else ""),
        "attachments": [
            {
                "color": "#22c55e" if good else _COLOURS.get(str(data.get("severity")), "#6b7280"),
                "title": f"{event.namespace}/{data.get('rule')}",
                "title_link": link,
                "fallback": str(data.get("summary")),
                "fields": fields,
            }
        ],
    }


def _page(event: CloudEvent, data: Mapping[str, Any], *, key: str, link: str) -> Json:
    state = event.type.split(".")[-2]
    return {
        "routing_key": key,
        "event_action": _PAGER_ACTIONS.get(state, "trigger"),
        "dedup_key": event.subject or event.id,
        "client": "Tocsin",
        "client_url": link,
        "payload": {
            "summary": str(data.get("summary"))[:1024],
            "source": f"tocsin/{event.namespace}",
            "severity": str(data.get("severity")),
            "timestamp": str(data.get("fired_at")),
            "component": str(data.get("rule")),
            "custom_details": {str(k): str(v) for k, v in dict(data.get("group") or {}).items()},
        },
    }
