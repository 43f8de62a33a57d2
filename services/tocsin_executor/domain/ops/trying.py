"""``try``: attempts, which errors are caught, retries with backoff, and the handler.

An error inside is either retried, handled, swallowed (a ``catch`` with neither retry nor ``do``) or raised again. Retry comes
first; when it is exhausted or refused, ``catch.do`` runs, and without one the error leaves the task.
"""

import hashlib

from tocsin.errors import Defect
from tocsin_executor.domain.effects import Transition
from tocsin_executor.domain.flow import condition, duration
from tocsin_executor.domain.fold import Fold
from tocsin_executor.domain.ops.data import done
from tocsin_executor.domain.ops.timing import waits
from tocsin_executor.domain.program import Node, RetrySpec, TrySpec
from tocsin_executor.domain.remembered import TryState
from tocsin_executor.domain.state import Hold, Instance, Phase, Purpose, Token
from tocsin_executor.domain.values import ErrorKind, Json, Millis, Problem, problem, same_type

MAX_RETRIES = 10_000
_LONGEST = 500  # characters of a reason
LONGEST_BACKOFF: Millis = 86_400_000  # exponential growth stops at a day


def begin_try(fold: Fold, token: Token, node: Node) -> None:
    """The first attempt."""
    token.state = TryState(0, fold.now, None, handling=False)
    fold.begin_body(token)
    fold.turn(token, Phase.NEXT)


def next_attempt(fold: Fold, token: Token, node: Node) -> None:
    """Run the whole list from its start, with the same input and the context as it now is."""
    spec, state = _parts(token, node)
    bound = None
    if spec.retry is not None and spec.retry.attempt_limit is not None:
        bound = duration(fold, token, "attempt", spec.retry.attempt_limit)
    if state.retries:
        fold.signal(Transition.TASK_RETRIED, token, {"attempt": state.retries + 1, "reason": _words(state.error)})
        state.error = None
    if bound is not None:
        fold.set_alarm(token, bound, Purpose.ATTEMPT)
    fold.open_scope(token, spec.body, token.input, None, None)


def _words(error: Problem | None) -> str | None:
    """What went wrong, for whoever wonders why it is tried again."""
    told = [str(error[part]) for part in ("title", "detail") if error and error.get(part)]
    return ": ".join(told)[:_LONGEST] or None


def closed_try(fold: Fold, token: Token, node: Node, instance: Instance, value: Json) -> None:
    """The attempt, or the handler, completed."""
    spec, state = _parts(token, node)
    fold.clear_alarms(token, Purpose.ATTEMPT)
    if state.handling:
        token.target = spec.caught
    done(fold, token, value)


def failed_try(fold: Fold, token: Token, node: Node, instance: Instance, error: Problem) -> None:
    """An error inside: of the handler it leaves the task; of the attempt it may be caught."""
    _, state = _parts(token, node)
    if state.handling:
        fold.fail(token, error)
        return
    fold.clear_alarms(token, Purpose.ATTEMPT)
    state.error = error
    fold.turn(token, Phase.CAUGHT)


def attempt_due(fold: Fold, token: Token, node: Node) -> None:
    """An attempt took too long: an error like those from inside."""
    fold.cancel_kids(token, None)
    error = problem(ErrorKind.TIMEOUT, f"an attempt of task '{node.name}' did not end within its limit")
    _, state = _parts(token, node)
    state.error = {**error, "instance": node.ref}
    fold.turn(token, Phase.CAUGHT)


def backoff_due(fold: Fold, token: Token, node: Node) -> None:
    """The delay before the next attempt is over."""
    fold.idle = True
    fold.turn(token, Phase.NEXT)


def caught(fold: Fold, token: Token, node: Node) -> None:
    """Decide what becomes of the error in the token's state."""
    spec, state = _parts(token, node)
    error = state.error
    if error is None:
        raise Defect("nothing was caught", node=node.ref, token=token.id)
    names: dict[str, Json] = {spec.name: error}
    if not _matches(spec, error) or not _wanted(fold, token, spec, names):
        fold.fail(token, error)
        return
    delay = None if spec.retry is None else _plan(fold, token, spec.retry, state, names)
    if delay is not None:
        state.retries += 1
        if delay <= 0:
            fold.turn(token, Phase.NEXT)
        else:
            fold.set_alarm(token, delay, Purpose.BACKOFF)
            waits(fold, token, Hold.BACKOFF)
    elif spec.handler is not None:
        state.handling = True
        fold.open_scope(token, spec.handler, token.input, None, names)
    elif spec.retry is not None:
        fold.fail(token, error)
    else:
        token.target = spec.caught
        done(fold, token, token.input)


def _wanted(fold: Fold, token: Token, spec: TrySpec, names: dict[str, Json]) -> bool:
    if spec.when is not None and not condition(fold, token, "when", spec.when, token.input, extra=names):
        return False
    return spec.unless is None or not condition(fold, token, "exceptWhen", spec.unless, token.input, extra=names)


def _matches(spec: TrySpec, error: Problem) -> bool:
    """Whether the error has all values of the static filter."""
    for name, wanted in spec.filter.items():
        found = error.get(name)
        if name == "type" and isinstance(found, str) and isinstance(wanted, str):
            if not same_type(found, wanted):
                return False
        elif found != wanted:
            return False
    return True


def _plan(fold: Fold, token: Token, policy: RetrySpec, state: TryState, names: dict[str, Json]) -> Millis | None:
    """The delay before the next attempt, or ``None`` when there is none to be."""
    number = state.retries + 1
    if number > MAX_RETRIES or (policy.count is not None and number > policy.count):
        return None
    if policy.when is not None and not condition(fold, token, "retry.when", policy.when, token.input, extra=names):
        return None
    if policy.unless is not None and condition(fold, token, "retry.exceptWhen", policy.unless, token.input, extra=names):
        return None
    delay = 0 if policy.delay is None else duration(fold, token, "delay", policy.delay, names)
    if policy.backoff == "linear":
        delay *= number
    elif policy.backoff == "exponential":
        delay = min(delay << min(number - 1, 40), max(LONGEST_BACKOFF, delay))
    if policy.jitter is not None:
        low = duration(fold, token, "jitter.from", policy.jitter[0], names)
        high = duration(fold, token, "jitter.to", policy.jitter[1], names)
        delay += low + sample(fold.head.seed, token.id, number, max(0, high - low) + 1)
    if policy.total_limit is not None:
        limit = duration(fold, token, "limit", policy.total_limit, names)
        if fold.now + delay > state.since + limit:
            return None
    return delay


def sample(seed: int, token: str, attempt: int, size: int) -> int:
    """A number in [0, ``size``) that folding again gives again."""
    digest = hashlib.blake2b(f"{seed}/{token}#{attempt}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % size


def _parts(token: Token, node: Node) -> tuple[TrySpec, TryState]:
    if not isinstance(node.spec, TrySpec) or not isinstance(token.state, TryState):
        raise Defect("a try without its state", node=node.ref, token=token.id)
    return node.spec, token.state
