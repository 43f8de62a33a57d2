"""Why an event did or did not start something, for every trigger in question, in words.

What was decided is read from the record, never decided again. For a trigger that decided nothing the first condition that fails
is told as the trigger is now, which may be another state than the event found; where that matters it is said.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, assert_never

from tocsin_trigger.domain.events import Channel, Decision, Gathering, Outcome, Received
from tocsin_trigger.domain.listening import why_unmet
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

NOT_MET: Final = "not_met"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be said about one trigger.

    Attributes:
        trigger: Its name.
        kind: Its kind.
        workflow: What it starts.
        outcome: Of its decision, or ``not_met``.
        words: One or two sentences.
        run: The run it started.
    """

    trigger: str
    kind: str
    workflow: str
    outcome: str
    words: str
    run: str | None = None


def explain(received: Received, triggers: Sequence[Trigger], gatherings: Sequence[Gathering] = ()) -> list[Verdict]:
    """Explain.

    Args:
        received: The event with its decisions.
        triggers: Those of its namespace as they are now.
        gatherings: What the event was a part of.

    Returns:
        Those that decided first, as they did; then those of the kind that listens to such events, by name.
    """
    became = {gathering.trigger: gathering for gathering in gatherings}
    decided = [of_decision(decision, became.get(decision.trigger)) for decision in received.decisions]
    known = {decision.trigger for decision in received.decisions}
    return decided + [
        unmet(trigger, words)
        for trigger in triggers
        if trigger.id not in known and (words := _why_no_decision(trigger, received)) is not None
    ]


def unmet(trigger: Trigger, words: str) -> Verdict:
    """Of a trigger that does not listen to an event."""
    return Verdict(trigger.name, trigger.kind.value, trigger.target.workflow, NOT_MET, words)


def of_decision(decision: Decision, gathering: Gathering | None = None) -> Verdict:
    """Of a trigger that decided; with what became of the event, if it was held and is no more."""
    words = _words(decision)
    run = decision.run
    if gathering is not None:
        words += f" {_became(gathering)}"
        run = run or gathering.run
    return Verdict(decision.name, decision.kind, decision.workflow, decision.outcome.value, words, run)


def _became(gathering: Gathering) -> str:
    others = len(gathering.events) - 1
    with_others = "alone" if others == 0 else f"with {others} other{'s' if others > 1 else ''}"
    when = gathering.closed.strftime("%Y-%m-%d %H:%M:%S UTC")
    if gathering.refused is not None:
        return f"At {when}, {with_others}, it asked for run {gathering.run}, which was refused: {gathering.refused}"
    if gathering.run is not None:
        return f"At {when}, {with_others}, it started run {gathering.run}: {gathering.why}."
    return f"At {when}, {with_others}, it was let go ({gathering.outcome}): {gathering.why}."


def _words(decision: Decision) -> str:
    why = f" {decision.reason}" if decision.reason else ""
    if decision.refused is not None:
        return f"It asked for run {decision.run} of {decision.workflow}, which was refused: {decision.refused}"
    match decision.outcome:
        case Outcome.STARTED:
            run = f"run {decision.run}" if decision.run else "a run"
            return f"It {'started' if decision.run else 'would start'} {run} of {decision.workflow}."
        case Outcome.FILTERED:
            return f"It listens to this event, and a filter turned it down.{why}"
        case Outcome.SCHEMA_INVALID:
            return f"It listens to this event, and the data is not as it demands.{why}"
        case Outcome.PAUSED:
            return f"It was paused when the event came.{' Reason:' + why if why else ''}"
        case Outcome.DISABLED:
            return "It was disabled when the event came."
        case Outcome.FAILED:
            return f"Its filter or its input template failed on this event.{why}"
        case Outcome.CHAIN_STOPPED:
            return f"It would have continued a chain of events that probably feeds itself.{why}"
        case Outcome.COLLECTED:
            return f"It fits, and waits.{why}"
        case Outcome.LIMITED:
            return f"It fits, but there were too many.{why}"
        case Outcome.NOTED:
            return f"It was expected, and came.{why}"
        case Outcome.CLEARED:
            return f"It came in time.{why}"
        case Outcome.NOT_AWAITED:
            return f"It fits, but changed nothing.{why}"
        case Outcome.CROWDED:
            return f"It fits, but there was no room to remember it.{why}"
        case _:
            assert_never(decision.outcome)


def _why_no_decision(trigger: Trigger, received: Received) -> str | None:
    """Of a trigger that decided nothing about it; ``None`` for one that nobody would expect to."""
    match trigger.source:
        case WebhookSource():
            if received.channel is not Channel.WEBHOOK or trigger.name != received.trigger:
                return None
            if received.refused:
                return f"The request was refused ({received.refused}), so nothing was decided. {received.reason or ''}".rstrip()
            return "The webhook of this name was deleted and made again since."
        case EventSource():
            return None if received.channel is not Channel.BUS else _why_unmet(trigger, received)
        case SignalSource():
            return None if received.channel is not Channel.SIGNAL else _why_unmet(trigger, received)
        case CorrelationSource():
            return None if received.channel not in {Channel.BUS, Channel.SIGNAL} else _why_unmet(trigger, received)
        case ManualSource() | OnceSource() | FileSource() | PollSource() | FunctionSource() | BucketSource() | SubjectSource():
            return None
        case _:
            assert_never(trigger.source)


def _why_unmet(trigger: Trigger, received: Received) -> str:
    if received.refused or received.type is None:
        return f"The event was refused ({received.refused}), so nothing was decided."
    words = why_unmet(trigger, received)
    if words is not None:
        return words
    if trigger.created > received.received:
        return "It would match, but was made after the event came."
    return "It matches as it is now, and did not when the event came: it was changed since."
