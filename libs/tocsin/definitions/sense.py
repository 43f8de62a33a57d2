"""What no grammar says of one place alone: undeclared secrets, tasks that are never reached, functions that call themselves."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from tocsin.definitions.checking import Check
from tocsin.definitions.reading import Value
from tocsin.definitions.slips import targets
from tocsin.definitions.wording import DIRECTIVES, nearest, token
from tocsin.expressions.secrets import secrets_in

_VERBATIM: Final = frozenset({"metadata", "tags", "document"})  # never evaluated; `document` is a schema's, or the head
_DATA: Final = frozenset({"set", "with", "input", "output", "export"})  # whatever stands there, it is no task
_LISTS: Final = re.compile(r"(/do|/try|/before|/after)$")


def check_sense(check: Check, document: dict[str, Value]) -> None:
    """Report what is wrong across a whole document."""
    for pointer, text in _texts(document, ""):
        _secrets(check, pointer, text)
    for pointer, tasks in _task_lists(document, ""):
        _reached(check, pointer, tasks)
        for place, task in _named(pointer, tasks):
            _names(check, place, task)
            _defaults(check, place, task)
    for pointer, task in _tasks(document, ""):
        _call(check, pointer, task)
    _schedule(check, document.get("schedule"))
    use = document.get("use")
    functions = use.get("functions") if isinstance(use, dict) else None
    if isinstance(functions, dict):
        _recursion(check, functions)


def _schedule(check: Check, schedule: Value) -> None:
    if not isinstance(schedule, dict):
        return
    if "read" in schedule and "on" not in schedule:
        check.report(
            "/schedule/read", "'read' says how events are read; without 'on' there are none", "Add 'on', or remove it."
        )
    if not schedule.keys() & {"every", "cron", "after", "on"}:
        check.report("/schedule", "one of 'every', 'cron', 'after', 'on' is needed")


def _texts(value: Value, pointer: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        if "$secrets" in value:
            yield pointer, value
    elif isinstance(value, Mapping):
        for key, held in value.items():
            if key not in _VERBATIM or not isinstance(held, dict) or pointer.endswith("/with"):
                yield from _texts(held, f"{pointer}/{token(key)}")
    elif isinstance(value, list):
        for index, held in enumerate(value):
            yield from _texts(held, f"{pointer}/{index}")


def _secrets(check: Check, pointer: str, text: str) -> None:
    names, unnamed = secrets_in(text)
    declared = check.use["secrets"]
    for name in sorted(names - declared):
        hint = nearest(name, declared) or f"Add 'use: {{secrets: [{name}]}}'."
        check.report(pointer, f"the secret '{name}' is not declared in 'use.secrets'", hint)
    if unnamed and not declared:
        check.report(pointer, "no secret is declared in 'use.secrets'", "Add the names of those that the workflow needs.")


def _task_lists(value: Value, pointer: str) -> Iterator[tuple[str, list[Value]]]:
    if isinstance(value, Mapping):
        for key, held in value.items():
            here = f"{pointer}/{token(key)}"
            if key in _VERBATIM or key in _DATA:
                continue
            if isinstance(held, list) and _LISTS.search(here):
                yield here, held
            yield from _task_lists(held, here)
    elif isinstance(value, list):
        for index, held in enumerate(value):
            yield from _task_lists(held, f"{pointer}/{index}")


def _tasks(value: Value, pointer: str) -> Iterator[tuple[str, dict[str, Value]]]:
    if isinstance(value, dict):
        if "call" in value or "run" in value:
            yield pointer, value
        for key, held in value.items():
            if key not in _VERBATIM:
                yield from _tasks(held, f"{pointer}/{token(key)}")
    elif isinstance(value, list):
        for index, held in enumerate(value):
            yield from _tasks(held, f"{pointer}/{index}")


def _call(check: Check, pointer: str, task: dict[str, Value]) -> None:
    """What members need of each other."""
    given = task.get("with")
    if task.get("call") == "a2a" and isinstance(given, dict) and not given.keys() & {"agentCard", "server"}:
        check.report(f"{pointer}/with", "one of 'agentCard' and 'server' is needed")
    container = task["run"].get("container") if isinstance(task.get("run"), dict) else None  # type: ignore[union-attr]
    lifetime = container.get("lifetime") if isinstance(container, dict) else None
    if isinstance(lifetime, dict) and lifetime.get("cleanup") == "eventually" and "after" not in lifetime:
        check.report(f"{pointer}/run/container/lifetime", "cleanup 'eventually' needs 'after'", "For example 'after: PT30M'.")


def _named(pointer: str, tasks: list[Value]) -> Iterator[tuple[str, dict[str, Value]]]:
    """The tasks of a list, as far as they are some."""
    for index, item in enumerate(tasks):
        for name, task in item.items() if isinstance(item, dict) else ():
            if isinstance(task, dict):
                yield f"{pointer}/{index}/{token(name)}", task


def _names(check: Check, pointer: str, task: Mapping[str, Value]) -> None:
    """The item of a loop and its index are two variables."""
    loop = task.get("for")
    if isinstance(loop, dict) and loop.get("each", "item") == loop.get("at", "index"):
        check.report(f"{pointer}/for", "the item and its index cannot have one name")


def _defaults(check: Check, pointer: str, task: Mapping[str, Value]) -> None:
    cases = task.get("switch")
    plain = [
        f"{pointer}/switch/{index}/{token(name)}"
        for index, item in enumerate(cases if isinstance(cases, list) else ())
        for name, case in (item.items() if isinstance(item, dict) else ())
        if isinstance(case, dict) and "when" not in case
    ]
    for place in plain[1:]:
        check.report(place, "a switch has one default case at most", "Give this one a 'when'.")


def _reached(check: Check, pointer: str, tasks: list[Value]) -> None:
    """A task of a list is reached from the one before it, or by its name."""
    named = [next(iter(item.items())) for item in tasks if isinstance(item, dict) and len(item) == 1]
    if len(named) != len(tasks) or any(not isinstance(task, dict) for _, task in named):
        return  # what is wrong with the list is said already
    places = {name: index for index, (name, _) in enumerate(named)}
    reached, pending = set[int](), [0] if named else []
    while pending:
        index = pending.pop()
        if index in reached or index >= len(named):
            continue
        reached.add(index)
        task = named[index][1]
        assert isinstance(task, dict)
        for target in targets(task):
            if target == "continue":
                pending.append(index + 1)
            elif target in places and target not in DIRECTIVES:
                pending.append(places[target])
    for index, (name, _) in enumerate(named):
        if index not in reached:
            hint = "Name it in a 'then', or remove it."
            check.report(f"{pointer}/{index}/{token(name)}", f"the task '{name}' is never reached", hint)
            return  # what follows it is mostly unreachable for the same reason


def _recursion(check: Check, functions: Mapping[str, Value]) -> None:
    calls = {name: frozenset(_called(task)) & functions.keys() for name, task in functions.items()}
    for name in functions:
        seen, pending = set[str](), set(calls[name])
        while pending:
            other = pending.pop()
            if other not in seen:
                seen.add(other)
                pending |= calls[other]
        if name in seen:
            check.report(f"/use/functions/{token(name)}", f"the function '{name}' calls itself")


def _called(value: Value) -> Iterator[str]:
    if isinstance(value, Mapping):
        if isinstance(value.get("call"), str):
            yield str(value["call"])
        for key, held in value.items():
            if key not in _VERBATIM:
                yield from _called(held)
    elif isinstance(value, list):
        for held in value:
            yield from _called(held)
