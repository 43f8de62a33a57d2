"""An input that cannot be folded is put aside; its run stands as it stood before it, and other runs go on."""

import asyncio
from random import Random
from typing import Any

from tocsin_executor.application import wire
from tocsin_executor.application.host import Host
from tocsin_executor.domain.codec import decode_run
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


async def until(outside: Outside, done: Any) -> None:
    """Let time pass until it is done."""
    for _ in range(400):
        if done():
            return
        await outside.clock.advance(0.1)
    raise AssertionError("it does not come to it")


def test_a_message_with_an_input_that_is_none_is_put_aside_whole_and_what_was_folded_of_it_stays() -> None:
    """Once, not for each of its inputs. What came before it is not taken back; what is behind it waits there."""
    outside, program, buried = Outside(Random(1)), program_of(FORK), list[Entry]()

    def bury(entry: Entry, _: Exception) -> wire.Outgoing:
        buried.append(entry)
        return "dead.executor.input", b'{"id":"dead"}'

    async def scene() -> None:
        host = Host(
            Reader(outside),
            outside,
            outside,
            outside,
            Programs(program),
            clock=outside.clock,
            partitions=1,
            bury=bury,
            events={},
            decode=lambda entry: ({}, b""),
        )
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(host.serve())
            await host.own({0: 1})
            for run in ("bad", "good"):
                start = wire.start(id=run, digest="digest", input=0, seed=1, fresh=True, correlation=run)
                outside.append(wire.input_subject(run, 1), start)
            await until(outside, lambda: len(outside.out) == 8)
            results = {
                run: [wire.result(at, output=1) for of, at in sorted(outside.out) if of == run] for run in ("bad", "good")
            }
            first, second, third, fourth = results["bad"]
            outside.append(wire.input_subject("bad", 1), first)
            outside.append(wire.input_subject("bad", 1), several(second, third, GARBAGE, fourth))
            outside.append(wire.input_subject("bad", 1), fourth)
            outside.append(wire.input_subject("good", 1), several(*results["good"]))
            await until(outside, lambda: "good" in outside.saved and outside.saved["good"].summary.ended and host.settled)
            serving.cancel()

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
