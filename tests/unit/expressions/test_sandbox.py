"""The processes that evaluate what may take long."""

import pytest

from tocsin.expressions import ExpressionFailed, ExpressionInvalid
from tocsin.expressions.sandbox import Sandbox


async def test_it_evaluates_what_a_step_may_not() -> None:
    """Definitions, ranges and regular expressions work; the same worker serves again."""
    async with Sandbox(size=1) as sandbox:
        assert await sandbox.evaluate_open("def f(x): x * 2; f(.)", 21, {}, 10) == 42
        assert await sandbox.evaluate_open('$input | test("^a+$")', None, {"input": "aaa"}, 10) is True
        assert await sandbox.evaluate_template({"n": "${ [range(.)] | length }", "k": 1}, 5000, {}, 10) == {"n": 5000, "k": 1}


async def test_what_never_ends_is_killed_and_the_next_is_served() -> None:
    """A deadline ends the process, not the platform."""
    async with Sandbox(size=1) as sandbox:
        with pytest.raises(ExpressionFailed, match="longer than"):
            await sandbox.evaluate_open("def f: f; f", None, {}, 0.3)
        assert await sandbox.evaluate_open("1 + 1", None, {}, 10) == 2


async def test_memory_is_limited() -> None:
    """An expression that grows without end takes its worker down, nothing else."""
    async with Sandbox(size=1, memory_bytes=160 * 1024 * 1024) as sandbox:
        with pytest.raises(ExpressionFailed):
            await sandbox.evaluate_open("[range(1e9)] | length", None, {}, 20)
        assert await sandbox.evaluate_open(".", 3, {}, 10) == 3


async def test_mistakes_and_failures_come_back_as_such() -> None:
    """The answer says whether the author or the data is wrong."""
    async with Sandbox(size=1) as sandbox:
        with pytest.raises(ExpressionInvalid):
            await sandbox.evaluate_open(".a +", None, {}, 10)
        with pytest.raises(ExpressionFailed, match="Cannot index"):
            await sandbox.evaluate_open("def f: .a; f", 3, {}, 10)
