"""Inputs go through the log and come back as they were; what is no input is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import Invalid
from tocsin_executor.application import wire
from tocsin_executor.domain import inputs
from tocsin_executor.domain.inputs import Parent, StopKind, Verb

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def read(payload: bytes) -> inputs.Input:
    (document,) = wire.read_documents(payload)
    return wire.read_input(document, "r", 9, 1234)


@given(JSON, st.dictionaries(st.text(min_size=1, max_size=5), st.text(max_size=5), max_size=3))
def test_a_start_comes_back(data: object, labels: dict[str, str]) -> None:
    """With its input, labels, parent and who asked."""
    payload = wire.start(
        id="i",
        digest="d",
        input=data,  # type: ignore[arg-type]
        seed=5,
        fresh=False,
        correlation="c",
        cause="x",
        actor="user:ada",
        labels=labels,
        parent=Parent("p", "h:1#1"),
        depth=3,
    )
    found = read(payload)
    assert isinstance(found, inputs.Start)
    assert (found.digest, found.input, found.seed, found.labels, found.depth) == ("d", data, 5, labels, 3)
    assert (found.id, found.cause, found.actor, found.parent) == ("i", "x", "user:ada", Parent("p", "h:1#1"))
    assert (found.run, found.pos, found.ts) == ("r", 9, 1234)


@given(JSON)
def test_results_come_back(output: object) -> None:
    """An output, or an error, never both."""
    good = read(wire.result("h:1#1", output=output, started=1, ended=2, worker="w"))  # type: ignore[arg-type]
    bad = read(wire.result("h:1#1", error={"type": "t", "status": 500}))
    assert isinstance(good, inputs.Result)
    assert isinstance(bad, inputs.Result)
    assert (good.output, good.error, good.started, good.ended, good.worker) == (output, None, 1, 2, "w")
    assert (bad.output, bad.error) == (None, {"type": "t", "status": 500})


def test_the_other_kinds_come_back() -> None:
    """Each input that workers, alarms, children and people send."""
    assert read(wire.stopped("h:1#1", StopKind.KILLED)) == inputs.Stopped("r", 9, 1234, "h:1#1", StopKind.KILLED, id="in:9")
    assert read(wire.claimed("a", "w", 3)) == inputs.Claimed("r", 9, 1234, "a", "w", 3, id="in:9")
    assert read(wire.lost("a", "gone")) == inputs.Lost("r", 9, 1234, "a", "gone", id="in:9")
    assert read(wire.wake("h", 77)) == inputs.Wake("r", 9, 1234, "h", 77, id="in:9")
    assert read(wire.evaluated("t", 5)) == inputs.Evaluated("r", 9, 1234, "t", 5, None, id="in:9")
    assert read(wire.evaluated("t", error="no")) == inputs.Evaluated("r", 9, 1234, "t", None, "no", id="in:9")
    control = read(wire.control("c", Verb.CANCEL, actor="user:ada", reason="why"))
    assert control == inputs.Control("r", 9, 1234, "c", Verb.CANCEL, "why", None, None, id="c", actor="user:ada")


@pytest.mark.parametrize("payload", [b"", b"[]", b"{}", b'{"kind":"nonsense"}', b"\xff", b"null"])
def test_what_is_no_input_is_refused(payload: bytes) -> None:
    """Anyone with the right to publish could send anything."""
    with pytest.raises(Invalid):
        wire.read_documents(payload)


@pytest.mark.parametrize("payload", [b'{"kind":"result"}', b'{"kind":"stopped","attempt":"a","how":"x"}', b'{"kind":"start"}'])
def test_an_input_that_lacks_something_is_refused(payload: bytes) -> None:
    """Named, so that the dead letter says what was wrong."""
    with pytest.raises(Invalid):
        read(payload)


@given(st.text(alphabet="0123456789abcdefghjkmnpqrstvwxyz", min_size=26, max_size=26), st.integers(1, 256))
def test_a_run_has_one_partition(run: str, partitions: int) -> None:
    """The same for whoever computes it."""
    partition = wire.partition_of(run, partitions)
    assert 0 <= partition < partitions
    assert wire.run_of(wire.input_subject(run, partitions)) == (partition, run)


PAYLOADS = st.builds(wire.result, st.sampled_from(["a#1", "b#1", "c#2"]), output=st.text(max_size=5) | st.none())


@given(st.lists(st.tuples(st.sampled_from(["executor.in.1.r", "executor.in.2.s", "executor.in.3.t"]), PAYLOADS), max_size=12))
def test_inputs_of_a_run_travel_together_in_their_order(messages: list[tuple[str, bytes]]) -> None:
    """Whoever reads the messages finds the inputs that were to be sent, each run's in order, and no more messages than runs."""
    sent = wire.together(messages)
    assert len(sent) == len({subject for subject, _ in messages})
    found: dict[str, list[object]] = {}
    for subject, payload in sent:
        found.setdefault(subject, []).extend(wire.read_documents(payload))
    wanted: dict[str, list[object]] = {}
    for subject, payload in messages:
        wanted.setdefault(subject, []).append(*wire.read_documents(payload))
    assert found == wanted


def test_what_travels_together_stays_small() -> None:
    """No message grows beyond the bound, and one that is larger alone goes alone."""
    large, small = b"x" * (wire.TOGETHER + 5), b"y" * (wire.TOGETHER // 3)
    sizes = [len(payload) for _, payload in wire.together([("s", small)] * 5 + [("s", large)])]
    assert sizes[-1] == len(large)
    assert all(size <= wire.TOGETHER + 100 for size in sizes[:-1])
    assert len(sizes) == 4
