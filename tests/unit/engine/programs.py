"""Random nested programs of the language, and random worlds around them."""

from typing import Any

from hypothesis import strategies as st

ERROR = {"type": "https://example.com/errors/broken", "status": 500, "title": "Broken"}


def _named(prefix: str) -> Any:
    def name(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
        named = [{f"{prefix}{index}": dict(task)} for index, task in enumerate(tasks)]
        for index, item in enumerate(named):
            [task] = item.values()
            jump = task.pop("_then", None)
            if jump == "forward" and index + 2 < len(named):
                task["then"] = f"{prefix}{index + 2}"
            elif jump in {"exit", "end"}:
                task["then"] = jump
        return named

    return name


_THEN = st.sampled_from([None, None, None, None, None, "forward", "exit", "end"])
_TIMEOUT = st.sampled_from([None, None, None, {"after": {"seconds": 2}}, {"after": {"seconds": 7}}])


def _around(task: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    def build(inner: dict[str, Any], then: str | None, timeout: Any, condition: bool, export: bool) -> dict[str, Any]:
        built = dict(inner)
        if then is not None and "switch" not in built:
            built["_then"] = then
        if timeout is not None:
            built["timeout"] = timeout
        if condition:
            built["if"] = ". != 3"
        if export:
            built["export"] = {"as": "${ [$output] }"}
        return built

    return st.builds(build, task, _THEN, _TIMEOUT, st.booleans(), st.booleans())


_LEAVES = st.one_of(
    st.just({"call": "noop", "with": "${ . }"}),
    st.just({"call": "noop", "with": {"v": 1}}),
    st.sampled_from([{"set": "${ 3 }"}, {"set": {"x": "${ $context }"}}]),
    st.sampled_from([{"wait": {"seconds": 1}}, {"wait": {"seconds": 5}}]),
    st.just({"raise": {"error": ERROR}}),
    st.just({"set": "${ [range(0; 4; 2)] }"}),
    st.just({"emit": {"event": {"with": {"type": "a.b"}}}}),
    st.just({"run": {"workflow": {"namespace": "n", "name": "w", "version": "1.0.0"}}}),
)


def _composites(tasks: st.SearchStrategy[list[Any]], one: st.SearchStrategy[dict[str, Any]]) -> Any:
    retry = st.fixed_dictionaries(
        {"limit": st.just({"attempt": {"count": 2}})},
        optional={
            "delay": st.sampled_from([{"seconds": 1}, {"seconds": 0}]),
            "backoff": st.sampled_from([{"linear": {}}, {"exponential": {}}]),
        },
    )
    catch = st.fixed_dictionaries({}, optional={"retry": retry, "do": tasks})
    branches = st.lists(one, min_size=1, max_size=3).map(_named("b"))
    return st.one_of(
        st.builds(lambda inner: {"do": inner}, tasks),
        st.builds(lambda inner, c: {"fork": {"branches": inner, "compete": c}}, branches, st.booleans()),
        st.builds(lambda inner, n: {"for": {"in": f"[range({n})]"}, "do": inner}, tasks, st.integers(0, 3)),
        st.builds(lambda inner, handler: {"try": inner, "catch": handler}, tasks, catch),
    )


def _layer(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    tasks = st.lists(inner, min_size=1, max_size=3).map(_named("t"))
    return _around(st.one_of(_LEAVES, _composites(tasks, inner)))


TASKS = st.lists(_layer(_layer(_around(_LEAVES))), min_size=1, max_size=3).map(_named("m"))
"""Documents' ``do``, up to three levels deep."""

MOVES = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 99)), max_size=60)
"""What the world does next: a kind of move, and which."""
