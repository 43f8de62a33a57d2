"""The machine that all operations share: tokens are made, take turns, complete, fail and are cancelled here and nowhere else.

A fold lives for one input. Operations register what they do when a token begins, when one of its scopes completes, and when an
error reaches it; the machine keeps the books, so that state and signals cannot disagree. Nothing is changed before everything
that can fail has been evaluated: ``Raised`` and ``Postponed`` leave a phase as it was found.
"""

from bisect import insort
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from tocsin.errors import Defect
from tocsin_executor.domain.effects import ContinueRun, Effect, Record, Signal, Transition
from tocsin_executor.domain.inputs import Message
from tocsin_executor.domain.interrupts import Postponed, Raised
from tocsin_executor.domain.program import END, EXIT, Node, Op, Program
from tocsin_executor.domain.state import (
    Cell,
    Dying,
    Ghost,
    Head,
    Hold,
    Instance,
    Outcome,
    Phase,
    Purpose,
    Revocation,
    RunState,
    RunStatus,
    Token,
)
from tocsin_executor.domain.undoing import not_undone, remember
from tocsin_executor.domain.values import ErrorKind, Json, Millis, Problem, problem

FUEL = 500
"""Transitions a step makes before it lets other runs have their turn."""

JUMPS = 10_000
"""Jumps back without an input from outside: more is a loop that gets nowhere."""


@dataclass(frozen=True, slots=True)
class Tables:
    """What operations do, indexed by ``Op``; phases by ``Phase``.

    Attributes:
        begin: The operation starts (input is transformed, nothing else has happened).
        closed: A scope instance of the token completed with a value (the instance is gone).
        failed: An error left a scope instance of the token (the instance is gone).
        withdraw: The token leaves the state before its operation ended; returns the attempt that has to confirm, if one does.
        phases: What is done at a token's turn.
        alarms: What an alarm does, by the value of its purpose.
    """

    begin: tuple[Callable[["Fold", Token, Node], None], ...]
    closed: tuple[Callable[["Fold", Token, Node, Instance, Json], None], ...]
    failed: tuple[Callable[["Fold", Token, Node, Instance, Problem], None], ...]
    withdraw: Callable[["Fold", Token, Node], str | None]
    phases: dict[Phase, Callable[["Fold", Token, Node], None]]
    alarms: dict[str, Callable[["Fold", Token, Node], None]]


class Fold:
    """One input's way through a run. Short-lived; owns the run's cells meanwhile."""

    __slots__ = ("agenda", "cell", "effects", "fuel", "head", "idle", "message", "nodes", "now", "program", "run", "tables")

    def __init__(self, program: Program, run: RunState, head: Head, message: Message, tables: Tables) -> None:
        """Start with the agenda an earlier slice left."""
        self.program = program
        self.nodes = program.nodes
        self.run = run.run
        self.cell: Cell = run.home
        self.head = head
        self.message = message
        self.tables = tables
        self.now: Millis = head.now
        self.effects: list[Effect] = []
        self.agenda = deque(head.agenda)
        self.fuel = FUEL
        self.idle = head.status is RunStatus.WAITING
        """A token began or ended to wait for time or events: the run's status has to be looked at."""

    # --- saying what happened

    def signal(self, kind: Transition, token: Token, data: dict[str, Json] | None = None, at: Millis | None = None) -> None:
        """Signal a transition of a task; silent nodes have none."""
        node = self.nodes[token.node]
        if node.silent:
            return
        head = self.head
        head.sequence += 1
        when = self.now if at is None else at
        self.effects.append(Signal(self.run, head.sequence, kind, token.id, node.name, node.ref, when, data))

    def announce(self, kind: Transition, data: dict[str, Json] | None = None) -> None:
        """Signal a transition of the run itself."""
        self.head.sequence += 1
        self.effects.append(Signal(self.run, self.head.sequence, kind, None, None, None, self.now, data))

    def record(self, token: Token, status: str, output: Json, error: Problem | None, ended: Millis | None = None) -> None:
        """Keep what became of an activation."""
        node = self.nodes[token.node]
        if node.silent:
            return
        instance = self.cell.scopes[token.scope]
        when = self.now if ended is None else ended
        self.effects.append(
            Record(
                self.run, token.id, token.scope, node.key, node.ref, node.name, instance.index, status, token.input, output,
                error, token.attempt, token.created, token.started, when, token.worker, instance.tried,
            )
        )  # fmt: skip

    def begin_body(self, token: Token, at: Millis | None = None) -> None:
        """The task's body runs now (or has, by the worker's clock)."""
        token.started = self.now if at is None else at
        self.signal(Transition.TASK_STARTED, token, None, token.started)

    # --- making tokens and scope instances

    def owner(self, token: Token) -> Token:
        """The token whose scope this one lives in; every token but the workflow's has one."""
        above = self.cell.scopes[token.scope].owner
        if above is None:
            raise Defect("the workflow itself is in no scope", run=self.run)
        return self.cell.tokens[above]

    def open_scope(
        self,
        owner: Token,
        scope: int,
        value: Json,
        index: int | None = None,
        names: dict[str, Json] | None = None,
        *,
        entry: int | None = None,
    ) -> None:
        """A new instance of a scope, with a token on its entry (or another of its nodes)."""
        cell = self.cell
        cell.count += 1
        instance = Instance(f"{cell.key}:{cell.count}", scope, owner.id, [], index, names, cell.scopes[owner.scope].tried)
        if self.nodes[owner.node].op is Op.TRY:
            instance.tried = f"{instance.tried} {owner.id}={instance.id}".lstrip()
        cell.scopes[instance.id] = instance
        if owner.kids is None:
            owner.kids = [instance.id]
        else:
            owner.kids.append(instance.id)
        owner.hold = Hold.SCOPE
        self.enter(instance, self.program.scopes[scope].entry if entry is None else entry, value)

    def enter(self, instance: Instance, node: int, value: Json) -> None:
        """A new token on a node, to take its turn."""
        cell = self.cell
        cell.count += 1
        token_id = f"{cell.key}:{cell.count}"
        cell.tokens[token_id] = Token(token_id, node, instance.id, Hold.READY, value, value, self.now)
        instance.tokens.append(token_id)
        self.agenda.append(token_id)

    def turn(self, token: Token, phase: Phase) -> None:
        """Put a token on the agenda for a phase, with no memory of evaluations."""
        token.phase = phase
        token.hold = Hold.READY
        token.memo = None
        self.agenda.append(token.id)

    def set_alarm(self, token: Token, delay: Millis, purpose: Purpose) -> None:
        """An alarm for a token, ``delay`` from now."""
        token.timers += 1
        insort(self.cell.timers, (self.now + delay, token.id, purpose.value))

    def clear_alarms(self, token: Token, purpose: Purpose | None = None) -> None:
        """Forget a token's alarms: all, or those of a purpose."""
        if token.timers:
            kept = [t for t in self.cell.timers if t[1] != token.id or (purpose is not None and t[2] != purpose.value)]
            token.timers -= len(self.cell.timers) - len(kept)
            self.cell.timers[:] = kept

    # --- taking turns

    def drain(self) -> None:
        """Let tokens take their turns until none is ready or the fuel is out; then the rest waits for a ``Continue``."""
        agenda, tokens, phases, nodes = self.agenda, self.cell.tokens, self.tables.phases, self.nodes
        while agenda and self.fuel:
            token = tokens.get(agenda.popleft())
            if token is None or token.hold is not Hold.READY:
                continue  # cancelled while it waited for its turn
            self.fuel -= 1
            try:
                phases[token.phase](self, token, nodes[token.node])
            except Raised as raised:
                self.fail(token, raised.problem)
            except Postponed:
                token.hold = Hold.EVALUATING

    def park_agenda(self) -> None:
        """At the end of a step: what is left of the agenda continues through the log."""
        head = self.head
        if self.agenda:
            head.agenda = list(self.agenda)
            if not head.suspended:
                head.generation += 1
                self.effects.append(ContinueRun(self.run, head.generation))
        elif head.agenda:
            head.agenda = []

    # --- leaving

    def complete(self, token: Token, value: Json, ended: Millis | None = None) -> None:
        """A token's data flow is done: signal, record, and go where its node says."""
        node = self.nodes[token.node]
        target = node.out[token.target]
        if node.extended:
            self.owner(token).target = token.target
        if 0 <= target <= token.node and not token.ending:
            self.head.jumps += 1
            if self.head.jumps > JUMPS:
                detail = f"no progress: {JUMPS} jumps back without waiting for anything"
                self.fail(token, problem(ErrorKind.RUNTIME, detail))
                return
        if node.undo is not None and (wrong := remember(self.head, node.index, value)) is not None:
            self.fail(token, wrong)
            return
        self.signal(Transition.TASK_COMPLETED, token)
        self.record(token, "completed", value, None, ended)
        instance = self.leave(token)
        if token.ending or target == END:
            self._end(instance, value)
        elif target == EXIT:
            self._close(instance, value)
        else:
            self.enter(instance, target, value)

    def skip(self, token: Token, reason: str | None = None) -> None:
        """The task's condition is false: its raw input goes to the next in line; ``then`` does not apply."""
        self.signal(Transition.TASK_SKIPPED, token, None if reason is None else {"reason": reason})
        self.record(token, "skipped", token.value, None)
        target = self.nodes[token.node].next
        instance = self.leave(token)
        if target == EXIT:
            self._close(instance, token.value)
        else:
            self.enter(instance, target, token.value)

    def leave(self, token: Token) -> Instance:
        """Take a token out of the state; returns the scope instance it was in."""
        cell = self.cell
        if token.timers:
            self.clear_alarms(token)
        instance = cell.scopes[token.scope]
        instance.tokens.remove(token.id)
        del cell.tokens[token.id]
        return instance

    def _close(self, instance: Instance, value: Json) -> None:
        """The scope instance completed: its owner goes on."""
        if instance.tokens:
            raise Defect("a scope instance completed while tokens live in it", run=self.run, scope=instance.id)
        owner = self._drop(instance)
        if owner is None:
            self.conclude(Outcome(RunStatus.COMPLETED, value))
        else:
            node = self.nodes[owner.node]
            self.tables.closed[node.op](self, owner, node, instance, value)

    def _end(self, instance: Instance, value: Json) -> None:
        """``then: end``: the owner completes with this value, after its other scopes are cancelled; and so on up to the run."""
        owner = self._drop(instance)
        if owner is None:
            self.conclude(Outcome(RunStatus.COMPLETED, value))
            return
        self.cancel_kids(owner, None)
        self.tables.withdraw(self, owner, self.nodes[owner.node])
        owner.output = value
        owner.ending = True
        self.clear_alarms(owner)
        self.turn(owner, Phase.FINISH)

    def _drop(self, instance: Instance) -> Token | None:
        """Take a scope instance without tokens out of the state; returns its owner."""
        del self.cell.scopes[instance.id]
        if instance.owner is None:
            return None
        owner = self.cell.tokens[instance.owner]
        if owner.kids is None:
            raise Defect("a scope instance is unknown to its owner", run=self.run, scope=instance.id)
        owner.kids.remove(instance.id)
        return owner

    # --- failing and cancelling

    def fail(self, token: Token, error: Problem) -> None:
        """An error leaves a token: what lives below it is cancelled, then the error goes up."""
        node = self.nodes[token.node]
        if "instance" not in error:
            error = {**error, "instance": node.ref}
        if token.phase is Phase.ENTER:
            self.signal(Transition.TASK_CREATED, token)
        self.cancel_kids(token, None)
        self._revoke(token, node, None, quiet=True)
        self.signal(Transition.TASK_FAULTED, token, {"error": error})
        self.record(token, "faulted", None, error)
        instance = self.leave(token)
        for sibling in tuple(instance.tokens):
            self.cancel(self.cell.tokens[sibling], None)
        owner = self._drop(instance)
        if owner is None:
            self.conclude(Outcome(RunStatus.FAULTED, None, error))
        else:
            above = self.nodes[owner.node]
            self.tables.failed[above.op](self, owner, above, instance, error)

    def cancel(self, token: Token, above: str | None) -> bool:
        """End a token from outside, with everything below it; whether something below has yet to confirm.

        Args:
            token: The token.
            above: Id of the cancelled composite that waits for the confirmations, or ``None``.
        """
        pending = self.cancel_kids(token, token.id)
        waits = self._revoke(token, self.nodes[token.node], above, quiet=False)
        if pending:
            self.head.dying[token.id] = Dying(self._ghost(token), pending, above)
        elif not waits and token.phase is not Phase.ENTER:
            self.vanish(self._ghost(token))
        self.leave(token)
        return waits or pending > 0

    def cancel_kids(self, token: Token, above: str | None) -> int:
        """Cancel all scope instances of a token; the number of confirmations that ``above`` has to wait for."""
        pending = 0
        for kid in token.kids or ():
            for inner in tuple(self.cell.scopes[kid].tokens):
                pending += self.cancel(self.cell.tokens[inner], above)
            del self.cell.scopes[kid]
        token.kids = None
        return pending

    def _revoke(self, token: Token, node: Node, above: str | None, *, quiet: bool) -> bool:
        if (attempt := self.tables.withdraw(self, token, node)) is None:
            return False
        ghost = None if quiet else self._ghost(token)
        self.head.revoking[attempt] = Revocation(ghost, self.now, above, token.hold is Hold.CHILD)
        return True

    def withdraw(self, token: Token) -> None:
        """What the task was doing is revoked; the token itself stays, for something else to become of it."""
        self.cancel_kids(token, None)
        self._revoke(token, self.nodes[token.node], None, quiet=True)
        self.clear_alarms(token)

    def confirm(self, attempt: str) -> None:
        """A revoked attempt runs no more: what waited for that is cancelled now, innermost first."""
        revocation = self.head.revoking.pop(attempt)
        if revocation.ghost is not None:
            self.vanish(revocation.ghost)
        above = revocation.above
        while above is not None:
            dying = self.head.dying[above]
            dying.pending -= 1
            if dying.pending:
                return
            del self.head.dying[above]
            self.vanish(dying.ghost)
            above = dying.above

    def _ghost(self, token: Token) -> Ghost:
        index = self.cell.scopes[token.scope].index
        return Ghost(token.id, token.node, token.scope, index, token.created, token.started, token.attempt)

    def vanish(self, ghost: Ghost, error: Problem | None = None) -> None:
        """Say what became of an activation that has left the state: cancelled, or faulted if nobody knows."""
        node = self.nodes[ghost.node]
        if node.silent:
            return
        head = self.head
        head.sequence += 1
        kind = Transition.TASK_CANCELLED if error is None else Transition.TASK_FAULTED
        data: dict[str, Json] | None = None if error is None else {"error": error}
        self.effects.append(Signal(self.run, head.sequence, kind, ghost.token, node.name, node.ref, self.now, data))
        self.effects.append(
            Record(
                self.run, ghost.token, ghost.scope, node.key, node.ref, node.name, ghost.index,
                "cancelled" if error is None else "faulted", None, None, error,
                ghost.attempt, ghost.created, ghost.started, self.now, None,
            )
        )  # fmt: skip

    # --- the run's end

    def conclude(self, outcome: Outcome) -> None:
        """The last token is gone: this is how the run ends, once everything revoked has confirmed."""
        fin = self.head.fin
        if fin is None:
            self.head.fin = outcome
        elif outcome.error is not None and outcome is not fin:  # something that was to be undone was not
            fin.error = not_undone(fin.error, outcome.error)
