"""Why a run waits: a pure function of its state and its program, that needs no history.

It is total: every reachable state has an explanation, and a run that is not over always waits for something that is named.
"""

from collections.abc import Collection, Mapping
from typing import assert_never

from tocsin_executor.domain.deciding import listed, standing, wanted
from tocsin_executor.domain.flow import iso
from tocsin_executor.domain.ops.asking import approval_id
from tocsin_executor.domain.ops.work import attempt_of, child_id
from tocsin_executor.domain.placing import told
from tocsin_executor.domain.program import CallSpec, Filter, ListenSpec, LoopSpec, Node, Program, TaskSpec
from tocsin_executor.domain.remembered import ApprovalState, ListenState, LoopState, MapState, TryState, counted
from tocsin_executor.domain.state import Hold, Purpose, RunState, Token
from tocsin_executor.domain.values import Json


def explain(program: Program, run: RunState) -> list[dict[str, Json]]:
    """What the run waits for, one entry for each reason; empty when it has ended or does not exist.

    Each entry has ``for`` (``worker``, ``time``, ``retry``, ``items``, ``approval``, ``event``, ``message``, ``child``,
    ``evaluation``, ``confirmation``, ``turn``, ``resume``), a sentence ``detail``, and where there is one the task: ``name``,
    ``reference``, ``token``. The other fields depend on ``for``: ``queue``, ``attempt``, ``since``, ``worker``, ``until``,
    ``error``, ``filters``, ``keys``, ``expected``, ``run``, ``approval``, ``assignees``.
    """
    head = run.head
    if head is None or run.terminal:
        return []
    found: list[dict[str, Json]] = []
    if head.suspended:
        detail = f"the run is suspended; {len(head.parked)} inputs wait for it to be resumed"
        found.append({"for": "resume", "detail": detail})
    for token in run.home.tokens.values():
        node = program.nodes[token.node]
        if isinstance(token.state, MapState) or (isinstance(token.state, LoopState) and token.hold is Hold.SCOPE):
            found.append({"name": node.name, "reference": node.ref, "token": token.id, **_items(token, node)})
        elif token.hold is not Hold.SCOPE or isinstance(token.state, ListenState):
            task: dict[str, Json] = {"name": node.name, "reference": node.ref, "token": token.id, "since": iso(token.created)}
            found.append({**task, **_reason(run, token, node)})
    for attempt, revocation in head.revoking.items():
        ghost = revocation.ghost
        named = {} if ghost is None else {"name": program.nodes[ghost.node].name, "reference": program.nodes[ghost.node].ref}
        detail = "the attempt was asked to stop, and nobody has confirmed that it has"
        found.append({"for": "confirmation", "detail": detail, "attempt": attempt, "since": iso(revocation.asked), **named})
    return found


def with_queues(
    waits: list[dict[str, Json]], served: Mapping[str, Collection[str]], there: Collection[str]
) -> list[dict[str, Json]]:
    """The same, with a word where a task waits for a worker of a queue that nobody serves, or is held by one that is gone.

    Args:
        waits: What a run waits for.
        served: Workers that take tasks, by queue; nobody, where all drain.
        there: Names of all workers that are there.
    """
    for wait in waits:
        if wait.get("for") != "worker":
            continue
        queue, worker = str(wait.get("queue")), wait.get("worker")
        gone = worker is not None and worker not in there
        if gone or (worker is None and not served.get(queue)):
            had = f"worker {worker} had it and is not heard of any more; it goes to" if gone else "it was sent to"
            why = ", all workers of which drain and take nothing new" if queue in served else ", which no worker serves now"
            wait["served"] = bool(served.get(queue))
            wait["detail"] = f"{had} {told(queue)}{'' if served.get(queue) else why}"
    return waits


def _reason(run: RunState, token: Token, node: Node) -> dict[str, Json]:
    match token.hold:
        case Hold.SENT:
            return _worker(run, token, node)
        case Hold.TIMER:
            until = _due(run, token, Purpose.TIMER)
            return {"for": "time", "detail": f"it waits until {until}", "until": until}
        case Hold.BACKOFF:
            until = _due(run, token, Purpose.BACKOFF)
            tried = token.state if isinstance(token.state, TryState) else None
            retries, error = (0, None) if tried is None else (tried.retries, tried.error)
            words = [str(error[part]) for part in ("title", "detail") if error.get(part)] if error else []
            why = f", because of {': '.join(words) or str(error.get('type'))}" if error else ""
            entry: dict[str, Json] = {"for": "retry", "detail": f"retry {retries} begins at {until}{why}", "until": until}
            return {**entry, "attempt": retries + 1, "error": dict(error) if error else None}
        case Hold.APPROVAL:
            return _people(run, token)
        case Hold.LISTEN | Hold.SCOPE:
            return _events(token, node)
        case Hold.CHILD:
            child = child_id(run.run, attempt_of(token))
            named = f"{node.spec.namespace}/{node.spec.name}" if isinstance(node.spec, CallSpec) else "another workflow"
            return {"for": "child", "detail": f"it waits for run {child} of {named}", "run": child}
        case Hold.EVALUATING:
            return {"for": "evaluation", "detail": "an expression is evaluated outside the engine", "ticket": token.ticket}
        case Hold.READY:
            return {"for": "turn", "detail": "it goes on in the next slice, or when the run is resumed"}
        case never:
            assert_never(never)


def _people(run: RunState, token: Token) -> dict[str, Json]:
    state = token.state if isinstance(token.state, ApprovalState) else ApprovalState({}, 0)
    asked, terms = state.request, wanted(state.request)
    names = [*standing(asked, state.delegations).names, *listed(asked, "roles")]
    until = _due(run, token, Purpose.DEADLINE)
    entry: dict[str, Json] = {"for": "approval", "approval": approval_id(run.run, token.id), "assignees": list(names)}
    detail = f"it waits for an answer from {' or '.join(names) or 'anybody who may give one'}: {asked.get('title')}"
    if terms is not None:
        agree = sum(1 for one in state.answers if one["approved"])
        detail += f" ({agree} of {terms[0]} approvals, {len(state.answers) - agree} of {terms[1]} refusals)"
    entry["detail"] = detail
    if until is not None:
        entry["until"] = until
    return entry


def _items(token: Token, node: Node) -> dict[str, Json]:
    """A ``for``: how far it is, and why no more of its items are alive."""
    done, alive, total = counted(token.state, len(token.kids or ())) or (0, 0, 0)
    entry: dict[str, Json] = {"for": "items", "done": done, "alive": alive, "total": total}
    if not isinstance(token.state, MapState):
        return {**entry, "limit": 1, "detail": f"{done} of {total} items have ended, one after the other"}
    limit = node.spec.limit if isinstance(node.spec, LoopSpec) else 0
    stored = len(token.state.asked)
    why = f"; {stored} pages of outputs or items are on their way" if stored else ""
    detail = f"{done} of {total} items have ended, {alive} are alive, {limit} may be at once{why}"
    return {**entry, "limit": limit, "detail": detail}


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _worker(run: RunState, token: Token, node: Node) -> dict[str, Json]:
    queue = node.spec.queue if isinstance(node.spec, TaskSpec) else ""
    entry: dict[str, Json] = {"for": "worker", "queue": queue, "attempt": attempt_of(token)}
    if token.worker is not None:
        entry["worker"] = token.worker
        entry["detail"] = f"worker {token.worker} has it since {iso(token.started or token.created)}"
    else:
        entry["detail"] = f"it was sent to {told(queue)}, and no worker has said yet that it holds it"
    until = _due(run, token, Purpose.TIMEOUT)
    if until is not None:
        entry["until"] = until
    return entry


def _events(token: Token, node: Node) -> dict[str, Json]:
    state = token.state
    if not isinstance(node.spec, ListenSpec) or not isinstance(state, ListenState):
        return {"for": "event", "detail": "it listens"}
    spec = node.spec
    if spec.streams:
        done = state.count - (token.hold is Hold.SCOPE)
        return {"for": "message", "detail": f"it has gone through {done} messages, {len(state.queue)} more wait in line"}
    still = [(index, found) for index, found in enumerate(spec.filters) if index not in state.taken]
    wanted = " or ".join(_words(index, found, state) for index, found in still) or "any event"
    line = f"; {len(state.queue)} more wait in line" if state.queue else ""
    return {
        "for": "event",
        "detail": f"it has consumed {len(state.consumed)} events{line}, and waits for {wanted}",
        "filters": [_filter(found) for _, found in still],
        "keys": state.keys,
        "expected": state.expected,
        "delivered": state.cursor + state.signals,
    }


def _filter(wanted: Filter) -> Json:
    return {**wanted.constants, **{name: f"${{ {expression.text.strip()} }}" for name, expression in wanted.conditions}}


def _words(index: int, wanted: Filter, state: ListenState) -> str:
    """A filter as part of a sentence."""
    parts = [f"{name} {value}" for name, value in wanted.constants.items()]
    parts += [f"{name} where {expression.text.strip()}" for name, expression in wanted.conditions]
    for rule in wanted.correlations:
        known = state.expected.get(f"{index}/{rule.name}", state.keys.get(rule.name))
        parts.append(f"{rule.name} ({rule.source.text.strip()}) {'of any value' if known is None else f'= {known!r}'}")
    return "an event with " + ", ".join(parts) if parts else "any event"


def _due(run: RunState, token: Token, purpose: Purpose) -> str | None:
    due = next((due for due, owner, what in run.home.timers if owner == token.id and what == purpose.value), None)
    return None if due is None else iso(due)
