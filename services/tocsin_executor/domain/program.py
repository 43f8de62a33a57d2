"""What a definition compiles to: arrays of nodes and scopes addressed by small integers, immutable, one for each digest.

The step function reads nothing else of a definition. Front ends (Open Workflow now; BPMN and dependency graphs later) map their
constructs to these few operations, so a new language feature should be a mapping and not a new operation.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeAlias

from tocsin.expressions import Expression, Template
from tocsin_executor.domain.approving import ApprovalSpec
from tocsin_executor.domain.durations import Duration
from tocsin_executor.domain.schemas import Schema
from tocsin_executor.domain.values import Json, Millis

Source: TypeAlias = Expression | Template
"""What a transformation is: one expression, or data with expressions in it."""

EXIT = -1
"""Target that leaves the scope."""
END = -2
"""Target that ends the run."""


class Op(IntEnum):
    """The operations; ``step`` indexes its tables by them."""

    PASS = 0
    EVAL = 1
    EMIT = 2
    TASK = 3
    TIMER = 4
    LISTEN = 5
    CALL = 6
    THROW = 7
    CHOOSE = 8
    SEQ = 9
    FORK = 10
    LOOP = 11
    TRY = 12
    APPROVE = 13
    MAP = 14


@dataclass(frozen=True, slots=True)
class Pre:
    """Data flow into a task: condition on the raw input, schema of the raw input, transformation."""

    condition: Expression | None
    schema: Schema | None
    source: Source | None


@dataclass(frozen=True, slots=True)
class Post:
    """Data flow out of a task: transformation and schema, then export to the context and its schema; what it says of assets."""

    output: Source | None
    output_schema: Schema | None
    export: Source | None
    export_schema: Schema | None
    assets: Template | None = None


@dataclass(frozen=True, slots=True)
class EvalSpec:
    """``set``: the value that replaces the data."""

    value: Source


@dataclass(frozen=True, slots=True)
class EmitSpec:
    """``emit``: the event's attributes."""

    event: Template


@dataclass(frozen=True, slots=True)
class UriTemplate:
    """A URI with ``{names}`` of top-level fields of the task's input, and where it is in a call's ``with``."""

    path: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """Work by a worker.

    Attributes:
        runner: Kind of runner.
        queue: Queue its workers pull from.
        source: The definition's part the runner reads, unevaluated; ``requests.Deferred`` as JSON when ``deferred``.
        template: The same compiled; evaluated by the engine unless ``deferred``.
        uri: The URI template in it, or ``None``.
        deferred: The runner evaluates it: it names ``secrets``, or holds an open expression.
        awaited: Whether the task waits for the result.
    """

    runner: str
    queue: str
    source: Json
    template: Template
    uri: UriTemplate | None
    deferred: bool
    awaited: bool


@dataclass(frozen=True, slots=True)
class TimerSpec:
    """``wait``."""

    delay: Duration


@dataclass(frozen=True, slots=True)
class CallSpec:
    """A child run; ``silent`` if its output is not wanted (``return: none``)."""

    namespace: str
    name: str
    version: str
    input: Template | None
    awaited: bool
    silent: bool = False


@dataclass(frozen=True, slots=True)
class ThrowSpec:
    """``raise``: the error's fields."""

    error: Template


@dataclass(frozen=True, slots=True)
class Case:
    """One case of a ``switch``: its condition (``None`` for the default) and an index into the node's ``out``."""

    condition: Expression | None
    target: int


@dataclass(frozen=True, slots=True)
class ChooseSpec:
    """``switch``: cases in order; the default case, if any, is last."""

    cases: tuple[Case, ...]


@dataclass(frozen=True, slots=True)
class SeqSpec:
    """One child scope.

    Attributes:
        body: The scope.
        given: Makes its first input (arguments of a function); otherwise that is the task's.
        guard: Whether the extension around the task applies, or ``None``.
        bypass: Where the scope is entered when it does not.
        applies: Variable that holds the guard's answer for the tasks after.
    """

    body: int
    given: Template | None = None
    guard: Expression | None = None
    bypass: int | None = None
    applies: str | None = None


@dataclass(frozen=True, slots=True)
class ForkSpec:
    """Child scopes in parallel; all of them, the first that completes, or until the first branch of a subscription completes.

    Attributes:
        branches: Their scopes.
        compete: Whether the first that completes is the only one that counts.
        streams: The second branch is a call that sends messages, and the first goes through them: its output is the task's.
    """

    branches: tuple[int, ...]
    compete: bool
    streams: bool = False


@dataclass(frozen=True, slots=True)
class LoopSpec:
    """``for``: one child scope again and again; with a ``limit`` for several items at once."""

    body: int
    items: Source
    each: str
    at: str
    condition: Expression | None
    limit: int = 1


@dataclass(frozen=True, slots=True)
class RetrySpec:
    """A retry policy: when to try again, how long to wait, and how often."""

    when: Expression | None
    unless: Expression | None
    delay: Duration | None
    backoff: str
    jitter: tuple[Duration, Duration] | None
    count: int | None
    attempt_limit: Duration | None
    total_limit: Duration | None


@dataclass(frozen=True, slots=True)
class TrySpec:
    """``try``: the body, which errors are caught, and what follows.

    Attributes:
        body: Scope of the tasks tried.
        handler: Scope of ``catch.do``, or ``None``.
        filter: Values an error's fields must have.
        name: Variable that holds the error.
        when: Condition to catch, or ``None``.
        unless: Condition not to catch, or ``None``.
        retry: Policy, or ``None``.
        caught: Index into the node's ``out`` when an error was caught (0 when ``catch.then`` is absent).
    """

    body: int
    handler: int | None
    filter: dict[str, Json]
    name: str
    when: Expression | None
    unless: Expression | None
    retry: RetrySpec | None
    caught: int


@dataclass(frozen=True, slots=True)
class Correlation:
    """A value to extract from an event, and what it has to be: the template's, or that of the first event."""

    name: str
    source: Expression
    expect: Template | None


@dataclass(frozen=True, slots=True)
class Filter:
    """An event filter.

    Attributes:
        constants: Attributes that must be equal to a value, or match it as a pattern, as they are written.
        exact: Those of them that are plain values: what a correlator can look up.
        patterns: The others, compiled.
        conditions: Attributes with an expression on them: true, or equal to the attribute.
        correlations: Values that tie events together.
    """

    constants: dict[str, Json]
    exact: dict[str, Json]
    patterns: tuple[tuple[str, Schema], ...]
    conditions: tuple[tuple[str, Expression], ...]
    correlations: tuple[Correlation, ...]


@dataclass(frozen=True, slots=True)
class ListenSpec:
    """``listen``.

    Attributes:
        mode: ``one``, ``any`` or ``all``.
        filters: Filters in order; those of an ``until`` strategy follow from index ``until_from`` on.
        until_from: Index of the first ``until`` filter; equal to the number of filters when there is none.
        until_all: The ``until`` strategy wants all of its filters.
        until: Condition on the events so far, or ``None``.
        read: ``data``, ``envelope`` or ``raw``.
        body: Scope run for each event, or ``None``.
        each: Variable of the event in the body.
        at: Variable of its index.
        post: Output and export of each event, or ``None``.
        lookback: How long before its activation events still count; 0 for not at all.
        streams: What it goes through are the messages of a call beside it, and no events.
        keeps: Whether what each message gave is kept, for conditions and the output.
    """

    mode: str
    filters: tuple[Filter, ...]
    until_from: int
    until_all: bool
    until: Expression | None
    read: str
    body: int | None
    each: str
    at: str
    post: Post | None
    lookback: Millis = 0
    streams: bool = False
    keeps: bool = True


Spec: TypeAlias = (
    EvalSpec
    | EmitSpec
    | TaskSpec
    | TimerSpec
    | CallSpec
    | ThrowSpec
    | ChooseSpec
    | SeqSpec
    | ForkSpec
    | LoopSpec
    | TrySpec
    | ListenSpec
    | ApprovalSpec
    | None
)


@dataclass(slots=True)
class Node:
    """One task of the definition. Never changed after compilation (not frozen: the hot path reads it).

    Attributes:
        index: Its number in ``Program.nodes``.
        op: Operation.
        scope: Number of the scope it is in.
        name: Task's name.
        ref: JSON pointer in the definition.
        key: Stable identity across versions: names along the path, without list indexes.
        out: Targets: 0 is where ``then`` goes, others are cases of a switch or ``catch.then``.
        next: The next task in line (where a skipped task goes), or ``EXIT``.
        pre: Data flow in, or ``None``.
        post: Data flow out, or ``None``.
        timeout: Bound on the activation, or ``None``.
        spec: What the operation needs.
        definition: The task as written, for ``$task.definition``.
        silent: It is not a task of the definition (the workflow itself): no signals, no records.
        extended: It is the extended task itself inside its wrapper: it begins with the wrapper's input, and where it
            goes is where the wrapper goes.
        aside: It belongs to an extension: ``$task`` is the task that is extended.
        undo: Scope of the tasks that undo it, or ``None``.
    """

    index: int
    op: Op
    scope: int
    name: str
    ref: str
    key: str
    out: tuple[int, ...]
    next: int
    pre: Pre | None
    post: Post | None
    timeout: Duration | None
    spec: Spec
    definition: Json
    silent: bool = False
    extended: bool = False
    aside: bool = False
    undo: int | None = None


@dataclass(slots=True)
class Scope:
    """A list of tasks. ``parent`` and ``owner`` are ``None`` for the root."""

    index: int
    parent: int | None
    owner: int | None
    entry: int


@dataclass(slots=True)
class Program:
    """A compiled definition.

    Attributes:
        digest: Digest of the definition.
        namespace: The document's namespace.
        name: The document's name.
        version: The document's version.
        nodes: All nodes. Node 0 is the workflow itself: a silent ``SEQ`` with the workflow's input, output and timeout.
        scopes: All scopes; 0 is the root and holds node 0 only.
        keys: Stable key to node.
        definition: The whole document, for ``$workflow.definition``.
        queues: Queues its tasks use.
        runtime: ``$runtime``.
        asks: Whether a task of it asks people.
    """

    digest: str
    namespace: str
    name: str
    version: str
    nodes: tuple[Node, ...]
    scopes: tuple[Scope, ...]
    keys: dict[str, int] = field(default_factory=dict)
    definition: Json = None
    queues: frozenset[str] = frozenset()
    runtime: Json = None
    asks: bool = False
