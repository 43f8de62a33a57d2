"""A run's state: a few small cells of tokens and scope instances, changed in place by the one fold that owns them.

A token is one live activation of a node, a scope instance one live activation of a scope; both leave the state when they
end, so it does not grow with the run's length. Ids are ``<cell>:<n>`` from a counter in the cell and never used twice: that is
the fence between activations, as ``#attempt`` is the fence inside one. Values held here are shared with effects and never
changed in place.
"""

from dataclasses import dataclass, field
from enum import Enum

from tocsin_executor.domain.inputs import Child, Evaluated, Lost, Parent, Result
from tocsin_executor.domain.remembered import OpState
from tocsin_executor.domain.values import Json, Millis, Problem

HEAD = "h"
"""Key of the cell that every run has."""

FORMAT = 2
"""Version of the cells' representation; the engine reads every older one and writes the newest."""


Parked = Result | Child | Evaluated | Lost
"""Inputs that wait for a resume."""


class RunStatus(Enum):
    """Where a run is; the last three are terminal and never change."""

    RUNNING = "running"
    WAITING = "waiting"
    SUSPENDED = "suspended"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    FAULTED = "faulted"
    CANCELLED = "cancelled"


TERMINAL = frozenset({RunStatus.COMPLETED, RunStatus.FAULTED, RunStatus.CANCELLED})


class Hold(Enum):
    """What a token waits on."""

    READY = "ready"
    """Its turn: it is on the agenda, and ``phase`` says what is to be done."""
    SENT = "sent"
    CHILD = "child"
    TIMER = "timer"
    LISTEN = "listen"
    BACKOFF = "backoff"
    APPROVAL = "approval"
    SCOPE = "scope"
    """Its child scope instances."""
    EVALUATING = "evaluating"


class Phase(Enum):
    """What is to be done with a token; a phase that asked for an evaluation is done again from its beginning."""

    ENTER = "enter"
    """Decide whether it runs at all."""
    BEGIN = "begin"
    """Transform the input and start the operation."""
    AGAIN = "again"
    """Start the operation once more: the attempt was lost."""
    FINISH = "finish"
    """Transform ``output``, export, and go on."""
    NEXT = "next"
    """Decide on the next iteration; ``output`` is what the last one gave."""
    GATHER = "gather"
    """Put the outputs together that its scopes gave."""
    CAUGHT = "caught"
    """Decide what becomes of the error in its state."""
    DEFAULT = "default"
    """Nobody has answered in time: take the default."""
    REUSED = "reused"
    """Go on with an output of an earlier run, which is transformed already."""
    CONSUME = "consume"
    """Take the next delivered event."""


class Purpose(Enum):
    """What an alarm is for."""

    TIMER = "timer"
    TIMEOUT = "timeout"
    BACKOFF = "backoff"
    DEADLINE = "deadline"
    REMINDER = "reminder"
    ATTEMPT = "attempt"
    """The bound of one attempt of a ``try``."""


@dataclass(slots=True)
class Token:
    """One live activation of a node.

    Attributes:
        id: ``<cell>:<n>``.
        node: Index in the program.
        scope: Id of the scope instance it lives in.
        hold: What it waits on.
        value: Raw input.
        input: Transformed input (the same object as ``value`` unless ``input.from`` changed it).
        created: When it was made.
        attempt: Number of the current attempt, 0 before the first.
        started: When its body began, or ``None``.
        worker: Who holds the attempt, if it said so.
        output: Raw output, in the phases that say so.
        target: Where it goes when it completes: an index into the node's ``out``.
        ending: It completes because the run ends (``then: end`` below it).
        timers: Alarms it has.
        kids: Ids of its open scope instances.
        phase: What is to be done at its turn.
        ticket: The evaluation it waits for: ``<site>/<number>``.
        asked: Evaluations it has asked for; a ticket is never used twice.
        memo: Answers of evaluations in this phase, by site: ``{"value": ...}`` or ``{"error": ...}``.
        state: What its op remembers.
    """

    id: str
    node: int
    scope: str
    hold: Hold
    value: Json
    input: Json
    created: Millis
    attempt: int = 0
    started: Millis | None = None
    worker: str | None = None
    output: Json = None
    target: int = 0
    ending: bool = False
    timers: int = 0
    kids: list[str] | None = None
    phase: Phase = Phase.ENTER
    ticket: str | None = None
    asked: int = 0
    memo: dict[str, Json] | None = None
    state: OpState | None = None


@dataclass(slots=True)
class Instance:
    """One live activation of a scope.

    Attributes:
        id: ``<cell>:<n>``.
        scope: Index in the program.
        owner: Id of the token it belongs to, or ``None`` for the root.
        tokens: Ids of its live tokens.
        index: Iteration or branch it is, or ``None``.
        names: Variables it defines.
        tried: Attempts of the ``try`` tasks around it, outermost first: ``<token>=<scope instance>``, parted by spaces.
    """

    id: str
    scope: int
    owner: str | None
    tokens: list[str]
    index: int | None = None
    names: dict[str, Json] | None = None
    tried: str = ""


@dataclass(slots=True)
class Cell:
    """A document of the state: tokens and scope instances with their alarms, sorted by ``(due, token, purpose)``."""

    key: str
    count: int = 0
    tokens: dict[str, Token] = field(default_factory=dict)
    scopes: dict[str, Instance] = field(default_factory=dict)
    timers: list[tuple[Millis, str, str]] = field(default_factory=list)

    @property
    def wake(self) -> Millis | None:
        """The least due time; the owner of the partition publishes a ``Wake`` then."""
        return self.timers[0][0] if self.timers else None


@dataclass(slots=True)
class Ghost:
    """What is still to be said about an activation that has left the state."""

    token: str
    node: int
    scope: str
    index: int | None
    created: Millis
    started: Millis | None
    attempt: int


@dataclass(slots=True)
class Revocation:
    """An attempt that was asked to stop and has not confirmed.

    Attributes:
        ghost: Its activation; ``None`` when that one's end was signalled already (it timed out).
        asked: When.
        above: Token of the cancelled composite that waits for this confirmation, or ``None``.
        child: It is a child run, and no worker has it.
    """

    ghost: Ghost | None
    asked: Millis
    above: str | None
    child: bool = False


@dataclass(slots=True)
class Dying:
    """A cancelled composite, some of whose attempts have not confirmed yet."""

    ghost: Ghost
    pending: int
    above: str | None


@dataclass(slots=True)
class Outcome:
    """How the run ends, or ended: exactly one of the three statuses that are terminal."""

    status: RunStatus
    output: Json = None
    error: Problem | None = None


@dataclass(slots=True)
class Head:
    """What a run has besides its root subtree.

    Attributes:
        digest: Digest of the definition it runs.
        status: See ``RunStatus``. Derived fields for an index are here: namespace, name, version, labels, started, ended.
        log: Position of the last input that changed it.
        now: The latest time it has seen; never goes back.
        sequence: Signals so far.
        seed: Source of all jitter.
        context: ``$context``.
        input: The workflow's raw input.
        agenda: Tokens to go on with at the next ``Continue``.
        generation: Of that ``Continue``.
        jumps: Jumps back without an input from outside; bounded.
        parked: Inputs that came while the run was suspended.
        revoking: Attempts asked to stop and not confirmed.
        dying: Cancelled composites that wait for those.
        fin: The outcome, waiting for confirmations; then final.
        heard: Position of the last event consumed, by ``<node>/<channel>``, of tasks that look back.
        reuse: Outputs of an earlier run to take; never changed.
        reused: How many were taken, where there are several for the same.
        origin: That earlier run.
        undo: What was completed and can be undone, in that order: node and output.
        large: Sizes of the large values that it has ever had, by digest.
    """

    digest: str
    namespace: str
    name: str
    version: str
    status: RunStatus
    log: int
    now: Millis
    seed: int
    context: Json
    input: Json
    parent: Parent | None
    depth: int
    labels: dict[str, str]
    started: Millis
    traceparent: str | None
    ended: Millis | None = None
    sequence: int = 0
    agenda: list[str] = field(default_factory=list)
    generation: int = 0
    jumps: int = 0
    suspended: bool = False
    parked: list[Parked] = field(default_factory=list)
    revoking: dict[str, Revocation] = field(default_factory=dict)
    dying: dict[str, Dying] = field(default_factory=dict)
    fin: Outcome | None = None
    heard: dict[str, int] = field(default_factory=dict)
    reuse: dict[str, dict[str, list[Json]]] | None = None
    reused: dict[str, int] = field(default_factory=dict)
    origin: str | None = None
    undo: list[tuple[int, Json]] = field(default_factory=list)
    large: dict[str, int] = field(default_factory=dict)


class RunState:
    """The loaded cells of one run, owned by one fold at a time.

    ``step`` changes them in place and adds the keys of changed cells to ``changed``; whoever saves clears it.

    Args:
        run: Run id.
    """

    __slots__ = ("cells", "changed", "head", "home", "run", "spilled")

    def __init__(self, run: str) -> None:
        """A run that does not exist yet: ``head`` is ``None`` until a ``Start`` is folded."""
        self.run = run
        self.head: Head | None = None
        self.home = Cell(HEAD)
        self.cells: dict[str, Cell] = {HEAD: self.home}
        self.changed: set[str] = set()
        self.spilled: dict[int, tuple[Json, str]] = {}
        """Large values that are stored apart already, by identity: the codec's memory."""

    @property
    def terminal(self) -> bool:
        """Whether nothing can change any more."""
        return self.head is not None and self.head.status in TERMINAL

    @property
    def wake(self) -> Millis | None:
        """The least due time of all loaded cells."""
        return min((cell.timers[0][0] for cell in self.cells.values() if cell.timers), default=None)
