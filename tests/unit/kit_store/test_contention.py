"""Decisions that are made again."""

import pytest

from tocsin.errors import Conflict
from tocsin_kit.clock import SystemClock
from tocsin_kit.store import RevisionConflict, undisputed
from tocsin_kit.store.contention import PAUSES

TRIES = len(PAUSES) + 1


async def test_a_decision_is_made_again_until_nobody_was_first() -> None:
    """With the same arguments; and its answer is the one of the last time."""
    seen: list[tuple[int, str]] = []

    @undisputed
    async def decide(number: int, *, name: str) -> int:
        seen.append((number, name))
        if len(seen) < TRIES:
            raise RevisionConflict("somebody was first")
        return len(seen)

    assert await decide(1, name="a") == TRIES
    assert seen == [(1, "a")] * TRIES


async def test_it_ends_and_another_conflict_is_told_at_once() -> None:
    """Somebody who is first for ever is named; what is no matter of who is first is not tried again."""
    tries = 0

    @undisputed
    async def hunted() -> None:
        nonlocal tries
        tries += 1
        raise RevisionConflict("somebody was first")

    with pytest.raises(RevisionConflict):
        await hunted()
    assert tries == TRIES

    @undisputed
    async def wrong() -> None:
        nonlocal tries
        tries += 1
        raise Conflict("the name is taken")

    with pytest.raises(Conflict):
        await wrong()
    assert tries == TRIES + 1


async def test_a_commit_of_another_that_waits_for_a_disk_is_waited_for() -> None:
    """What it has written and not committed refuses everybody at once: not all tries are over in that moment."""
    clock = SystemClock()
    done_at = clock.monotonic() + 0.1

    @undisputed
    async def decide() -> str:
        if clock.monotonic() < done_at:
            raise RevisionConflict("somebody else was first")
        return "decided"

    assert await decide() == "decided"
