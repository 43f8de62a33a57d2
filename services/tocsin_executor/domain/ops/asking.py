"""Asking people: ``call: approval``. It waits in the state like a timer does, and takes no worker's slot."""

from tocsin.errors import Defect
from tocsin_executor.domain.approving import ApprovalSpec
from tocsin_executor.domain.effects import Transition
from tocsin_executor.domain.flow import bounded, duration, evaluate, iso
from tocsin_executor.domain.fold import Fold
from tocsin_executor.domain.interrupts import Raised
from tocsin_executor.domain.ops.data import done
from tocsin_executor.domain.ops.timing import waits
from tocsin_executor.domain.program import Node
from tocsin_executor.domain.remembered import ApprovalState
from tocsin_executor.domain.state import Hold, Phase, Purpose, Token
from tocsin_executor.domain.values import ErrorKind, Json, Millis, problem

NAMES = 50
"""Assignees and roles an approval may have."""

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


def answer(fold: Fold, token: Token, output: Json, actor: str | None) -> str | None:
    """Somebody answers: why the answer is not taken, or ``None``."""
    node = fold.nodes[token.node]
    if token.hold is not Hold.APPROVAL:
        return "the task does not wait for an answer"
    form = _spec(node).form
    complaint = None if form is None else form.complaint(output)
    if complaint is not None:
        return f"the answer does not fit the form: {complaint}"
    token.worker = actor
    fold.clear_alarms(token, Purpose.DEADLINE)
    fold.clear_alarms(token, Purpose.REMINDER)
    fold.signal(Transition.APPROVAL_ANSWERED, token, {"approval": approval_id(fold.run, token.id)})
    fold.idle = True
    token.state = None
    done(fold, token, output)
    return None


def deadline_due(fold: Fold, token: Token, node: Node) -> None:
    """Nobody has answered: the default is the answer, or the task has timed out."""
    spec = _spec(node)
    fold.idle = True
    fold.clear_alarms(token, Purpose.REMINDER)
    data: dict[str, Json] = {"approval": approval_id(fold.run, token.id), "defaulted": spec.default is not None}
    fold.signal(Transition.APPROVAL_EXPIRED, token, data)
    token.state = None
    if spec.default is None:
        token.hold = Hold.READY
        fold.fail(token, problem(ErrorKind.TIMEOUT, f"nobody answered '{node.name}' before its deadline"))
    else:
        fold.turn(token, Phase.DEFAULT)


def default(fold: Fold, token: Token, node: Node) -> None:
    """The answer that nobody gave."""
    source = _spec(node).default
    if source is None:
        raise Defect("an approval without a default took it", node=node.ref, token=token.id)
    done(fold, token, bounded(evaluate(fold, token, "default", source, token.input), "the default"))


def reminder_due(fold: Fold, token: Token, node: Node) -> None:
    """Say it once more."""
    spec, state = _spec(node), token.state
    if not isinstance(state, ApprovalState) or spec.reminder is None:
        raise Defect("a reminder of what nobody is asked", node=node.ref, token=token.id)
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
    return request


def _said(fold: Fold, token: Token, deadline: Millis | None) -> dict[str, Json]:
    assert isinstance(token.state, ApprovalState)
    request = token.state.request
    return {
        "approval": approval_id(fold.run, token.id),
        "title": str(request.get("title", ""))[:500],
        "assignees": request.get("assignees", []),
        "roles": request.get("roles", []),
        "deadline": None if deadline is None else iso(fold.now + deadline),
    }
