"""Signals that the engine writes by hand are those of the catalogue."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.signals import decode
from tocsin.signals.catalogue import kind_of
from tocsin.signals.make import read_payload, signal_id, source_of, subject_of
from tocsin_executor.application.signals import SignalWriter
from tocsin_executor.domain.effects import Signal, Transition
from tocsin_executor.domain.state import Head, RunStatus
from tocsin_executor.ports import RunMeta

RUN = "01jzzzzzzzzzzzzzzzzzzzzzzz"
PROBLEM = {"type": "https://example.com/e", "status": 500, "title": "T", "instance": "/do/0/a"}


def head(depth: int = 0) -> Head:
    return Head(
        digest="d",
        namespace="shop",
        name="order",
        version="1.0.0",
        status=RunStatus.RUNNING,
        log=1,
        now=1,
        seed=1,
        context=None,
        input={},
        parent=None,
        depth=depth,
        labels={},
        started=1,
        traceparent=None,
    )


@pytest.mark.parametrize("transition", list(Transition))
def test_each_transition_fits_its_payload_model_and_subject(transition: Transition) -> None:
    """Type, subject, id, source and data are what ``make_signal`` would have made."""
    data = {"error": PROBLEM, "attempt": 2, "status": "waiting", "reason": "because", "keys": {"k": 1}}
    task = not transition.value.startswith("workflow")
    if transition is Transition.WORKFLOW_MIGRATED:
        data |= {"previous": "1.0.0", "version": "1.0.1"}
    if transition.value.startswith("approval"):
        data |= {"approval": f"{RUN}-h-3", "title": "May I?", "assignees": ["ada"], "roles": [], "reminders": 1}
        data |= {"defaulted": True, "deadline": "2026-01-01T00:00:00Z"}
        data |= {"delegator": "ada", "delegate": "bob", "approved": True, "answers": 1}
    signal = Signal(RUN, 7, transition, "h:3" if task else None, "a", "/do/0/a" if task else None, 1_700_000_000_123, data)
    subject, payload = SignalWriter(RUN, head(2), RunMeta(0, 1, "flow")).write(signal, cause="c", actor="user:ada")
    event = decode(payload)
    read_payload(kind_of(event.type), event)
    assert subject == subject_of(event)
    assert (event.source, event.id) == (source_of("shop", "runs", RUN), signal_id(event.source, 7))
    assert (event.sequence, event.correlation_id, event.causation_id, event.depth) == (7, "flow", "c", 2)
    assert event.extensions["authid"] == "user:ada"
    assert event.extensions.get("attempt") == 2


@given(st.integers(min_value=1, max_value=10**9), st.integers(min_value=0, max_value=4_102_444_800_000))
def test_writing_a_signal_again_writes_the_same_bytes(sequence: int, at: int) -> None:
    """A refold repeats its effects, to the byte."""
    signal = Signal(RUN, sequence, Transition.TASK_COMPLETED, "h:1", "a", "/do/0/a", at, None)
    first = SignalWriter(RUN, head(), RunMeta(0, 1, "flow")).write(signal, cause="c")
    second = SignalWriter(RUN, head(), RunMeta(0, 1, "flow")).write(signal, cause="c")
    assert first == second
    assert orjson.loads(first[1])["time"].endswith("Z")
