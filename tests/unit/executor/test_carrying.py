"""Data that was too large for an event goes to listeners of the namespace that emitted it, and to nobody else."""

from types import SimpleNamespace
from typing import Any

import pytest

from tocsin.expressions.sandbox import Sandbox
from tocsin_executor.application.apart import Apart
from tocsin_executor.application.carrying import Carrying
from tocsin_executor.domain.large import Large
from tocsin_executor.worker.runners.expressions import ExpressionRunner
from tocsin_executor.worker.tasks import Task
from tocsin_kit.testing import ManualClock

RUN, DIGEST = "r" * 26, "0" * 64
ADDRESS = {"dataref": f"/api/v1/runs/{RUN}/values/{DIGEST}"}


class Impatient(ManualClock):
    """Sleeps pass at once."""

    async def sleep(self, delay: Any) -> None:
        """Pass."""


class Runs:
    """One live run of a namespace with one value, known after some looks."""

    def __init__(self, after: int = 0) -> None:
        self.looks, self.after = 0, after

    def live(self, run: str) -> Any:
        self.looks += 1
        large = {DIGEST: 200_000} if self.looks > self.after else {}
        return (
            SimpleNamespace(state=SimpleNamespace(head=SimpleNamespace(namespace="ours", large=large))) if run == RUN else None
        )

    async def load(self, runs: list[str]) -> dict[str, Any]:
        return {}


@pytest.mark.parametrize(
    ("namespace", "run", "digest", "after", "found"),
    [
        ("ours", RUN, DIGEST, 0, True),
        ("ours", RUN, DIGEST, 5, True),
        ("theirs", RUN, DIGEST, 0, False),
        ("ours", "x" * 26, DIGEST, 0, False),
        ("ours", RUN, "1" * 64, 0, False),
    ],
)
async def test_a_value_is_found_within_its_namespace(namespace: str, run: str, digest: str, after: int, found: bool) -> None:
    """Also when the event was faster than the run that emitted it; another's never, whatever an event says."""
    runs: Any = Runs(after)
    value = await Carrying(runs, runs, Impatient()).find(namespace, run, digest)
    assert value == (Large(DIGEST, 200_000) if found else None)


@pytest.mark.parametrize("given", [ADDRESS, {"dataref": "https://x.example"}, "text"])
async def test_what_is_not_to_be_had_is_its_address(given: Any) -> None:
    """The listener gets what the event had."""
    asked: list[tuple[str, str, str]] = []

    async def find(*place: str) -> None:
        asked.append(place)  # type: ignore[arg-type]

    async with Sandbox(1) as sandbox:
        runner = ExpressionRunner(sandbox, Apart(None, 1_000))
        task = Task("r", "t", "evaluate", "t", "", "ours", {"carried": True}, given, {}, None, None, "s")
        assert (await runner.run(task)).output == given
        runner.carried = find
        assert (await runner.run(task)).output == given
    assert asked == ([("ours", RUN, DIGEST)] if given == ADDRESS else [])
