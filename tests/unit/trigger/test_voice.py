"""The cheap way of saying things about an event, held to the careful one."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import Invalid, TooLarge
from tocsin.signals import Cause, decode, encode
from tocsin.signals.catalogue.trigger import (
    DECISION_MADE,
    EVENT_ACCEPTED,
    EVENT_CHAIN_STOPPED,
    ChainStopped,
    DecisionMade,
    EventAccepted,
)
from tocsin.signals.envelope import InvalidEvent
from tocsin.signals.kinds import Payload, SignalType
from tocsin.signals.make import make_signal, subject_of
from tocsin_trigger.application.voice import ACTOR, Voice

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
WORDS = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=40)
CAUSES = st.builds(
    Cause,
    id=WORDS,
    correlation=WORDS,
    depth=st.integers(0, 24),
    traceparent=st.none() | st.just("00-" + "a" * 32 + "-" + "b" * 16 + "-01"),
)
PAYLOADS: st.SearchStrategy[tuple[SignalType[Payload], Payload]] = st.one_of(
    st.tuples(
        st.just(EVENT_ACCEPTED),
        st.builds(EventAccepted, event=WORDS, type=WORDS, trigger=st.none() | WORDS, size=st.integers(0, 9)),
    ),
    st.tuples(
        st.just(EVENT_CHAIN_STOPPED), st.builds(ChainStopped, event=WORDS, type=WORDS, depth=st.just(24), limit=st.just(24))
    ),
    st.tuples(
        st.just(DECISION_MADE),
        st.builds(
            DecisionMade,
            event=WORDS,
            trigger=WORDS,
            outcome=st.just("started"),
            reason=st.none() | WORDS,
            run=st.none() | WORDS,
        ),
    ),
)


@given(PAYLOADS, CAUSES, st.integers(1, 3), st.integers(0, 10**9))
def test_what_is_said_cheaply_is_what_is_said_carefully(
    said: tuple[SignalType[Payload], Payload], cause: Cause, sequence: int, moment: int
) -> None:
    """Byte for byte, with the same id and subject."""
    kind, payload = said
    time = NOW + timedelta(microseconds=moment)
    event = make_signal(
        kind, namespace="team", entity_id="0abc", sequence=sequence, time=time, payload=payload, cause=cause, actor=ACTOR
    )
    data = payload.model_dump(mode="json", exclude_none=True)
    outgoing = Voice("team", time, cause).signal(kind, "0abc", data, sequence=sequence)
    assert outgoing.payload == encode(event)
    assert (outgoing.id, outgoing.subject, outgoing.sequence) == (event.id, subject_of(event), sequence)


def test_a_command_is_an_event_that_names_its_run_and_its_cause() -> None:
    """Readable by the codec that every service uses."""
    voice = Voice("team", NOW, Cause("e1", "flow", 2))
    outgoing = voice.command("commands.executor.start.r1", "io.tocsin.command.run.start.v1", "r1", "/x", {"run": "r1"})
    event = decode(outgoing.payload)
    assert (event.id, event.subject, event.namespace, event.causation_id, event.depth) == (outgoing.id, "r1", "team", "e1", 2)
    assert encode(event) == outgoing.payload


def test_what_cannot_be_said_is_refused() -> None:
    """Too large, without a form in JSON, or in no namespace."""
    voice = Voice("team", NOW, Cause("e1", "flow"))
    with pytest.raises(TooLarge):
        voice.command("commands.x.y.z", "t", "z", "/x", {"input": "a" * 300_000})
    with pytest.raises(InvalidEvent):
        voice.command("commands.x.y.z", "t", "z", "/x", {"input": 2**70})
    with pytest.raises(Invalid):
        Voice("Not A Namespace", NOW, Cause("e1", "flow"))
