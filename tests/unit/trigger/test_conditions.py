"""Schema, CESQL and jq before a trigger starts anything, and the words for it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tocsin.signals import CloudEvent
from tocsin_trigger.adapters.documents import trigger_document, trigger_of
from tocsin_trigger.domain.deciding import as_json, decide, prepare
from tocsin_trigger.domain.errors import TriggerInvalid
from tocsin_trigger.domain.events import Channel, Outcome, Received
from tocsin_trigger.domain.explaining import explain
from tocsin_trigger.domain.sources import EventSource
from tocsin_trigger.domain.triggers import Pause, StandardScheme, Target, Trigger, WebhookSource

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
EVENT = CloudEvent(
    id="1", source="/shop", type="com.example.order", subject="a-7", data={"total": 5}, extensions={"tier": "gold"}
)
SCHEMA = {"type": "object", "required": ["total"], "properties": {"total": {"type": "integer", "maximum": 9}}}


def trigger(name: str = "a", **more: Any) -> Trigger:
    values: dict[str, Any] = {"source": EventSource("com.example.*"), "created": NOW, **more}
    return Trigger(id=f"id-{name}", namespace="default", name=name, target=Target("w"), updated=NOW, **values)


def received(**more: Any) -> Received:
    values: dict[str, Any] = {"id": "1", "source": "/shop", "type": "com.example.order", "size": 5, **more}
    return Received(key="k", namespace="default", channel=values.pop("channel", Channel.BUS), received=NOW, **values)


@pytest.mark.parametrize(
    ("changes", "outcome", "word"),
    [
        ({"cesql": "tier = 'gold' AND subject LIKE 'a-%'"}, Outcome.STARTED, None),
        ({"cesql": "tier = 'silver'"}, Outcome.FILTERED, "CESQL filter said no: tier = 'silver'"),
        ({"cesql": "missing = 'x'"}, Outcome.FILTERED, "the event has no attribute missing"),
        ({"cesql": "EXISTS data"}, Outcome.FILTERED, "EXISTS data"),
        ({"cesql": "tier = 'gold'", "filter": ".data.total > 5"}, Outcome.FILTERED, ".data.total > 5"),
        ({"schema": SCHEMA}, Outcome.STARTED, None),
        ({"schema": {**SCHEMA, "required": ["order"]}}, Outcome.SCHEMA_INVALID, "order"),
        ({"schema": {"properties": {"total": {"type": "string"}}}, "filter": "false"}, Outcome.SCHEMA_INVALID, "at /total"),
    ],
)
def test_every_condition_must_hold_and_the_first_that_fails_is_named(
    changes: dict[str, Any], outcome: Outcome, word: str | None
) -> None:
    """The schema first, then CESQL over the attributes, then jq over all of it."""
    decision, start = decide(prepare(trigger(**changes)), as_json(EVENT), "key")
    assert decision.outcome is outcome
    assert (start is not None) == (outcome is Outcome.STARTED)
    assert word is None or word in (decision.reason or "")


def test_conditions_that_cannot_be_compiled_are_refused_with_their_place() -> None:
    """All at once; a schema may not fetch anything."""
    with pytest.raises(TriggerInvalid) as caught:
        prepare(trigger(cesql="tier =", filter=".[", schema={"$ref": "https://example.com/schema.json"}))
    assert {v.pointer for v in caught.value.violations} == {"/filter/cesql", "/filter", "/schema"}
    with pytest.raises(TriggerInvalid):
        prepare(trigger(schema={"type": "nonsense"}))


def test_conditions_survive_their_document_and_older_documents_have_none() -> None:
    """A trigger that an older version stored is read as one without."""
    made = trigger(cesql="TRUE", schema={"$defs": {"a.b": {"type": "string"}}})
    document = trigger_document(made)
    assert trigger_of(document) == made
    old = {name: value for name, value in document.items() if name not in {"cesql", "schema"}}
    assert trigger_of(old) == replace(made, cesql=None, schema=None)


def test_every_outcome_has_words() -> None:
    """For a person who wonders."""
    for outcome in Outcome:
        decision, _ = decide(prepare(trigger()), as_json(EVENT), "key")
        (verdict,) = explain(received(decisions=(replace(decision, outcome=outcome, reason="Because."),)), [])
        assert verdict.outcome == outcome.value
        assert verdict.words.endswith(".")


def test_triggers_that_decided_nothing_are_told_with_the_condition_that_failed() -> None:
    """Type, source, or that they were not there yet; webhooks have nothing to do with events of the bus."""
    decision, _ = decide(prepare(trigger("met", pause=Pause("user:a", NOW, "stocktaking"))), as_json(EVENT), "key")
    others = [
        trigger("met"),
        trigger("type", source=EventSource("com.other.*")),
        trigger("source", source=EventSource("*", "/else")),
        trigger("late", created=NOW + timedelta(seconds=1)),
        trigger("changed"),
        trigger("hook", source=WebhookSource(StandardScheme(), ())),
    ]
    verdicts = explain(received(decisions=(decision,)), others)
    assert [(v.trigger, v.outcome) for v in verdicts] == [
        ("met", "paused"),
        ("type", "not_met"),
        ("source", "not_met"),
        ("late", "not_met"),
        ("changed", "not_met"),
    ]
    words = [v.words for v in verdicts]
    assert "stocktaking" in words[0]
    assert words[1] == "It listens to com.other.*; the event's type is com.example.order."
    assert "/else" in words[2]
    assert "was made after" in words[3]
    assert "changed since" in words[4]


def test_a_refused_webhook_is_told_at_its_own_trigger_only() -> None:
    """With the reason of the refusal."""
    refused = received(channel=Channel.WEBHOOK, trigger="hook", refused="signature_invalid", reason="No key.", type=None)
    hook = WebhookSource(StandardScheme(), ())
    (verdict,) = explain(refused, [trigger("hook", source=hook), trigger("other", source=hook), trigger("event")])
    assert (verdict.trigger, verdict.outcome) == ("hook", "not_met")
    assert "signature_invalid" in verdict.words
