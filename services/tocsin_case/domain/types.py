"""Types of cases: their own statuses and steps, what each step needs, their fields, and what is promised by priority.

A namespace without a type of a name has the standard one, so that cases work before anybody has configured anything.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import Enum
from typing import Final

from tocsin.errors import Invalid, Violation

FieldValue = str | int | float | bool | tuple[str, ...] | None
TEXT_LIMIT: Final = 4000  # characters of a custom field
LIST_LIMIT: Final = 100


class Stage(Enum):
    """What a status means to clocks, escalations and people, whatever a type calls it."""

    NEW = "new"  # nobody has answered
    ACTIVE = "active"  # somebody works on it
    PAUSED = "paused"  # waits for others; clocks are held
    RESOLVED = "resolved"
    CLOSED = "closed"

    @property
    def is_active(self) -> bool:
        """Whether somebody still has to do something."""
        return self not in {Stage.RESOLVED, Stage.CLOSED}


class Priority(Enum):
    """How soon."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def raised(self) -> "Priority":
        """The next higher one."""
        order = list(Priority)
        return order[min(order.index(self) + 1, len(order) - 1)]


class FieldKind(Enum):
    """What a custom field holds."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    CHOICE = "choice"
    LIST = "list"
    USER = "user"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSpec:
    """One custom field.

    Attributes:
        name: Its name.
        kind: What it holds.
        required: Whether a case cannot be opened without.
        choices: Of a choice; of a list, what its members may be (any when there are none).
        summary: For people.
    """

    name: str
    kind: FieldKind = FieldKind.TEXT
    required: bool = False
    choices: tuple[str, ...] = ()
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """A way from one status to another.

    Attributes:
        to: Where it leads.
        requires: What must have a value by then: ``resolution``, ``owner``, ``team``, ``fields.<name>`` ...
    """

    to: str
    requires: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StatusSpec:
    """One status.

    Attributes:
        name: Its name.
        stage: What it means.
        steps: Ways out of it.
    """

    name: str
    stage: Stage
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """What is promised, in business time; ``None`` promises nothing.

    Attributes:
        response: Until somebody has answered.
        update: From one word to the next.
        resolution: Until it is solved.
    """

    response: timedelta | None = None
    update: timedelta | None = None
    resolution: timedelta | None = None


class Strategy(Enum):
    """Who gets a case that nobody has."""

    NOBODY = "nobody"
    ROUND_ROBIN = "round-robin"
    LOAD = "load"  # whoever of the team has the fewest active cases
    ON_CALL = "on-call"


@dataclass(frozen=True, slots=True, kw_only=True)
class Playbook:
    """A workflow that can be started from a case.

    Attributes:
        name: Its name.
        workflow: What it starts.
        version: Of the workflow; ``None`` for the newest.
        input: JSON in which texts of the form ``${ .case.title }`` are jq expressions over the case.
        on: Case events that start it by themselves: ``opened``, ``breached``, ``resolved`` ...; none for people only.
        summary: For people.
    """

    name: str
    workflow: str
    version: str | None = None
    input: object = None
    on: tuple[str, ...] = ()
    summary: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseType:
    """One type of cases.

    Attributes:
        namespace: Where it is.
        name: Its name there; the ``kind`` of its cases.
        title: For people.
        initial: The status of a new case.
        statuses: All statuses.
        fields: Custom fields; others are refused unless ``open_fields``.
        open_fields: Whether cases may have fields that are not declared.
        sla: Promises by priority; ``*`` for every other priority.
        calendar: Name of the business calendar of its clocks; ``None`` for around the clock.
        warn_at: Share of the promised time after which a clock warns; 1 for never.
        escalation: Name of the escalation policy.
        assign: Who gets a case that nobody has.
        team: The team of a new case.
        queue: The queue of a new case.
        rotation: Name of the on-call rotation that ``assign: on-call`` asks.
        playbooks: What can be started from its cases.
    """

    namespace: str
    name: str
    title: str = ""
    initial: str = "open"
    statuses: tuple[StatusSpec, ...] = ()
    fields: tuple[FieldSpec, ...] = ()
    open_fields: bool = False
    sla: Mapping[str, Targets] = field(default_factory=dict)
    calendar: str | None = None
    warn_at: float = 0.8
    escalation: str | None = None
    assign: Strategy = Strategy.NOBODY
    team: str | None = None
    queue: str | None = None
    rotation: str | None = None
    playbooks: tuple[Playbook, ...] = ()

    @property
    def key(self) -> str:
        """Its name across namespaces."""
        return f"{self.namespace}/{self.name}"

    def status(self, name: str) -> StatusSpec | None:
        """The status of a name."""
        return next((status for status in self.statuses if status.name == name), None)

    def at_stage(self, stage: Stage) -> StatusSpec | None:
        """The first status of a stage; what the platform takes a case to."""
        return next((status for status in self.statuses if status.stage is stage), None)

    def targets(self, priority: Priority) -> Targets:
        """What is promised for a priority."""
        return self.sla.get(priority.value) or self.sla.get("*") or Targets()


def _steps(*ways: str) -> tuple[Step, ...]:
    return tuple(Step(way, ("resolution",) if way == "resolved" else ()) for way in ways)


STANDARD_STATUSES: Final = (
    StatusSpec("open", Stage.NEW, _steps("acknowledged", "in-progress", "on-hold", "waiting", "resolved", "closed")),
    StatusSpec("acknowledged", Stage.ACTIVE, _steps("in-progress", "on-hold", "waiting", "resolved", "closed")),
    StatusSpec("in-progress", Stage.ACTIVE, _steps("acknowledged", "on-hold", "waiting", "resolved", "closed")),
    StatusSpec("on-hold", Stage.PAUSED, _steps("acknowledged", "in-progress", "waiting", "resolved", "closed")),
    StatusSpec("waiting", Stage.PAUSED, _steps("acknowledged", "in-progress", "on-hold", "resolved", "closed")),
    StatusSpec("resolved", Stage.RESOLVED, _steps("open", "closed")),
    StatusSpec("closed", Stage.CLOSED, _steps("open")),
)


def standard(namespace: str, kind: str) -> CaseType:
    """The type of cases that nobody has configured."""
    return CaseType(namespace=namespace, name=kind, title="Standard", statuses=STANDARD_STATUSES, open_fields=True)


def checked(kind: CaseType) -> CaseType:
    """A type as it may be stored; without statuses it has the standard ones.

    Raises:
        Invalid: Steps that lead nowhere, a status that cannot be reached, no way to an end, a field declared twice.
    """
    if not kind.statuses:
        return checked(_with_standard(kind))
    names = [status.name for status in kind.statuses]
    wrong: list[Violation] = []
    if len(set(names)) < len(names):
        wrong.append(Violation("/statuses", "two statuses have the same name"))
    if kind.initial not in names:
        wrong.append(Violation("/initial", f"there is no status {kind.initial}", hint=f"one of {', '.join(names)}"))
    known_fields = {spec.name for spec in kind.fields}
    if len(known_fields) < len(kind.fields):
        wrong.append(Violation("/fields", "two fields have the same name"))
    for number, status in enumerate(kind.statuses):
        wrong += _wrong_steps(kind, status, f"/statuses/{number}/steps", names, known_fields)
    reached = _reachable(kind)
    wrong += [Violation("/statuses", f"no step leads to {name}") for name in names if name not in reached]
    stages = {status.stage for status in kind.statuses if status.name in reached}
    if not stages & {Stage.RESOLVED, Stage.CLOSED}:
        wrong.append(Violation("/statuses", "a case can never end", hint="one status needs the stage resolved or closed"))
    initial = kind.status(kind.initial)
    if initial is not None and not initial.stage.is_active:
        wrong.append(Violation("/initial", "a new case would be at its end"))
    for number, spec in enumerate(kind.fields):
        if spec.kind is FieldKind.CHOICE and not spec.choices:
            wrong.append(Violation(f"/fields/{number}/choices", "a choice needs choices"))
    if wrong:
        raise Invalid(f"case type {kind.name} cannot work: {wrong[0].detail}", violations=wrong)
    return kind


def check_fields(kind: CaseType, fields: Mapping[str, FieldValue], *, opening: bool) -> dict[str, FieldValue]:
    """Custom fields as they may be stored; ``None`` takes one away.

    Raises:
        Invalid: An unknown field, a value of another kind, or (at the opening) a required one that is missing.
    """
    specs = {spec.name: spec for spec in kind.fields}
    wrong = [
        Violation(f"/fields/{name}", problem)
        for name, value in fields.items()
        if (problem := _problem(specs.get(name), value, kind)) is not None
    ]
    if opening:
        missing = [spec.name for spec in kind.fields if spec.required and fields.get(spec.name) is None]
        wrong += [Violation(f"/fields/{name}", f"a case of type {kind.name} needs it") for name in missing]
    if wrong:
        raise Invalid(f"{wrong[0].pointer}: {wrong[0].detail}", violations=wrong)
    return {name: value for name, value in fields.items() if value is not None}


def _with_standard(kind: CaseType) -> CaseType:
    values = {name: getattr(kind, name) for name in CaseType.__dataclass_fields__}
    return CaseType(**{**values, "statuses": STANDARD_STATUSES})


def _wrong_steps(
    kind: CaseType, status: StatusSpec, place: str, names: list[str], known_fields: set[str]
) -> Iterable[Violation]:
    allowed = {"title", "description", "owner", "team", "queue", "resolution"}
    for number, step in enumerate(status.steps):
        if step.to not in names or step.to == status.name:
            yield Violation(f"{place}/{number}/to", f"there is no other status {step.to}")
        for need in step.requires:
            head, dot, rest = need.partition(".")
            declared = kind.open_fields or rest in known_fields
            if not (need in allowed or (head == "fields" and dot and declared)):
                hint = f"one of {', '.join(sorted(allowed))}, or fields.<name>"
                yield Violation(f"{place}/{number}/requires", f"there is no field {need}", hint=hint)


def _reachable(kind: CaseType) -> set[str]:
    reached, waiting = set[str](), [kind.initial]
    while waiting:
        name = waiting.pop()
        status = kind.status(name)
        if name not in reached and status is not None:
            reached.add(name)
            waiting += [step.to for step in status.steps]
    return reached


def _problem(spec: FieldSpec | None, value: FieldValue, kind: CaseType) -> str | None:
    if spec is None:
        return None if kind.open_fields or value is None else f"cases of type {kind.name} have no such field"
    if value is None:
        return None
    match spec.kind:
        case FieldKind.NUMBER:
            fits = isinstance(value, int | float) and not isinstance(value, bool)
        case FieldKind.BOOLEAN:
            fits = isinstance(value, bool)
        case FieldKind.LIST:
            members = value if isinstance(value, tuple) else ()
            fits = isinstance(value, tuple) and all(not spec.choices or member in spec.choices for member in members)
        case FieldKind.CHOICE:
            fits = value in spec.choices
        case FieldKind.DATE:
            fits = isinstance(value, str) and _is_date(value)
        case FieldKind.TEXT | FieldKind.USER:
            fits = isinstance(value, str) and len(value) <= TEXT_LIMIT
    if fits:
        return None
    choices = f": one of {', '.join(spec.choices)}" if spec.choices else ""
    return f"{value!r:.80} is no {spec.kind.value}{choices}"


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
