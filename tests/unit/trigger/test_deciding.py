"""Matching and deciding, without a server."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import Defect
from tocsin.signals import CloudEvent
from tocsin_kit.chance import SeededChance
from tocsin_kit.config import Secret
from tocsin_trigger.adapters.documents import trigger_document, trigger_of
from tocsin_trigger.adapters.records import (
    gathering_document,
    gathering_of,
    received_document,
    received_of,
    slot_document,
    slot_of,
)
from tocsin_trigger.adapters.sealing import AesCipher
from tocsin_trigger.domain.deciding import as_json, decide, prepare
from tocsin_trigger.domain.errors import TriggerInvalid
from tocsin_trigger.domain.events import Channel, Gathering, Outcome, Received, bus_key, run_id, webhook_key
from tocsin_trigger.domain.gathering import Group, Held
from tocsin_trigger.domain.grouping import Slot
from tocsin_trigger.domain.matching import TriggerIndex
from tocsin_trigger.domain.rules import Absence, Batch, Correlate, Debounce, Gather, Threshold, Throttle
from tocsin_trigger.domain.sources import Clause, CorrelationSource, EventSource, ManualSource, Role, SignalSource
from tocsin_trigger.domain.triggers import (
    Handshake,
    HmacScheme,
    Pause,
    SigningKey,
    StandardScheme,
    StripeScheme,
    Target,
    Trigger,
    WebhookSource,
)

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
EVENT = CloudEvent(id="1", source="/shop", type="com.example.order.placed", data={"total": 5}, time=NOW)


def trigger(name: str = "a", kind: str = "com.example.*", **more: Any) -> Trigger:
    values: dict[str, Any] = {"namespace": "default", "source": EventSource(kind), **more}
    return Trigger(id=f"id-{name}", name=name, target=Target("w"), created=NOW, updated=NOW, **values)


SEGMENT = st.sampled_from(["a", "b", "ab"])
TYPES = st.lists(SEGMENT, min_size=1, max_size=4).map(".".join)
PATTERNS = st.one_of(TYPES, TYPES.map(lambda t: t + ".*"), st.just("*"))


def plainly_matches(pattern: str, kind: str) -> bool:
    if pattern == "*":
        return True
    return kind.startswith(pattern[:-1]) if pattern.endswith(".*") else kind == pattern


@given(st.lists(st.tuples(PATTERNS, st.booleans()), max_size=12), TYPES)
def test_the_index_finds_what_looking_at_every_trigger_would_find(patterns: list[tuple[str, bool]], kind: str) -> None:
    """Also after triggers were replaced and deleted."""
    index = TriggerIndex()
    kept = {}
    for number, (pattern, deleted) in enumerate(patterns):
        name = f"t{number % 5}"
        index.put(prepare(trigger(name, pattern), revision=number))
        kept[name] = pattern
        if deleted:
            index.drop(f"default/{name}")
            del kept[name]
    found = [met.ready.trigger.name for met in index.matching("default", kind, "/x")]
    assert found == sorted(name for name, pattern in kept.items() if plainly_matches(pattern, kind))
    assert index.matching("other", kind, "/x") == []


def test_an_older_state_of_a_trigger_does_not_replace_a_newer_one() -> None:
    """Changes are told twice, by ourselves and by the database, in any order."""
    index = TriggerIndex()
    index.put(prepare(trigger(kind="new"), revision=2))
    index.put(prepare(trigger(kind="old"), revision=1))
    assert index.matching("default", "old", "") == []
    assert len(index.matching("default", "new", "")) == 1


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({}, Outcome.STARTED),
        ({"filter": ".data.total > 4"}, Outcome.STARTED),
        ({"filter": ".data.total > 5"}, Outcome.FILTERED),
        ({"filter": ".data.missing"}, Outcome.FILTERED),
        ({"filter": ".data.total.x"}, Outcome.FAILED),
        ({"input": {"x": "${ .data.total + {} }"}}, Outcome.FAILED),
        ({"enabled": False}, Outcome.DISABLED),
        ({"pause": Pause("user:a", NOW, "why")}, Outcome.PAUSED),
    ],
)
def test_each_outcome_has_its_reason(changes: dict[str, Any], outcome: Outcome) -> None:
    """Exactly one decision, with a reason unless it started something."""
    decision, start = decide(prepare(trigger(**changes)), as_json(EVENT), "key")
    assert decision.outcome is outcome
    assert (start is not None) == (outcome is Outcome.STARTED) == (decision.run is not None)
    if outcome in {Outcome.FILTERED, Outcome.FAILED, Outcome.PAUSED}:
        assert decision.reason


def test_deciding_again_starts_the_same_run() -> None:
    """The run's id is a function of trigger and event; another trigger or event gives another."""
    first = decide(prepare(trigger()), as_json(EVENT), "key")
    assert decide(prepare(trigger()), as_json(EVENT), "key") == first
    runs = {run_id(t, e) for t in ("t1", "t2") for e in ("e1", "e2")}
    assert len(runs) == 4


def test_a_mapping_makes_the_input_and_without_one_it_is_the_data() -> None:
    """Templates see the event's attributes, its data and the trigger."""
    template = {"n": "${ .data.total }", "type": "${ .type }", "by": "${ $trigger.name }", "const": [1]}
    _, mapped = decide(prepare(trigger(input=template)), as_json(EVENT), "key")
    _, plain = decide(prepare(trigger()), as_json(EVENT), "key")
    assert mapped is not None
    assert plain is not None
    assert mapped.input == {"n": 5, "type": "com.example.order.placed", "by": "a", "const": [1]}
    assert plain.input == {"total": 5}


def test_what_may_take_for_ever_is_refused_when_it_is_written() -> None:
    """A trigger's expressions are evaluated in the service; those without a bound are not."""
    with pytest.raises(TriggerInvalid) as caught:
        prepare(trigger(filter="[range(1e9)] | length > 0", input={"a": "${ .[ }"}))
    assert {v.pointer for v in caught.value.violations} == {"/filter", "/input/a"}


def test_a_mapping_that_many_events_would_break_is_refused_when_it_is_written() -> None:
    """Paths and map take any number; what is slower is refused, but not of one event."""
    batch = Gather(Batch(10, timedelta(seconds=1)))
    prepare(
        trigger(gather=batch, input={"ids": "${ .events | map(.data.id) }", "first": "${ .events[0] }", "key": "${ .key }"})
    )
    slow = "${ .events | map(.data.n) | add }"
    with pytest.raises(TriggerInvalid) as caught:
        prepare(trigger(gather=batch, input=slow))
    assert [v.pointer for v in caught.value.violations] == ["/input"]
    prepare(trigger(gather=Gather(Throttle(1, timedelta(seconds=1))), input=slow))


def test_ids_from_the_bus_and_from_partners_never_meet() -> None:
    """Nobody who may publish events can occupy the id of a partner's webhook."""
    forged = CloudEvent(id="msg_1", source="/namespaces/default/triggers/a", type="t")
    assert bus_key("default", forged) != webhook_key("id-a", "msg_1")
    assert bus_key("default", forged) != bus_key("other", forged)


@given(
    st.builds(
        trigger,
        filter=st.none() | st.just(".a"),
        input=st.recursive(
            st.none() | st.integers(-(2**53), 2**53) | st.text(),
            lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
        ),
        pause=st.none() | st.just(Pause("user:a", NOW)),
        labels=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
        source=st.sampled_from(
            [
                EventSource("a.*", "/x"),
                WebhookSource(StandardScheme(), (SigningKey("k", NOW, b"x"),)),
                WebhookSource(StripeScheme("X-S"), (), id_path=".id", handshake=Handshake.SLACK, networks=("10.0.0.0/8",)),
                WebhookSource(HmacScheme("X-Sig", id_header="X-Id"), (SigningKey("k", NOW, b"x", NOW),), "t", 5),
                SignalSource("run", "*", "system"),
                ManualSource(),
                CorrelationSource(
                    (
                        Clause("a", Role.PART, EventSource("a", "/x"), ".b", "type = 'a'", ".data.k"),
                        Clause("b", Role.RESET, SignalSource("run", "failed")),
                    )
                ),
            ]
        ),
        gather=st.sampled_from(
            [
                None,
                Gather(Correlate(2, timedelta(seconds=1.5)), ".data.k"),
                Gather(Threshold(3, timedelta(minutes=1))),
                Gather(Absence(timedelta(hours=1))),
                Gather(Debounce(timedelta(seconds=1), timedelta(seconds=9))),
                Gather(Debounce(timedelta(seconds=1))),
                Gather(Throttle(3, timedelta(seconds=1), hold=True)),
                Gather(Batch(10, timedelta(seconds=1))),
            ]
        ),
    )
)
def test_a_trigger_survives_its_document(made: Trigger) -> None:
    """Also with dots and dollars in the keys of its input template."""
    assert trigger_of(trigger_document(made)) == made


def test_a_record_survives_its_document() -> None:
    """Empty fields are left out and come back."""
    decision, _ = decide(prepare(trigger()), as_json(EVENT), "key")
    full = Received("k", "default", Channel.BUS, NOW, "1", "/x", "t", 5, decisions=(decision,), event=b"{}", repeats=2)
    bare = Received("k", "default", Channel.WEBHOOK, NOW, None, None, None, 5, trigger="a", refused="x", reason="y")
    for received in (full, bare):
        assert received_of("k", received_document(received)) == received


def test_what_is_remembered_survives_its_document() -> None:
    """To the microsecond: deadlines must not move because somebody looked."""
    at = NOW.replace(microsecond=123_457)
    state = Group((Held("e", at, 5, "a"), Held("f", at)), (at,), at)
    slot = Slot("t", "default", "a", "w", "key", state, at, at, direct=True)
    gathering = Gathering("g", "default", "t", "a", "w", "key", "fired", "why", at, at, ("e", "f"), "run")
    assert slot_of(slot_document(slot)) == slot
    assert gathering_of("g", gathering_document(gathering)) == gathering


def test_a_sealed_secret_opens_only_where_it_was_sealed() -> None:
    """Under the same key and for the same trigger."""
    cipher = AesCipher(Secret("k" * 40), SeededChance(1))
    sealed = cipher.seal("whsec_x", "trigger-1")
    assert cipher.unseal(sealed, "trigger-1") == "whsec_x"
    assert b"whsec" not in sealed
    with pytest.raises(Defect):
        cipher.unseal(sealed, "trigger-2")
    with pytest.raises(Defect):
        AesCipher(Secret("j" * 40), SeededChance(1)).unseal(sealed, "trigger-1")
    with pytest.raises(Defect):
        AesCipher(Secret("short"), SeededChance(1))


def test_a_changed_copy_is_not_the_same() -> None:
    """`replace` on the values works as the use cases rely on it."""
    assert replace(trigger(), enabled=False).status == "disabled"
    assert trigger(pause=Pause("u", NOW)).status == "paused"
