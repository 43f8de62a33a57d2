"""What the API shows about events and decisions, and what a webhook's sender is told."""

from collections.abc import Sequence
from datetime import datetime

import orjson
from pydantic import BaseModel, Field, JsonValue

from tocsin_kit.store import Entry
from tocsin_trigger.application.webhooks import Answered
from tocsin_trigger.domain.events import Decision, Outcome, Received
from tocsin_trigger.domain.explaining import Verdict
from tocsin_trigger.ports import RunEnd

OUTCOMES = ", ".join(outcome.value for outcome in Outcome)
LISTED = 200  # triggers in one explanation


class DecisionView(BaseModel):
    """What one trigger decided."""

    trigger: str = Field(description="Its name then.")
    trigger_id: str
    kind: str
    workflow: str
    outcome: str = Field(description=OUTCOMES)
    reason: str | None = None
    run: str | None = None
    group: str | None = Field(None, description="What it has in common with others, of a trigger with a memory.")

    @classmethod
    def of(cls, decision: Decision) -> "DecisionView":
        """From the domain's value."""
        return cls(
            trigger=decision.name,
            trigger_id=decision.trigger,
            kind=decision.kind,
            workflow=decision.workflow,
            outcome=decision.outcome.value,
            reason=decision.reason,
            run=decision.run,
            group=decision.group,
        )


class ReceivedView(BaseModel):
    """Something that came in."""

    key: str = Field(description="Names this record.")
    namespace: str
    channel: str = Field(description="webhook, bus, signal, manual or watch")
    status: str = Field(description="accepted or refused")
    code: str | None = Field(None, description="Of a refusal.")
    reason: str | None = Field(None, description="Of a refusal.")
    id: str | None = Field(description="CloudEvents id; of a refusal, what could be read.")
    source: str | None
    type: str | None
    trigger: str | None = Field(None, description="The webhook it came by.")
    size: int
    received_at: datetime
    repeats: int = Field(description="How often it was sent again; repeats start nothing.")
    replay_of: str | None = Field(None, description="Key of the record that this one is a replay of.")
    suppressed: int = Field(description="Refusals before this one that were only counted.")
    decisions: list[DecisionView]
    explanation: str = Field(description="One sentence: why it did or did not start something.")
    event: JsonValue = Field(None, description="The event itself; only when a single one is asked for.")

    @classmethod
    def of(cls, entry: Entry[Received], *, whole: bool = False) -> "ReceivedView":
        """From the domain's value."""
        received = entry.value
        assert received is not None
        return cls(
            key=entry.key,
            namespace=received.namespace,
            channel=received.channel.value,
            status="refused" if received.refused else "accepted",
            code=received.refused,
            reason=received.reason,
            id=received.id,
            source=received.source,
            type=received.type,
            trigger=received.trigger,
            size=received.size,
            received_at=received.received,
            repeats=received.repeats,
            replay_of=received.replay_of,
            suppressed=received.suppressed,
            decisions=[DecisionView.of(decision) for decision in received.decisions],
            explanation=explain(received),
            event=orjson.loads(received.event) if whole and received.event else None,
        )


class VerdictView(BaseModel):
    """What one trigger did with an event, or why it did nothing."""

    trigger: str
    kind: str
    workflow: str
    outcome: str = Field(description="Of its decision; not_met where it does not listen to such an event.")
    words: str = Field(description="In words.")
    run: str | None = None

    @classmethod
    def of(cls, verdict: Verdict) -> "VerdictView":
        """From the domain's value."""
        return cls(
            trigger=verdict.trigger,
            kind=verdict.kind,
            workflow=verdict.workflow,
            outcome=verdict.outcome,
            words=verdict.words,
            run=verdict.run,
        )


class ExplanationView(BaseModel):
    """Why an event did or did not start something."""

    key: str
    namespace: str
    id: str | None
    type: str | None
    source: str | None
    received_at: datetime
    summary: str = Field(description="One sentence.")
    triggers: list[VerdictView] = Field(description="First those that decided, then those that it did not meet.")
    more: int = Field(description="Triggers that it did not meet and that are not listed.")

    @classmethod
    def of(cls, entry: Entry[Received], verdicts: Sequence[Verdict]) -> "ExplanationView":
        """From the domain's values."""
        received = entry.value
        assert received is not None
        shown = verdicts[: max(LISTED, len(received.decisions))]
        return cls(
            key=entry.key,
            namespace=received.namespace,
            id=received.id,
            type=received.type,
            source=received.source,
            received_at=received.received,
            summary=explain(received),
            triggers=[VerdictView.of(verdict) for verdict in shown],
            more=len(verdicts) - len(shown),
        )


class PublishedView(BaseModel):
    """Events that are on disk."""

    namespace: str
    ids: list[str]


class HookView(BaseModel):
    """What a webhook's sender is told of one event."""

    event: str = Field(description="Names the event; support can find it by this.")
    duplicate: bool = Field(description="It was received before; nothing was done now.")
    outcome: str | None = None
    reason: str | None = None
    run: str | None = None
    status: str | None = Field(None, description="Of the run, if it was waited for and has ended.")
    output: JsonValue = Field(None, description="Of the run, if it was waited for and has completed.")

    @classmethod
    def of(cls, answer: Answered, end: RunEnd | None = None) -> "HookView":
        """From the use case's answer. A reason that quotes the filter is for the owner, not for the sender."""
        decision = answer.decision
        return cls(
            event=answer.key,
            duplicate=answer.duplicate,
            outcome=decision.outcome.value if decision else None,
            run=decision.run if decision else None,
            status=end.status if end else None,
            output=end.output if end else None,
        )


class HookBatchView(BaseModel):
    """What a webhook's sender is told of a request with several events."""

    events: list[HookView]


def explain(received: Received) -> str:
    """One sentence for a person."""
    if received.refused:
        return f"Refused ({received.refused}): {received.reason}"
    if not received.decisions:
        return f"No trigger of namespace {received.namespace} listens to {received.type}."
    told = []
    for decision in received.decisions:
        if decision.run is not None:
            told.append(f"{decision.name} started run {decision.run} of {decision.workflow}")
        else:
            told.append(
                f"{decision.name} started nothing ({decision.outcome.value}{': ' + decision.reason if decision.reason else ''})"
            )
    return "; ".join(told) + "."
