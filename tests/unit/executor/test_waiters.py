"""Waiting for the end of a run never misses it."""

import asyncio

from tocsin_executor.application.waiters import Waiters


async def test_an_end_between_the_look_and_the_waiting_is_seen():
    """Whoever enters before looking is told, even if the run ends during the look."""
    waiters = Waiters()
    with waiters.end_of("run") as ended:
        waiters.finish("run")  # while the run is being looked up
        async with asyncio.timeout(5):
            await ended


async def test_everyone_who_waits_is_told_and_nobody_is_remembered():
    """Several at once; one that gives up leaves nothing behind."""
    waiters = Waiters()
    with waiters.end_of("run") as first, waiters.end_of("run") as second:
        waiters.finish("run")
        assert first.done()
        assert second.done()
    with waiters.end_of("other"):
        pass
    assert waiters._ends == {}


async def test_who_waits_is_let_go_when_nobody_will_be_told_any_more():
    """And whoever looks before waiting sees that."""
    waiters = Waiters()
    with waiters.end_of("run") as ended:
        waiters.close()
        async with asyncio.timeout(5):
            await ended
    assert waiters.closed
