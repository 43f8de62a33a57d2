"""An input that cannot be folded is put aside; its run stands as it stood before it, and other runs go on."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from tocsin_executor.application import wire
from tocsin_executor.application.host import Host
from tocsin_executor.domain.codec import decode_run
from tocsin_executor.domain.program import Program
from tocsin_executor.domain.state import RunState
from tocsin_executor.domain.step import step
from tocsin_executor.ports import Entry
from unit.engine.world import program_of
from unit.executor.outside import Outside, Programs, Reader

NOOP = {"call": "noop"}
FORK = [{"all": {"fork": {"branches": [{name: NOOP} for name in "abcd"]}}}]
GARBAGE = b'{"kind":"result","output":1}'


def several(*payloads: bytes) -> bytes:
    """One message of these inputs."""
    ((_, payload),) = wire.together([("s", each) for each in payloads])
    return payload


async def until(outside: Outside, done: Callable[[], Any]) -> None:
    """Let time pass until it is done."""
    for _ in range(400):
        if done():
            return
        await outside.clock.advance(0.1)
    raise AssertionError("it does not come to it")


@asynccontextmanager
async def engine(outside: Outside, program: Program, buried: list[Entry]) -> AsyncIterator[Host]:
    """A host at work on two runs, ``bad`` and ``good``, whose eight tasks are out."""

    def bury(entry: Entry, _: Exception) -> wire.Outgoing:
        buried.append(entry)
        return "dead.executor.input", b'{"id":"dead"}'

    reader, programs = Reader(outside), Programs(program)
    decode: Any = lambda entry: ({}, b"")  # noqa: E731  # nobody listens
    host = Host(
        reader,
        outside,
        outside,
        outside,
        programs,
        clock=outside.clock,
        partitions=1,
        bury=bury,
        events={},
        queues=outside,
        decode=decode,
    )
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(host.serve())
        await host.own({0: 1})
        for run in ("bad", "good"):
            start = wire.start(id=run, digest="digest", input=0, seed=1, fresh=True, correlation=run)
            outside.append(wire.input_subject(run, 1), start)
        await until(outside, lambda: len(outside.out) == 8 and host.settled)
        yield host
        serving.cancel()


def results(outside: Outside, run: str) -> list[bytes]:
    """Those of the run's four tasks."""
    return [wire.result(attempt, output=1) for of, attempt in sorted(outside.out) if of == run]


def done(outside: Outside, run: str) -> bool:
    """Whether its end is saved."""
    return run in outside.saved and outside.saved[run].summary.ended is not None


def test_a_message_with_an_input_that_is_none_is_put_aside_whole_and_what_was_folded_of_it_stays() -> None:
    """Once, not for each of its inputs. What came before it is not taken back; what is behind it waits there."""
    outside, program, buried = Outside(Random(1)), program_of(FORK), list[Entry]()

    async def scene() -> None:
        async with engine(outside, program, buried) as host:
            first, second, third, fourth = results(outside, "bad")
            outside.append(wire.input_subject("bad", 1), first)
            outside.append(wire.input_subject("bad", 1), several(second, third, GARBAGE, fourth))
            outside.append(wire.input_subject("bad", 1), fourth)
            outside.append(wire.input_subject("good", 1), several(*results(outside, "good")))
            await until(outside, lambda: done(outside, "good") and host.settled)

    asyncio.run(scene())
    assert [entry.position for entry in buried] == [4, 5]
    expected = RunState("bad")
    for message in outside.log[:4]:
        if message.subject.endswith(".bad"):
            for document in wire.read_documents(message.payload)[:2]:
                step(program, expected, wire.read_input(document, "bad", message.position, message.time_ms))
    found: Any = decode_run("bad", list(outside.bodies["bad"].values()), {})
    assert expected.head is not None
    assert (found.head.sequence, found.head.status, found.terminal) == (expected.head.sequence, expected.head.status, False)
    assert outside.saved["bad"].meta.parked[0]["position"] == 4


def test_a_run_whose_state_cannot_be_written_is_put_aside_and_the_others_are_saved() -> None:
    """It stays as it was saved last, and says why; what comes for it later goes to the dead letters."""
    outside, program, buried = Outside(Random(2)), program_of(FORK), list[Entry]()

    async def scene() -> dict[str, bytes]:
        async with engine(outside, program, buried) as host:
            before, live = dict(outside.bodies["bad"]), host.live("bad")
            assert live is not None
            assert live.state.head is not None
            live.state.head.labels = {"label": object()}  # type: ignore[dict-item]  # as a defect of ours would leave it
            for run in ("bad", "good"):
                outside.append(wire.input_subject(run, 1), several(*results(outside, run)))
            await until(outside, lambda: done(outside, "good") and host.settled)
            outside.append(wire.input_subject("bad", 1), results(outside, "bad")[0])
            await until(outside, lambda: buried)
        return before

    before = asyncio.run(scene())
    assert outside.bodies["bad"] == before
    assert [fault["position"] for fault in outside.saved["bad"].meta.parked] == [3]
    assert [entry.position for entry in buried] == [5]
