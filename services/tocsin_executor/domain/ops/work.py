"""Work done elsewhere: by a worker (``call``, ``run``) or by a child run (``run.workflow``)."""

import hashlib
import json

from tocsin.errors import Defect
from tocsin_executor.domain.effects import Dispatch, Revoke, StartRun, StopRun, Unsubscribe
from tocsin_executor.domain.flow import elsewhere, environment, evaluate
from tocsin_executor.domain.fold import Fold
from tocsin_executor.domain.interrupts import Raised
from tocsin_executor.domain.large import Large
from tocsin_executor.domain.ops.asking import withdraw_approval
from tocsin_executor.domain.ops.data import done
from tocsin_executor.domain.program import CallSpec, ListenSpec, Node, TaskSpec, UriTemplate
from tocsin_executor.domain.remembered import ListenState
from tocsin_executor.domain.requests import UriUnresolved, expand, members, with_uri
from tocsin_executor.domain.state import Hold, Purpose, Token
from tocsin_executor.domain.values import ErrorKind, Json, Millis, problem

GRACE: Millis = 10_000
"""What a revoked task has to end by itself before it is killed."""

MAX_DEPTH = 64
"""Child runs below child runs; deeper is a recursion that does not end."""

STALE = "stale attempt"

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def attempt_of(token: Token) -> str:
    """Id of the token's current attempt: the fence against late results."""
    return f"{token.id}#{token.attempt}"


def waiting(fold: Fold, attempt: str, hold: Hold) -> Token | None:
    """The token whose current attempt this is, if it waits in that way."""
    token_id, _, number = attempt.rpartition("#")
    token = fold.cell.tokens.get(token_id)
    if token is None or token.hold is not hold or str(token.attempt) != number:
        return None
    return token


def child_id(run: str, attempt: str) -> str:
    """Id of a child run, derived from the attempt that starts it: 26 lower-case characters like every run id."""
    number = int.from_bytes(hashlib.sha256(f"{run}~{attempt}".encode()).digest()[:17], "big") >> 6
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def begin_task(fold: Fold, token: Token, node: Node) -> None:
    """Dispatch to a worker. What the runner reads is evaluated here, unless it may not be (secrets, open expressions)."""
    spec = node.spec
    if not isinstance(spec, TaskSpec):
        raise Defect("a task without its spec", node=node.ref)
    variables: dict[str, Json] | None = None
    data, given = spec.source, None
    if spec.deferred:
        variables = environment(fold, token, spec.template.names)
        given = token.input
    else:
        if not spec.template.constant:
            data = evaluate(fold, token, "with", spec.template, token.input, keep=True)
        if spec.uri is not None:
            data = _with_uri(fold, token, data, spec.uri)
    token.attempt += 1
    deadline = None
    if token.timers:
        deadline = next(
            (due for due, owner, what in fold.cell.timers if owner == token.id and what == Purpose.TIMEOUT.value), None
        )
    fold.effects.append(
        Dispatch(
            fold.run, f"{token.id}#{token.attempt}", node.index, spec.queue, spec.runner, node.name, node.ref,
            data, given, variables, deadline, fold.head.traceparent or fold.message.traceparent, not spec.awaited,
        )
    )  # fmt: skip
    if spec.awaited:
        token.hold = Hold.SENT
    else:
        fold.begin_body(token)
        done(fold, token, token.input)


def _with_uri(fold: Fold, token: Token, data: Json, template: UriTemplate) -> Json:
    """The request with its URI expanded; parts that are large are looked into elsewhere."""
    names = token.input
    if type(names) is Large:
        names = elsewhere(fold, token, "uri", members(template.text), names)
    try:
        if type(data) is Large:
            place, text = json.dumps(list(template.path)), json.dumps(expand(template.text, names))
            return elsewhere(fold, token, "expanded", f"setpath({place}; {text})", data)
        return with_uri(data, template, names)
    except UriUnresolved as exc:
        raise Raised(problem(ErrorKind.EXPRESSION, str(exc))) from exc


def begin_call(fold: Fold, token: Token, node: Node) -> None:
    """Start a child run; not awaited, the output is the input."""
    spec = node.spec
    if not isinstance(spec, CallSpec):
        raise Defect("a call without its spec", node=node.ref)
    if fold.head.depth >= MAX_DEPTH:
        raise Raised(problem(ErrorKind.RUNTIME, f"child runs are nested {fold.head.depth} deep; the limit is {MAX_DEPTH}"))
    given: Json = {}
    if spec.input is not None:
        given = evaluate(fold, token, "input", spec.input, token.input, keep=True)
    token.attempt += 1
    attempt = attempt_of(token)
    fold.begin_body(token)
    fold.effects.append(
        StartRun(
            fold.run, attempt, child_id(fold.run, attempt), spec.namespace, spec.name, spec.version, given,
            fold.head.depth + 1, spec.awaited,
        )
    )  # fmt: skip
    if spec.awaited:
        token.hold = Hold.CHILD
    else:
        done(fold, token, token.input)


def withdraw(fold: Fold, token: Token, node: Node) -> str | None:
    """The token leaves before its operation ended: take back what it asked for; returns the attempt that must confirm."""
    match token.hold:
        case Hold.SENT:
            attempt = attempt_of(token)
            queue = node.spec.queue if isinstance(node.spec, TaskSpec) else ""
            fold.effects.append(Revoke(fold.run, attempt, queue, GRACE))
            return attempt
        case Hold.CHILD:
            attempt = attempt_of(token)
            fold.effects.append(StopRun(fold.run, attempt, child_id(fold.run, attempt)))
            return attempt
        case Hold.APPROVAL:
            withdraw_approval(fold, token)
            return None
        case _:
            if isinstance(token.state, ListenState):
                token.state = None
                if isinstance(node.spec, ListenSpec) and node.spec.streams:
                    return None
                fold.effects.append(Unsubscribe(fold.run, token.id))
            return None
