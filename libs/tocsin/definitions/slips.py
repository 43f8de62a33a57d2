"""What is right by the language and most likely not what was meant: said when a definition is checked, and never refused.

Each rule holds for what every reader would call a slip, and for nothing else: whoever gets a warning for a right document stops
reading warnings. What cannot work at all is a mistake, and is refused (:mod:`tocsin.definitions.sense`).
"""

import difflib
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Final, TypeAlias

from tocsin.definitions.catching import catch_slips
from tocsin.definitions.reading import Value
from tocsin.definitions.spots import Object, Spot, TaskList, mapping, spots, task_lists
from tocsin.definitions.timing import constant, told
from tocsin.definitions.wording import token
from tocsin.expressions.secrets import secrets_in

Warn: TypeAlias = Callable[[str, str, str | None], None]
"""Takes pointer, what is odd, and what to do about it."""

_SCHEMES: Final = ("basic", "bearer", "digest", "oauth2", "oidc")
_METHODS: Final = ("get", "head", "post", "put", "patch", "delete", "options", "trace", "connect", "query")
_SECTIONS: Final = {
    "authentications": "authentication",
    "errors": "error",
    "functions": "function",
    "retries": "retry policy",
    "timeouts": "timeout",
    "catalogs": "catalog",
}


def find_slips(document: Object, warn: Warn) -> None:
    """Say every slip of a document that follows the grammar."""
    every = spots(document)
    for listed in task_lists(document):
        if listed.follows:
            _behind_raise(listed, warn)
    for spot in every:
        _fork(spot, warn)
        _cases(spot, warn)
        _until(spot, warn)
        _method(spot, warn)
    _times(document, every, warn)
    catch_slips(document, every, warn)
    _unused(document, every, warn)


def _behind_raise(listed: TaskList, warn: Warn) -> None:
    """Tasks that only a raise comes before."""
    named = {spot.name: index for index, spot in enumerate(listed.spots)}
    reached: dict[bool, set[int]] = {}
    for falls in (True, False):
        found, pending = set[int](), [0] if listed.spots else []
        while pending:
            index = pending.pop()
            if index in found or index >= len(listed.spots):
                continue
            found.add(index)
            ways = targets(listed.spots[index].task, raise_falls=falls)
            pending += [index + 1 if way == "continue" else named.get(way, len(listed.spots)) for way in ways]
        reached[falls] = found
    for index in sorted(reached[True] - reached[False])[:1]:
        spot = listed.spots[index]
        hint = "Give the raise an 'if', name this task in a 'then', or remove it."
        warn(spot.pointer, f"the task '{spot.name}' is never reached: the one before it always raises an error", hint)


def targets(task: Object, *, raise_falls: bool = True) -> Iterator[str]:
    """Where the flow may go behind a task: directives, and names of tasks.

    Args:
        task: The task.
        raise_falls: Whether what follows a ``raise`` counts as reached.
    """
    then, switch, falls = task.get("then"), task.get("switch"), True
    if isinstance(switch, list):
        cases = [held for item in switch for held in mapping(item).values() if isinstance(held, dict)]
        falls = all("when" in case for case in cases)
        yield from (str(case.get("then", "continue")) for case in cases)
    catch = task.get("catch")
    if isinstance(catch, dict) and "then" in catch:
        yield str(catch["then"])
    if falls and (raise_falls or "raise" not in task):
        yield then if isinstance(then, str) else "continue"
    if "if" in task:
        yield "continue"  # a skipped task's `then` does not apply


def _fork(spot: Spot, warn: Warn) -> None:
    branches = mapping(spot.task.get("fork")).get("branches")
    if isinstance(branches, list) and len(branches) < 2:
        said = "no branch" if not branches else "one branch"
        warn(f"{spot.pointer}/fork/branches", f"a fork with {said} does nothing at the same time", "Use 'do', or add branches.")


def _cases(spot: Spot, warn: Warn) -> None:
    switch, seen = spot.task.get("switch"), dict[str, str]()
    for index, item in enumerate(switch if isinstance(switch, list) else ()):
        for name, case in mapping(item).items():
            when = mapping(case).get("when")
            if not isinstance(when, str):
                continue
            first = seen.setdefault("".join(when.split()), name)
            if first != name:
                place = f"{spot.pointer}/switch/{index}/{token(name)}/when"
                warn(place, f"the case '{name}' is never taken: '{first}' before it has the same condition", None)


def _until(spot: Spot, warn: Warn) -> None:
    to = mapping(mapping(spot.task.get("listen")).get("to"))
    if "until" in to and "any" not in to:
        mode = "all" if "all" in to else "one"
        place = f"{spot.pointer}/listen/to/until"
        warn(place, f"'until' belongs to 'any' and is ignored beside '{mode}'", "Use 'any', or remove 'until'.")


def _method(spot: Spot, warn: Warn) -> None:
    method = mapping(spot.task.get("with")).get("method")
    if spot.task.get("call") != "http" or not isinstance(method, str) or "${" in method or method.lower() in _METHODS:
        return
    if close := difflib.get_close_matches(method.lower(), _METHODS, n=1, cutoff=0.7):
        warn(f"{spot.pointer}/with/method", f"'{method}' is no usual HTTP method", f"Did you mean '{close[0]}'?")


# --- time


def _times(document: Object, every: list[Spot], warn: Warn) -> None:
    """Timeouts and waits that something around them ends first."""
    whole = constant(document.get("timeout"), document)
    for spot in every:
        bound, what = _bound(spot, document, whole)
        own = constant(spot.task.get("timeout"), document)
        if own is not None and bound is not None and own > bound:
            said = f"the timeout of {told(own)} never strikes: {what} ends after {told(bound)}"
            warn(f"{spot.pointer}/timeout", said, f"Make it shorter than {told(bound)}.")
        if own is not None and (bound is None or own < bound):
            bound, what = own, "the task itself"
        waits = constant({"after": spot.task["wait"]}, document) if "wait" in spot.task else None
        if waits is not None and bound is not None and waits > bound:
            said = f"a wait of {told(waits)} never ends by itself: {what} times out after {told(bound)}"
            warn(f"{spot.pointer}/wait", said, None)


def _bound(spot: Spot, document: Object, whole: timedelta | None) -> tuple[timedelta | None, str]:
    """The least time that what is around a task has."""
    bound, what = whole, "the workflow"
    for outer in spot.around:
        limit = constant(outer.task.get("timeout"), document)
        if limit is not None and (bound is None or limit < bound):
            bound, what = limit, f"'{outer.name}' around it"
    return bound, what


# --- use


def _unused(document: Object, every: list[Spot], warn: Warn) -> None:
    """Reusable components that nothing uses."""
    use = mapping(document.get("use"))
    used = _used(document, every)
    for section, word in _SECTIONS.items():
        for name in mapping(use.get(section)):
            if name not in used[section]:
                warn(f"/use/{section}/{token(name)}", f"the {word} '{name}' is not used", "Use it, or remove it.")
    secrets = use.get("secrets")
    for index, secret in enumerate(secrets if isinstance(secrets, list) else ()):
        if isinstance(secret, str) and secret not in used["secrets"] and "" not in used["secrets"]:
            warn(f"/use/secrets/{index}", f"the secret '{secret}' is not used", "Use it, or remove it.")


def _used(document: Object, every: list[Spot]) -> dict[str, set[str]]:
    used: dict[str, set[str]] = {section: set() for section in (*_SECTIONS, "secrets")}
    for owner in (document, *(spot.task for spot in every)):
        _note(used["timeouts"], owner.get("timeout"))
    for spot in every:
        _note(used["retries"], mapping(spot.task.get("catch")).get("retry"))
        _note(used["errors"], mapping(spot.task.get("raise")).get("error"))
        called = spot.task.get("call")
        _note(used["functions"], called)
        if isinstance(called, str) and "@" in called:
            used["catalogs"].add(called.rpartition("@")[2])
    pending: list[Value] = [dict(document)]
    while pending:
        held = pending.pop()
        if isinstance(held, dict):
            _authentication(used, held)
            pending.extend(held.values())
        elif isinstance(held, list):
            pending.extend(held)
        elif isinstance(held, str) and "$secrets" in held:
            names, unnamed = secrets_in(held)
            used["secrets"] |= names | ({""} if unnamed else set())
    return used


def _authentication(used: dict[str, set[str]], held: Mapping[str, Value]) -> None:
    """Names of authentications, and of secrets that hold one."""
    given = held.get("authentication")
    _note(used["authentications"], given)
    _note(used["authentications"], mapping(given).get("use"))
    for scheme in _SCHEMES:
        _note(used["secrets"], mapping(held.get(scheme)).get("use"))


def _note(names: set[str], value: Value) -> None:
    if isinstance(value, str):
        names.add(value)
