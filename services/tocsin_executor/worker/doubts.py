"""After the broker was started anew: which of the tasks in hand it still has.

What it lost is handed back at once. Whoever looks for lost tasks finds that it is missing as well, and its run would have it
done a second time beside this one.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

import structlog

from tocsin.errors import TocsinError
from tocsin_executor.worker.hands import Hand

log = structlog.get_logger()

LOST: Final = "the broker was started anew and had lost it"


class Doubts:
    """Looks after each start of the broker.

    Args:
        hands: What is in hand.
    """

    def __init__(self, hands: Mapping[str, Hand]) -> None:
        self._hands = hands
        self._arisen = asyncio.Event()

    def arise(self) -> None:
        """The broker was started anew."""
        self._arisen.set()

    async def serve(self) -> None:
        """Look whenever doubts arise, until cancelled."""
        while True:
            await self._arisen.wait()
            self._arisen.clear()
            for key, hand in list(self._hands.items()):
                if not await self.resolve(hand) and self._hands.get(key) is hand:
                    log.warning("worker.task_lost", task=key)
                    hand.give_back(LOST)

    async def resolve(self, hand: Hand) -> bool:
        """Whether the broker has a task, as far as can be found out; what it has can be settled."""
        if not hand.feed.doubts(hand.delivery):
            return True
        try:
            return await hand.feed.confirm(hand.delivery)
        except TocsinError as error:  # it is delivered again, then, to this worker or another one
            log.info("worker.task_not_found_out", task=hand.task.key, error=error.detail)
            return True
