"""The one door to the engine's core: fold an input into a run, get the effects.

Alarms that are due fire before the input is looked at, least ``(due, token, purpose)`` first: a result that reached the log
after a deadline loses, one that reached it before wins, however late the engine or the alarm clock was.
"""

from collections.abc import Callable
from typing import cast

from tocsin.errors import Defect
from tocsin.signals.nesting import too_deep
from tocsin_executor.domain import control, receive, turns
from tocsin_executor.domain.effects import Decision, Effect, Reply, ReportParent, Transition
from tocsin_executor.domain.fold import Fold, Tables
from tocsin_executor.domain.inputs import (
    Child,
    Claimed,
    Continue,
    Control,
    Evaluated,
    Event,
    Input,
    Lost,
    Result,
    Start,
    Stopped,
    Streamed,
    Wake,
)
from tocsin_executor.domain.large import NESTED, admit
from tocsin_executor.domain.ops import asking, composite, data, listening, mapping, streaming, timing, trying, work
from tocsin_executor.domain.program import Op, Program
from tocsin_executor.domain.state import HEAD, Head, Hold, Instance, Phase, Purpose, RunState, RunStatus
from tocsin_executor.domain.values import ErrorKind, problem

_BEGIN = {
    Op.PASS: data.begin_pass,
    Op.EVAL: data.begin_eval,
    Op.EMIT: data.begin_emit,
    Op.TASK: work.begin_task,
    Op.TIMER: timing.begin_timer,
    Op.LISTEN: listening.begin_listen,
    Op.APPROVE: asking.begin_approval,
    Op.CALL: work.begin_call,
    Op.THROW: data.begin_throw,
    Op.CHOOSE: data.begin_choose,
    Op.SEQ: composite.begin_seq,
    Op.FORK: composite.begin_fork,
    Op.LOOP: composite.begin_loop,
    Op.TRY: trying.begin_try,
    Op.MAP: mapping.begin_map,
}
_CLOSED = {
    Op.FORK: streaming.closed,
    Op.LOOP: composite.closed_loop,
    Op.TRY: trying.closed_try,
    Op.MAP: mapping.closed_map,
    Op.LISTEN: listening.closed_listen,
}
_IDLE = frozenset({Hold.TIMER, Hold.LISTEN, Hold.BACKOFF, Hold.APPROVAL})
_FAILED = {Op.FORK: composite.failed_fork, Op.TRY: trying.failed_try}

TABLES = Tables(
    begin=tuple(_BEGIN[op] for op in Op),
    closed=tuple(_CLOSED.get(op, composite.closed_seq) for op in Op),
    failed=tuple(_FAILED.get(op, composite.up) for op in Op),
    withdraw=work.withdraw,
    phases={
        Phase.ENTER: turns.enter,
        Phase.BEGIN: turns.begin,
        Phase.AGAIN: turns.again,
        Phase.FINISH: turns.finish,
        Phase.REUSED: turns.reused,
        Phase.DEFAULT: asking.default,
        Phase.NEXT: turns.proceed,
        Phase.GATHER: composite.gather,
        Phase.CAUGHT: trying.caught,
        Phase.CONSUME: listening.consume,
    },
    alarms={
        Purpose.TIMER.value: timing.timer_due,
        Purpose.TIMEOUT.value: timing.timeout_due,
        Purpose.BACKOFF.value: trying.backoff_due,
        Purpose.DEADLINE.value: asking.deadline_due,
        Purpose.REMINDER.value: asking.reminder_due,
        Purpose.ATTEMPT.value: trying.attempt_due,
    },
)

_Handler = Callable[[Fold, Input], str | None]
_HANDLERS = cast(
    "dict[type, _Handler]",
    {
        Result: receive.result,
        Claimed: receive.claimed,
        Lost: receive.lost,
        Stopped: receive.stopped,
        Event: listening.event,
        Streamed: streaming.streamed,
        Wake: receive.wake,
        Child: receive.child,
        Evaluated: receive.evaluated,
        Continue: receive.proceed,
        Control: control.control,
    },
)


def step(program: Program, run: RunState, message: Input) -> list[Effect]:
    """Fold one input, in log order, into the run's state.

    The state is changed in place and ``run.changed`` has the keys of cells to save. Deterministic: the same state and input
    give the same effects, with the same ids. An input that does not apply changes nothing and gives a ``Decision``.

    Args:
        program: The program of the run's digest (for ``Start``: of ``message.digest``).
        run: The run's loaded cells; a fresh ``RunState(run_id)`` for a run that does not exist.
        message: What happened.

    Returns:
        Effects in order of their making; dispatches may be published first.

    Raises:
        Defect: An invariant is broken; drop the run's cells, fold again from the last save, and park the input.
    """
    head = run.head
    if head is None:
        if isinstance(message, Start):
            return _start(program, run, message)
        return _refuse(run, message, "there is no such run")
    if isinstance(message, Start):
        return _refuse(run, message, "the run exists")
    if run.terminal:
        return _refuse(run, message, "the run has ended")
    fold = Fold(program, run, head, message, TABLES)
    fold.now = max(head.now, message.ts)
    fired = _fire_due(fold)
    reason = "the run has ended" if head.fin is not None and _over(fold) else _HANDLERS[type(message)](fold, message)
    if reason is not None:
        fold.effects.append(Decision(run.run, message.id, type(message).__name__.lower(), reason, fold.now))
        if isinstance(message, Control) and not any(isinstance(effect, Reply) for effect in fold.effects):
            fold.effects.append(Reply(run.run, message.command, accepted=False, reason=reason))
        if not fired:
            return fold.effects
    elif isinstance(message, Wake) and not fired:
        return fold.effects
    if not isinstance(message, Continue | Evaluated):
        head.jumps = 0
    return _end(fold, run)


def _start(program: Program, run: RunState, message: Start) -> list[Effect]:
    """The run begins: a token on the workflow itself."""
    head = run.head = Head(
        message.digest, program.namespace, program.name, program.version, RunStatus.RUNNING, message.pos, message.ts,
        message.seed, None, message.input, message.parent, message.depth, message.labels, message.ts, message.traceparent,
    )  # fmt: skip
    head.reuse, head.origin = message.reuse, message.origin
    for given in (message.input, message.reuse):
        admit(head.large, given)  # what it is given is never too much for it: the limit is on what it adds
    nested = too_deep(message.input) or too_deep(message.reuse)
    if nested:  # it cannot be written again: the run ends before it begins
        head.input = message.input = head.reuse = None
    fold = Fold(program, run, head, message, TABLES)
    fold.announce(Transition.WORKFLOW_STARTED, None if message.actor is None else {"actor": message.actor})
    root = Instance(f"{HEAD}:0", 0, None, [])
    fold.cell.scopes[root.id] = root
    fold.enter(root, program.scopes[0].entry, message.input)
    if nested:
        fold.fail(fold.cell.tokens[root.tokens[0]], problem(ErrorKind.VALIDATION, f"the input cannot be kept: {NESTED}"))
    return _end(fold, run)


def _end(fold: Fold, run: RunState) -> list[Effect]:
    """After the input: turns, what became due meanwhile, the status, and perhaps the run's end."""
    head = fold.head
    if not head.suspended:
        fold.drain()
        _fire_due(fold)
        while _undo(fold):
            fold.drain()
    fold.park_agenda()
    _settle(fold)
    head.now = fold.now
    head.log = fold.message.pos
    if fold.idle:
        _look(fold)
    run.changed.add(HEAD)
    return fold.effects


def _undo(fold: Fold) -> bool:
    """Begin to undo what was completed last, if the run ends badly and nothing of it lives any more."""
    head = fold.head
    fin = head.fin
    if fin is None or not head.undo or head.revoking or fold.cell.tokens or fin.status is RunStatus.COMPLETED:
        return False
    index, output = head.undo.pop()
    scope = fold.nodes[index].undo
    if scope is None:
        raise Defect("a task that cannot be undone is to be undone", run=fold.run, node=index)
    fold.cell.count += 1
    instance = Instance(f"{HEAD}:{fold.cell.count}", scope, None, [])
    fold.cell.scopes[instance.id] = instance
    fold.enter(instance, fold.program.scopes[scope].entry, output)
    return True


def _settle(fold: Fold) -> None:
    """The run becomes terminal if nothing is left to happen, and tells whoever started it."""
    head = fold.head
    fin = head.fin
    if fin is None or head.revoking or fold.cell.tokens:
        return
    head.undo = []
    head.status = fin.status
    head.ended = fold.now
    head.agenda, head.parked, head.context = [], [], None
    fold.agenda.clear()
    fold.announce(Transition("workflow." + fin.status.value), None if fin.error is None else {"error": fin.error})
    if head.parent is not None:
        cancelled = fin.status is RunStatus.CANCELLED
        fold.effects.append(
            ReportParent(fold.run, head.parent.run, head.parent.attempt, fin.output, fin.error, cancelled=cancelled)
        )


def _fire_due(fold: Fold) -> bool:
    """Let alarms fire that are due, in their order; whether one did."""
    timers, fired = fold.cell.timers, False
    while timers and timers[0][0] <= fold.now and not fold.head.suspended and fold.fuel:
        _, token_id, purpose = timers.pop(0)
        token = fold.cell.tokens[token_id]
        token.timers -= 1
        fired = True
        TABLES.alarms[purpose](fold, token, fold.nodes[token.node])
        fold.drain()
    return fired


def _over(fold: Fold) -> bool:
    """Whether alarms have ended the run before the input was looked at."""
    return not fold.cell.tokens and not fold.head.revoking


def _look(fold: Fold) -> None:
    """Does the run only wait for time and events now?"""
    head = fold.head
    if head.status not in (RunStatus.RUNNING, RunStatus.WAITING):
        return
    leaves = {token.hold for token in fold.cell.tokens.values() if token.hold is not Hold.SCOPE}
    status = RunStatus.WAITING if leaves and leaves <= _IDLE else RunStatus.RUNNING
    if status is not head.status:
        head.status = status
        fold.announce(Transition.WORKFLOW_STATUS_CHANGED, {"status": status.value})


def _refuse(run: RunState, message: Input, reason: str) -> list[Effect]:
    """Nothing changes; say why."""
    effects: list[Effect] = [Decision(run.run, message.id, type(message).__name__.lower(), reason, message.ts)]
    if isinstance(message, Control):
        effects.append(Reply(run.run, message.command, accepted=False, reason=reason))
    return effects
