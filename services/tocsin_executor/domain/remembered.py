"""What operations remember between turns: cursors, outputs of branches and items, retries, subscriptions, questions."""

from dataclasses import dataclass, field

from tocsin_executor.domain.values import Json, Millis, Problem

PAGE = 50
"""Items and outputs of a ``for`` that travel together: as many of the largest values that stay inline fit into a message."""


@dataclass(slots=True)
class LoopState:
    """Cursor of a ``for``.

    Attributes:
        items: The items, or those of a large collection that are at hand.
        index: Of the next item.
        source: The collection, if it is large.
        total: How many items there are.
        first: Index of the first of those at hand.
        step: How many of a large collection are taken at a time.
    """

    items: list[Json]
    index: int
    source: Json
    total: int
    first: int = 0
    step: int = PAGE

    @property
    def at_hand(self) -> bool:
        """Whether the next item is among those at hand."""
        return self.first <= self.index < self.first + len(self.items)


@dataclass(slots=True)
class MapState:
    """A ``for`` that has several items alive at once.

    Attributes:
        cursor: Which item is next.
        alive: How many are.
        pages: Outputs in the order of the items, ``PAGE`` of them each; a full page may be stored apart.
        left: By page that is not full: outputs that are missing.
        asked: By ticket: the page that is being stored apart, or -1 for items that are fetched.
    """

    cursor: LoopState
    alive: int = 0
    pages: list[Json] = field(default_factory=list)
    left: dict[int, int] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class ForkState:
    """Branches of a ``fork``: outputs by branch, how many have not ended, and how many have begun."""

    results: list[Json]
    open: int
    begun: int


@dataclass(slots=True)
class TryState:
    """Retries made after the first attempt, when that began, and the error being handled."""

    retries: int
    since: Millis
    error: Problem | None
    handling: bool


@dataclass(slots=True)
class ListenState:
    """A subscription.

    Attributes:
        cursor: Number of the last event delivered.
        consumed: What the events so far gave, in order.
        taken: Indexes of the filters that have been met.
        keys: Correlation values, by name.
        queue: Events delivered and not consumed yet.
        closing: The event that ends it has come.
        signals: As ``cursor``, of the platform's own signals.
        seen: The last events delivered, as digests of source and id: a sender may publish one twice.
        expected: Correlation values that the definition expects, by ``<filter>/<name>``.
        session: Of messages: who sends them. A call that is taken over by another worker subscribes anew.
        count: How many messages have been gone through.
        item: The event or message that is being gone through.
    """

    cursor: int
    consumed: list[Json]
    taken: list[int]
    keys: dict[str, Json]
    queue: list[Json]
    closing: bool
    signals: int = 0
    seen: list[str] = field(default_factory=list)
    expected: dict[str, Json] = field(default_factory=dict)
    session: str = ""
    count: int = 0
    item: Json = None


@dataclass(slots=True)
class ApprovalState:
    """A question to people.

    Attributes:
        request: What is asked.
        reminders: How often it was said again.
        answers: Those of several that were given: ``by``, ``person``, ``at``, ``approved``, ``answer``, ``reason``.
        delegations: Who handed it over: ``from``, ``to``, ``by``, ``at``, ``reason``.
    """

    request: dict[str, Json]
    reminders: int
    answers: list[dict[str, Json]] = field(default_factory=list)
    delegations: list[dict[str, Json]] = field(default_factory=list)


OpState = LoopState | MapState | ForkState | TryState | ListenState | ApprovalState


def counted(state: OpState | None, kids: int) -> tuple[int, int, int] | None:
    """How many items or branches have ended, are alive, and are there; ``None`` for a task that has none.

    Args:
        state: What the task remembers.
        kids: Its live scopes.
    """
    match state:
        case MapState(cursor=cursor, alive=alive):
            return cursor.index - alive, alive, cursor.total
        case LoopState():
            return state.index - kids, kids, state.total
        case ForkState():
            ended = len(state.results) - state.open
            return ended, state.begun - ended, len(state.results)
        case _:
            return None
