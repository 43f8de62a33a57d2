"""Asking people: ``call: approval``. It waits in the state like a timer does, and takes no worker's slot."""

from typing import cast

import orjson

from tocsin.errors import Defect
from tocsin_executor.domain.approving import NAMES, ApprovalSpec, is_count
from tocsin_executor.domain.deciding import bare, holder, listed, standing, verdict, wanted
from tocsin_executor.domain.effects import Transition
from tocsin_executor.domain.flow import bounded, duration, evaluate, iso
from tocsin_executor.domain.fold import Fold
from tocsin_executor.domain.inputs import Control
from tocsin_executor.domain.interrupts import Raised
from tocsin_executor.domain.large import APART
from tocsin_executor.domain.ops.data import done
from tocsin_executor.domain.ops.timing import waits
from tocsin_executor.domain.program import Node
from tocsin_executor.domain.remembered import ApprovalState
from tocsin_executor.domain.state import Hold, Phase, Purpose, Token
from tocsin_executor.domain.values import ErrorKind, Json, Millis, problem

SHORTEST: Millis = 60_000
"""Between two reminders, so that nobody is buried in them."""


def approval_id(run: str, token: str) -> str:
    """Id of an approval: its run, and the activation of its task, in letters that a path may have."""
    return f"{run}-{token.replace(':', '-')}"


def begin_approval(fold: Fold, token: Token, node: Node) -> None:
    """Ask; the task waits for the answer."""
    spec = _spec(node)
    asked = bounded(evaluate(fold, token, "asked", spec.asked, token.input), "the question")
    request = _checked(asked if isinstance(asked, dict) else {})
    deadline = None if spec.deadline is None else duration(fold, token, "deadline", spec.deadline)
    reminder = None if spec.reminder is None else duration(fold, token, "reminder", spec.reminder)
    fold.begin_body(token)
    token.state = ApprovalState(request, 0)
    if deadline is not None:
        fold.set_alarm(token, deadline, Purpose.DEADLINE)
    if reminder is not None:
        fold.set_alarm(token, max(reminder, SHORTEST), Purpose.REMINDER)
    fold.signal(Transition.APPROVAL_REQUESTED, token, _said(fold, token, deadline))
    waits(fold, token, Hold.APPROVAL)


def answer(fold: Fold, token: Token, message: Control) -> str | None:
    """Somebody answers: why the answer is not taken, or ``None``."""
    state = token.state
    if token.hold is not Hold.APPROVAL or not isinstance(state, ApprovalState):
        return "the task does not wait for an answer"
    form, several = _spec(fold.nodes[token.node]).form, wanted(state.request) is not None
    given = message.output
    if several:
        given = given.get("answer") if isinstance(given, dict) else None
    complaint = None if form is None else form.complaint(given)
    if complaint is not None:
        return f"the answer does not fit the form: {complaint}"
    if not several:
        _answered(fold, token, message.actor, given, {})
        return None
    return _count(fold, token, state, given, message)


def _count(fold: Fold, token: Token, state: ApprovalState, given: Json, message: Control) -> str | None:
    """One of several answers: the task goes on when they are enough."""
    person = _person(message)
    if not isinstance(given, dict) or not isinstance(given.get("approved"), bool):
        return "where several are asked, an answer is an object that says 'approved': true or false"
    if any(one["person"] == person for one in state.answers):
        return f"{bare(person)} has answered already"
    asked = standing(state.request, state.delegations)
    if bare(person) in asked.away:
        return f"{bare(person)} has handed it over to {holder(state.delegations, bare(person))}"
    one: dict[str, Json] = {"by": message.actor, "person": person, "at": iso(fold.now), "approved": given["approved"]}
    one |= {"answer": given, "reason": message.reason}
    size = len(orjson.dumps([*state.answers, one]))
    if size > APART:
        return f"with this one the answers have {size} bytes; the limit is {APART}"
    if len(state.answers) >= NAMES:
        return f"{NAMES} people have answered, which is the limit"
    state.answers.append(one)
    outcome = verdict(state.request, asked, state.answers)
    data: dict[str, Json] = {"approved": given["approved"], "answers": len(state.answers)}
    if outcome is not None:
        answers = cast("list[Json]", state.answers)
        _answered(fold, token, message.actor, {"approved": outcome, "answers": answers}, {**data, "approved": outcome})
        return None
    fold.idle = True
    fold.signal(Transition.APPROVAL_COUNTED, token, {"approval": approval_id(fold.run, token.id), **data})
    return None


def _answered(fold: Fold, token: Token, actor: str | None, output: Json, data: dict[str, Json]) -> None:
    """The question is decided, and what was said is the task's output."""
    token.worker = actor
    fold.clear_alarms(token, Purpose.DEADLINE)
    fold.clear_alarms(token, Purpose.REMINDER)
    fold.signal(Transition.APPROVAL_ANSWERED, token, {"approval": approval_id(fold.run, token.id), **data})
    fold.idle = True
    token.state = None
    done(fold, token, output)


def delegate(fold: Fold, token: Token, message: Control) -> str | None:
    """Somebody hands the question over to another person: why that is not done, or ``None``."""
    state, given = token.state, message.output
    if token.hold is not Hold.APPROVAL or not isinstance(state, ApprovalState) or not isinstance(given, dict):
        return "the task does not wait for an answer"
    source, target, asked = str(given.get("from")), str(given.get("to")), standing(state.request, state.delegations)
    answered = {bare(str(one["person"])) for one in state.answers}
    if len(state.delegations) >= NAMES:
        return f"it was handed over {NAMES} times already"
    if source in answered or target in answered:
        return f"{source if source in answered else target} has answered already"
    if source in asked.away or (given.get("named") is True and not asked.asks(source)):
        return f"{source} is not asked any more"
    if asked.asks(target):
        return f"{target} is asked already"
    one: dict[str, Json] = {"from": source, "to": target, "by": message.actor, "at": iso(fold.now), "reason": message.reason}
    state.delegations.append(one)
    fold.idle = True
    data: dict[str, Json] = {"delegator": source, "delegate": target, "reason": message.reason}
    fold.signal(Transition.APPROVAL_DELEGATED, token, {"approval": approval_id(fold.run, token.id), **data})
    return None


def _person(message: Control) -> str:
    """Who is behind an answer, also behind another credential of theirs."""
    person = message.output.get("person") if isinstance(message.output, dict) else None
    return str(person or message.actor)


def deadline_due(fold: Fold, token: Token, node: Node) -> None:
    """Nobody has answered: the default is the answer, or the task has timed out."""
    spec = _spec(node)
    fold.idle = True
    fold.clear_alarms(token, Purpose.REMINDER)
    data: dict[str, Json] = {"approval": approval_id(fold.run, token.id), "defaulted": spec.default is not None}
    fold.signal(Transition.APPROVAL_EXPIRED, token, data)
    state = _state(token, node)
    if spec.default is None:
        token.hold, token.state = Hold.READY, None
        who = f"only {len(state.answers)} answered" if state.answers else "nobody answered"
        fold.fail(token, problem(ErrorKind.TIMEOUT, f"{who} '{node.name}' before its deadline"))
    else:  # the state stays: what some of several have said by then is part of the output
        fold.turn(token, Phase.DEFAULT)


def default(fold: Fold, token: Token, node: Node) -> None:
    """The answer that nobody gave."""
    source = _spec(node).default
    if source is None:
        raise Defect("an approval without a default took it", node=node.ref, token=token.id)
    value = bounded(evaluate(fold, token, "default", source, token.input), "the default")
    state = _state(token, node)
    if wanted(state.request) is not None:
        approved = isinstance(value, dict) and value.get("approved") is True
        value = {"approved": approved, "answers": cast("list[Json]", state.answers), "default": value}
    token.state = None
    done(fold, token, value)


def reminder_due(fold: Fold, token: Token, node: Node) -> None:
    """Say it once more."""
    spec, state = _spec(node), _state(token, node)
    if spec.reminder is None:
        raise Defect("a reminder that nobody wants", node=node.ref, token=token.id)
    state.reminders += 1
    try:
        every = duration(fold, token, "reminder", spec.reminder)
    except Raised:
        return  # it could be evaluated when the question was asked; what the context has become since is no reason to fail
    fold.set_alarm(token, max(every, SHORTEST), Purpose.REMINDER)
    data: dict[str, Json] = {"approval": approval_id(fold.run, token.id), "reminders": state.reminders}
    fold.signal(Transition.APPROVAL_REMINDED, token, data)


def withdraw_approval(fold: Fold, token: Token) -> None:
    """Nobody need answer any more."""
    token.state = None
    fold.signal(Transition.APPROVAL_WITHDRAWN, token, {"approval": approval_id(fold.run, token.id)})


def _state(token: Token, node: Node) -> ApprovalState:
    if not isinstance(token.state, ApprovalState):
        raise Defect("an approval that asks nobody", node=node.ref, token=token.id)
    return token.state


def _spec(node: Node) -> ApprovalSpec:
    if not isinstance(node.spec, ApprovalSpec):
        raise Defect("an approval without its spec", node=node.ref)
    return node.spec


def _checked(request: dict[str, Json]) -> dict[str, Json]:
    """The question, if it is one.

    Raises:
        Raised: A part has no sense after its expressions were evaluated.
    """
    for name in ("title", "message"):
        if not isinstance(request.get(name, ""), str):
            raise Raised(problem(ErrorKind.VALIDATION, f"'{name}' of an approval is a text"))
    for name in ("assignees", "roles"):
        names = request.get(name, [])
        if not isinstance(names, list) or not all(isinstance(one, str) and one for one in names) or len(names) > NAMES:
            raise Raised(problem(ErrorKind.VALIDATION, f"'{name}' of an approval are at most {NAMES} names"))
    for name in ("approvals", "refusals"):
        count = request.get(name, 1)
        if isinstance(count, float) and count.is_integer():
            request[name] = count = int(count)
        if not is_count(count):
            raise Raised(problem(ErrorKind.VALIDATION, f"'{name}' of an approval is a whole number from 1 to {NAMES}"))
    terms, named = wanted(request), {bare(name) for name in listed(request, "assignees")}
    if terms is not None and named and not listed(request, "roles") and terms[0] > len(named):
        raise Raised(problem(ErrorKind.VALIDATION, f"{terms[0]} approvals are wanted, and {len(named)} may give one"))
    return request


def _said(fold: Fold, token: Token, deadline: Millis | None) -> dict[str, Json]:
    assert isinstance(token.state, ApprovalState)
    request = token.state.request
    return {
        "approval": approval_id(fold.run, token.id),
        "title": str(request.get("title", ""))[:500],
        "assignees": request.get("assignees", []),
        "roles": request.get("roles", []),
        "approvals": request.get("approvals"),
        "deadline": None if deadline is None else iso(fold.now + deadline),
    }
