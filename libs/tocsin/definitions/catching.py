"""Slips in ``catch``: errors that cannot come, and retry policies whose parts are in each other's way."""

import difflib
from collections.abc import Callable
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from tocsin.definitions.reading import Value
from tocsin.definitions.spots import Object, Spot, below, mapping
from tocsin.definitions.timing import fixed, told
from tocsin.definitions.wording import token

_STANDARD: Final = (
    "configuration", "validation", "expression", "authentication", "authorization", "timeout", "communication", "runtime",
)  # fmt: skip
_HOSTS: Final = ("open-workflow-specification.org", "serverlessworkflow.io")
_ANY: Final = ""  # a type of error that only a run knows
_DEEPEST: Final = 20  # functions that call functions


def catch_slips(document: Object, every: list[Spot], warn: Callable[[str, str, str | None], None]) -> None:
    """Say what is odd about each catch and each retry policy.

    Args:
        document: The document.
        every: Its tasks.
        warn: Takes pointer, what is odd, and what to do about it.
    """
    use = mapping(document.get("use"))
    for name, policy in mapping(use.get("retries")).items():
        _policy(f"/use/retries/{token(name)}", mapping(policy), warn)
    for spot in every:
        if "try" not in spot.task:
            continue
        catch, place = mapping(spot.task.get("catch")), f"{spot.pointer}/catch"
        if spot.task["try"] == []:
            warn(f"{spot.pointer}/try", "nothing is tried, so there is nothing to catch", "Add tasks, or remove the try.")
            continue
        _conditions(place, catch, "the catch takes no error", warn)
        _filter(spot, mapping(mapping(catch.get("errors")).get("with")), use, warn)
        if isinstance(catch.get("retry"), dict):
            _policy(f"{place}/retry", mapping(catch["retry"]), warn)


def _conditions(place: str, given: Object, so: str, warn: Callable[[str, str, str | None], None]) -> None:
    when, unless = given.get("when"), given.get("exceptWhen")
    if isinstance(when, str) and isinstance(unless, str) and when.split() == unless.split():
        warn(f"{place}/exceptWhen", f"'when' and 'exceptWhen' are the same: {so}", "Remove one of them.")


def _filter(spot: Spot, wanted: Object, use: Object, warn: Callable[[str, str, str | None], None]) -> None:
    """An error that meets this has to come from what is tried."""
    place, kind, instance = f"{spot.pointer}/catch/errors/with", wanted.get("type"), wanted.get("instance")
    inside = [inner for inner in below(spot) if inner.pointer.startswith(f"{spot.pointer}/try/")]
    raised = _raised(inside, use, 0)
    stated = isinstance(instance, str) and instance.startswith("/") and spot.pointer.startswith("/do/")
    if stated and _ANY not in raised and not f"{instance}/".startswith(f"{spot.pointer}/try/"):
        said = f"no error of what is tried is of '{str(instance)[:80]}', so this catches nothing"
        warn(f"{place}/instance", said, f"Instances of these tasks begin with {spot.pointer}/try/.")
    if not isinstance(kind, str) or "${" in kind:
        return
    if _is_standard(kind):
        last = kind.rstrip("/").rpartition("/")[2]
        if last not in _STANDARD and kind not in raised:
            close = difflib.get_close_matches(last, _STANDARD, n=1)
            hint = f"Did you mean '{close[0]}'?" if close else f"Types: {', '.join(_STANDARD)}."
            warn(f"{place}/type", f"'{last[:80]}' is no standard type of error, so this catches nothing", hint)
    elif _ANY not in raised and kind not in raised:
        hint = "Only the standard types come from calls and programs; others are raised."
        warn(f"{place}/type", f"nothing that is tried raises an error of the type '{kind[:80]}'", hint)


def _is_standard(kind: str) -> bool:
    host = urlsplit(kind).hostname or ""
    return any(host == known or host.endswith(f".{known}") for known in _HOSTS)


def _raised(inside: list[Spot], use: Object, depth: int) -> set[str]:
    """The types of errors that tasks raise themselves; :data:`_ANY` among them where only a run knows."""
    found: set[str] = set()
    functions, errors = mapping(use.get("functions")), mapping(use.get("errors"))
    if use.get("extensions"):
        found.add(_ANY)  # their tasks are woven in
    for spot in inside:
        error = mapping(spot.task.get("raise")).get("error")
        if isinstance(error, str):
            error = errors.get(error)
        kind = mapping(error).get("type")
        if "raise" in spot.task:
            found.add(kind if isinstance(kind, str) and "{" not in kind else _ANY)
        called = spot.task.get("call")
        if isinstance(called, str) and called in functions and depth < _DEEPEST:
            body = Spot("", called, mapping(functions[called]), ())
            found |= _raised([body, *below(body)], use, depth + 1)
        elif "workflow" in mapping(spot.task.get("run")) or (isinstance(called, str) and ("@" in called or "://" in called)):
            found.add(_ANY)
    return found


def _policy(place: str, policy: Object, warn: Callable[[str, str, str | None], None]) -> None:
    limit, jitter = mapping(policy.get("limit")), mapping(policy.get("jitter"))
    attempt = mapping(limit.get("attempt"))
    delay, total, one = fixed(policy.get("delay")), fixed(limit.get("duration")), fixed(attempt.get("duration"))
    low, high = fixed(jitter.get("from")), fixed(jitter.get("to"))
    _conditions(place, policy, "nothing is tried again", warn)
    if attempt.get("count") == 0:
        warn(
            f"{place}/limit/attempt/count", "a count of 0 means that nothing is tried again", "Remove the retry, or allow more."
        )
    first = (delay or timedelta()) + (low or timedelta())
    if total is not None and first > total:
        said = f"nothing is tried again: the first delay of {told(first)} is longer than the limit of {told(total)}"
        warn(f"{place}/limit/duration", said, "Make the limit longer, or the delay shorter.")
    if total is not None and one is not None and one > total:
        said = f"one attempt may take {told(one)}, all of them together {told(total)}"
        warn(f"{place}/limit/attempt/duration", said, f"Make it shorter than {told(total)}.")
    if low is not None and high is not None and low > high:
        said = f"the range of the jitter is empty: it begins at {told(low)} and ends at {told(high)}"
        warn(f"{place}/jitter", said, "Swap 'from' and 'to'.")
    _backoff(place, policy, delay, warn)


def _backoff(place: str, policy: Object, delay: timedelta | None, warn: Callable[[str, str, str | None], None]) -> None:
    backoff, stated = mapping(policy.get("backoff")), policy.get("delay")
    growing: list[Value] = [kind for kind in ("linear", "exponential") if kind in backoff]
    if growing and (stated is None or delay == timedelta()):
        said = f"a backoff that is {growing[0]} multiplies the delay, and there is none: attempts follow at once"
        warn(f"{place}/backoff", said, "Give the policy a 'delay', PT1S say.")
