"""Following what tasks print, at its edges."""

from types import SimpleNamespace
from typing import Any

from tocsin.errors import NotFound
from tocsin_executor.application.following import Ended, Piece, follow
from tocsin_executor.application.reading import TaskLine
from tocsin_kit.clock import SystemClock


async def test_a_run_that_is_deleted_while_it_is_followed_ends_the_stream() -> None:
    """Orderly, with a word: nobody waits for what will never come, and nothing breaks."""
    looks = 0

    class Runs:
        async def get(self, run: str) -> Any:
            nonlocal looks
            looks += 1
            if looks > 2:
                raise NotFound(f"There is no run {run}.")
            return SimpleNamespace(status="completed")

    class Pieces:
        async def pieces(self, run: str, after: str, _limit: int) -> list[Piece]:
            return [] if after else [Piece(f"{run}/1", [TaskLine("t", "/do/0/t", "h:3#1", "stdout", "hello")])]

        async def caught_up(self) -> bool:
            return True

    found = [one async for one in follow(Runs(), Pieces(), "r", SystemClock())]  # type: ignore[arg-type]
    assert [one.status if isinstance(one, Ended) else one.lines[0].line for one in found] == ["hello", "deleted"]
