"""Whether a trigger listens to a stored event, and why not, in words; for explanations, backtests and replays."""

from typing import assert_never

from tocsin.signals.catalogue import CATALOGUE
from tocsin_trigger.domain.events import Channel, Received
from tocsin_trigger.domain.matching import why_not
from tocsin_trigger.domain.sources import (
    BucketSource,
    CorrelationSource,
    EventSource,
    FileSource,
    FunctionSource,
    ManualSource,
    OnceSource,
    PollSource,
    SignalSource,
    SubjectSource,
)
from tocsin_trigger.domain.triggers import Trigger, WebhookSource


def why_unmet(trigger: Trigger, received: Received) -> str | None:
    """Why a trigger does not listen to an event; ``None`` when it does."""
    source = trigger.source
    match source:
        case EventSource() | SignalSource():
            return _why_not(trigger, source, received)
        case CorrelationSource():
            return None if clauses_of(trigger, received) else "None of its clauses listens to it."
        case WebhookSource():
            mine = received.channel is Channel.WEBHOOK and received.trigger == trigger.name
            return None if mine else f"It takes what is sent to {trigger.name}; this was not."
        case ManualSource():
            mine = received.channel is Channel.MANUAL and received.trigger == trigger.name
            return None if mine else "It is started by name."
        case OnceSource() | FileSource() | PollSource() | FunctionSource() | BucketSource() | SubjectSource():
            mine = received.channel is Channel.WATCH and received.trigger == trigger.name
            return None if mine else "It brings its events itself."
        case _:
            assert_never(source)


def clauses_of(trigger: Trigger, received: Received) -> tuple[str, ...]:
    """The clauses that listen to an event; one without a name for a trigger without clauses."""
    source = trigger.source
    if not isinstance(source, CorrelationSource):
        return ("",)
    return tuple(each.name for each in source.clauses if _why_not(trigger, each.source, received) is None)


def _why_not(trigger: Trigger, source: EventSource | SignalSource, received: Received) -> str | None:
    if isinstance(source, EventSource):
        if received.channel is not Channel.BUS:
            return f"It listens to events of the bus; this came as {received.channel.value}."
        return why_not(source, received.type or "", received.source or "")
    kind = CATALOGUE.get(received.type or "")
    if received.channel is not Channel.SIGNAL or kind is None:
        return "It listens to signals of the platform; this is none."
    if source.entity != kind.entity or source.transition not in {"*", kind.transition}:
        return f"It listens to {source.entity}.{source.transition}; this is {kind.entity}.{kind.transition}."
    wanted = source.namespace or trigger.namespace
    told = (received.source or "").split("/")
    if len(told) > 2 and told[2] != wanted:
        return f"It listens to signals of {wanted}; this is of {told[2]}."
    return None
