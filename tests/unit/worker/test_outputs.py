"""What is kept of what tasks print, and what the log itself says of the rest."""

from typing import Any

import orjson

from tocsin_executor.worker.outputs import LogLines
from tocsin_kit.testing import ManualClock
from unit.worker.calls_world import task_of


class _Lane:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def push(self, messages: Any) -> None:
        """Take what would be published."""
        for _, payload in messages:
            self.lines += [(stream, line) for stream, line in orjson.loads(payload)["lines"]]


def test_the_log_says_when_it_is_full_and_at_the_end_how_much_was_dropped() -> None:
    """At once, so that who follows does not wait for more; how far the work is comes through all the same, to a limit."""
    lane = _Lane()
    lines = LogLines(task_of("shell", {}), lane, ManualClock(), limit=100)  # type: ignore[arg-type]
    for number in range(20):
        lines.add("stdout", f"line {number:04}")
    lines.flush()
    assert lane.lines[-1] == ("tocsin", "the limit of 100 bytes an attempt is reached; what follows is dropped")
    assert [line for stream, line in lane.lines if stream == "stdout"] == [f"line {number:04}" for number in range(10)]
    for _ in range(10):
        lines.add("progress", "50 %")
    lines.close()
    assert [line for stream, line in lane.lines if stream == "progress"] == ["50 %"] * 5
    assert lane.lines[-1] == ("tocsin", "15 more lines were dropped: the limit is 100 bytes an attempt")
