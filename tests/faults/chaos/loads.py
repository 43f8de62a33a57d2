"""The workflows of the chaos: each ends in a number that says whether every result was applied once.

A run starts with ``{"sum": n}``. A result that is lost or applied twice changes the sum it ends with.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.loads import workflow

TASKS = 6
EVENT = "chaos.paid"
PAID = 7  # what an event adds


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of run.

    Attributes:
        name: Of its workflow.
        tasks: What it does.
        adds: What it adds to the sum.
        repeats: Whether a task may have several activations of one name.
        listens: Whether it waits for an event with its number.
    """

    name: str
    tasks: list[dict[str, Any]]
    adds: int
    repeats: bool = False
    listens: bool = False

    @property
    def document(self) -> dict[str, Any]:
        """Its definition."""
        return workflow(self.name, self.tasks)

    def right(self, number: int) -> Callable[[dict[str, Any]], bool]:
        """Whether a run with this number has ended as it must."""
        expected = {"sum": number + self.adds}
        return lambda view: view["status"] == "completed" and view["output"] == expected


def adding(name: str, number: int) -> dict[str, Any]:
    """A task in a worker that adds a number."""
    return {name: {"call": "noop", "with": {"sum": f"${{ .sum + {number} }}"}}}


def _chain() -> list[dict[str, Any]]:
    """So many tasks; a wait in the middle, so that alarms are in it too."""
    tasks = [adding(f"add{number}", number) for number in range(1, TASKS + 1)]
    tasks.insert(TASKS // 2, {"pause": {"wait": {"milliseconds": 150}}})
    return tasks


def _retrying() -> list[dict[str, Any]]:
    """Fails on purpose, is tried again twice, and goes on with what it was caught with."""
    boom = {"boom": {"raise": {"error": {"type": "https://tocsin.dev/chaos", "status": 503}}}}
    retry = {"delay": {"milliseconds": 50}, "backoff": {"constant": {}}, "limit": {"attempt": {"count": 2}}}
    caught = {"errors": {"with": {"status": 503}}, "retry": retry, "do": [adding("mend", 5)]}
    return [adding("begin", 1), {"attempt": {"try": [adding("work", 1), boom], "catch": caught}}]


def _forking() -> list[dict[str, Any]]:
    """Three branches at once, each two tasks long, and their sum."""
    branches = [{f"branch{n}": {"do": [adding(f"first{n}", n), adding(f"second{n}", n)]}} for n in (1, 2, 3)]
    total = {"total": {"call": "noop", "with": {"sum": "${ [.. | .sum? // empty] | add }"}}}
    begin = {"begin": {"set": {"sum": "${ .sum }"}, "export": {"as": "${ {begin: .sum} }"}}}
    less = {"less": {"call": "noop", "with": {"sum": "${ .sum - 2 * $context.begin }"}}}
    return [begin, {"all": {"fork": {"branches": branches}}}, total, less]


def _calling() -> list[dict[str, Any]]:
    """Another workflow inside, and a task behind it."""
    inner = {"namespace": "bench", "name": "chaos-chain", "version": "1.0.0", "input": {"sum": "${ .sum }"}}
    return [adding("before", 1), {"inner": {"run": {"workflow": inner}}}, adding("after", 1)]


def _listening() -> list[dict[str, Any]]:
    """Waits for the one event that carries its number."""
    correlate = {"number": {"from": ".data.number", "expect": "${ .sum }"}}
    one = {"with": {"type": EVENT}, "correlate": correlate}
    listen = {"listen": {"to": {"one": one}}, "output": {"as": "${ {sum: (.[0].number + .[0].paid)} }"}}
    return [{"begin": {"call": "noop", "with": {"sum": "${ .sum }"}}}, {"paid": listen}, adding("after", 1)]


_ALL_TASKS = TASKS * (TASKS + 1) // 2

KINDS = (
    Kind("chaos-chain", _chain(), _ALL_TASKS),
    Kind("chaos-retry", _retrying(), 1 + 5, repeats=True),
    Kind("chaos-fork", _forking(), 2 * (1 + 2 + 3)),
    Kind("chaos-sub", _calling(), 1 + _ALL_TASKS + 1),
    Kind("chaos-listen", _listening(), PAID + 1, listens=True),
)


def kind_of(number: int) -> Kind:
    """The kind of the run with this number."""
    return KINDS[number % len(KINDS)]
