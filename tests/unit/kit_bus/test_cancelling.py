"""A cancellation in the same turn as the answer is not forgotten."""

import asyncio

import pytest

from tocsin_kit.bus.cancelling import cancellable


async def answered_and_cancelled(*, guarded: bool) -> asyncio.Task[str]:
    """A task that waits as the library does, and gets its answer and its cancellation at once."""
    answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def ask() -> str:
        if guarded:
            with cancellable():
                return await asyncio.wait_for(answer, 5)
        return await asyncio.wait_for(answer, 5)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(ask())
        while not answer._callbacks:
            await asyncio.get_running_loop().run_in_executor(None, int)  # a turn or more of the loop
        answer.set_result("answer")
        task.cancel()
        await asyncio.wait([task])
    return task


async def test_a_guarded_call_ends_cancelled() -> None:
    """Whatever the library makes of it."""
    assert (await answered_and_cancelled(guarded=True)).cancelled()


async def test_a_deadline_around_it_is_still_a_deadline() -> None:
    """Its cancellation becomes a timeout where it belongs, and the task goes on."""

    async def wait_in_vain() -> None:
        async with asyncio.timeout(0.01):
            with cancellable():
                await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await wait_in_vain()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_without_a_cancellation_nothing_happens() -> None:
    """Answers and errors pass."""
    with cancellable():
        pass
    with pytest.raises(KeyError), cancellable():
        raise KeyError
