"""Random nested programs of the language, and random worlds around them."""

from collections.abc import Callable
from random import Random
from typing import Any, TypeAlias

from hypothesis import strategies as st

Build: TypeAlias = Callable[[Random, int], dict[str, Any]]

ERROR = {"type": "https://example.com/errors/broken", "status": 500, "title": "Broken"}


def _named(prefix: str, listed: list[dict[str, Any]], *, jumps: bool = True) -> list[dict[str, Any]]:
    named = [{f"{prefix}{index}": dict(built)} for index, built in enumerate(listed)]
    for index, item in enumerate(named):
        [built] = item.values()
        jump = built.pop("_then", None)
        if jump == "forward" and jumps and index + 2 < len(named):
            built["then"] = f"{prefix}{index + 2}"
        elif jump in {"exit", "end"}:
            built["then"] = jump
    return named


def task(random: Random, depth: int) -> dict[str, Any]:
    """A task with up to ``depth`` levels below it, and things around it."""
    leaves = (*_LEAVES, _listen, _listen) if isinstance(random, Listening) else _LEAVES
    kind = random.choice(_COMPOSITES) if depth and random.random() < 0.6 else random.choice(leaves)
    built = kind(random, depth)
    if random.random() < 0.2:
        built["_then"] = random.choice(["forward", "forward", "exit", "end"])
    if random.random() < 0.15:
        built["timeout"] = {"after": {"seconds": random.choice([2, 7, 20])}}
    if random.random() < 0.15:
        built["if"] = ". != 3"
    if random.random() < 0.15:
        built["export"] = {"as": "${ [$output] | length }"}
    if random.random() < 0.1:
        built["output"] = {"as": "${ [range(0; 2; 2), .] | .[1] }"}
    return built


def tasks(random: Random, depth: int, prefix: str = "t") -> list[dict[str, Any]]:
    """A list of one to four tasks."""
    return _named(prefix, [task(random, depth) for _ in range(random.randint(1, 4))])


def _leaf(*choices: dict[str, Any]) -> Build:
    return lambda random, depth: dict(random.choice(choices))


class Listening(Random):
    """Chance of programs that listen as well."""


def _listen(random: Random, depth: int) -> dict[str, Any]:
    one, two = {"with": {"type": "a"}}, {"with": {"type": "b", "data": "${ . >= 0 }"}}
    tied = [{**found, "correlate": {"room": {"from": ".room"}}} for found in (one, two)]
    to: dict[str, Any] = random.choice(
        [
            {"one": one},
            {"all": [one, two]},
            {"all": tied},
            {"any": [one, two]},
            {"any": []},
            {"any": [one], "until": "length == 2"},
            {"any": [one], "until": "[range(0; 3)] | length > 2"},
            {"any": [one], "until": {"one": two}},
        ]
    )
    built: dict[str, Any] = {"listen": {"to": to, "read": random.choice(["data", "envelope"])}}
    if random.random() < 0.3:
        built["foreach"] = {"item": "e", "do": tasks(random, max(0, depth - 1), "e")}
    if random.random() < 0.2:
        built["metadata"] = {"lookback": "PT1M"}
    return built


def _do(random: Random, depth: int) -> dict[str, Any]:
    return {"do": tasks(random, depth - 1)}


def _fork(random: Random, depth: int) -> dict[str, Any]:
    branches = [task(random, depth - 1) for _ in range(random.randint(1, 4))]
    return {"fork": {"branches": _named("b", branches, jumps=False), "compete": random.random() < 0.4}}


def _for(random: Random, depth: int) -> dict[str, Any]:
    built: dict[str, Any] = {"for": {"in": f"[range({random.randint(0, 3)})]"}, "do": tasks(random, depth - 1)}
    how = random.random()
    if how < 0.2:
        built["while"] = "$index < 2"
    elif how < 0.45:
        built["metadata"] = {"concurrency": random.randint(1, 3)}
    elif how < 0.5:  # more than a page of outputs
        built["for"]["in"] = f"[range({random.randint(51, 110)})]"
        built["do"] = [{"c": _CALL(random, 0)}]
        built["metadata"] = {"concurrency": random.choice([5, 20, 200])}
    return built


def _try(random: Random, depth: int) -> dict[str, Any]:
    catch: dict[str, Any] = {}
    if random.random() < 0.6:
        limit: dict[str, Any] = {"attempt": {"count": random.randint(0, 3)}}
        if random.random() < 0.3:
            limit["attempt"]["duration"] = {"seconds": random.choice([1, 4])}
        catch["retry"] = {
            "limit": limit,
            "delay": {"seconds": random.choice([0, 1, 3])},
            "backoff": {random.choice(["linear", "exponential", "constant"]): {}},
            "jitter": {"from": {"seconds": 0}, "to": {"seconds": 1}},
        }
    if random.random() < 0.5:
        catch["do"] = tasks(random, depth - 1, "h")
    return {"try": tasks(random, depth - 1), "catch": catch}


_CALL = _leaf({"call": "noop", "with": "${ . }"}, {"call": "noop", "with": {"v": 1}})
_LEAVES: tuple[Build, ...] = (
    _CALL,
    _CALL,
    _CALL,
    _CALL,
    _leaf({"set": "${ 3 }"}, {"set": {"x": "${ $context }"}}, {"emit": {"event": {"with": {"type": "a.b"}}}}),
    _leaf({"wait": {"seconds": 1}}, {"wait": {"seconds": 5}}),
    _leaf({"raise": {"error": ERROR}}, {"set": "${ [range(0; 4; 2)] }"}, {"set": "${ error }"}),
    _leaf({"run": {"workflow": {"namespace": "n", "name": "w", "version": "1.0.0"}}}),
)
_COMPOSITES: tuple[Build, ...] = (_do, _fork, _fork, _for, _try, _try)


def scenario(seed: int, chance: type[Random] = Random) -> tuple[list[dict[str, Any]], list[tuple[int, int]]]:
    """A document's ``do``, and what the world does: kinds of moves, and which of the choices."""
    random = chance(seed)
    return tasks(random, random.randint(1, 4), "m"), [(random.randint(0, 14), random.randint(0, 99)) for _ in range(80)]


SCENARIOS = st.integers(0, 2**32 - 1).map(scenario)
"""Random scenarios; a failing one is repeated by its seed, and kept as a trace."""

LISTENING = st.integers(0, 2**32 - 1).map(lambda seed: scenario(seed, Listening))
"""The same, and they listen."""
