"""What a run asks people now: a pure view of its state."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tocsin_executor.domain.approving import ApprovalSpec
from tocsin_executor.domain.deciding import Standing, listed, standing, wanted
from tocsin_executor.domain.ops.asking import approval_id
from tocsin_executor.domain.program import Node, Op, Program
from tocsin_executor.domain.remembered import ApprovalState
from tocsin_executor.domain.state import Hold, Purpose, RunState, Token
from tocsin_executor.domain.values import Json, Millis


@dataclass(frozen=True, slots=True)
class Question:
    """A question that waits for its answer.

    Attributes:
        id: Its id.
        run: The run that asks.
        namespace: The run's.
        workflow: The run's.
        activation: Of the task that asks.
        task: Its name.
        reference: JSON pointer of the task in the definition.
        request: Title, message, data, assignees and roles.
        form: JSON schema of an answer, or ``None``.
        since: When it was asked.
        deadline: Until when, or ``None``.
        reminders: How often it was said again.
        assignees: Who is asked by name, by now.
        away: Who has handed it over.
        answers: Those of several that were given.
        delegations: How it was handed over.
    """

    id: str
    run: str
    namespace: str
    workflow: str
    activation: str
    task: str
    reference: str
    request: Mapping[str, Json]
    form: Json
    since: Millis
    deadline: Millis | None
    reminders: int
    assignees: tuple[str, ...] = ()
    away: frozenset[str] = frozenset()
    answers: Sequence[Mapping[str, Json]] = ()
    delegations: Sequence[Mapping[str, Json]] = ()

    @property
    def roles(self) -> tuple[str, ...]:
        """Roles that may answer."""
        return listed(self.request, "roles")

    @property
    def wanted(self) -> tuple[int, int] | None:
        """How many approvals are wanted, and how many refusals end it; ``None`` where the first answer counts."""
        return wanted(self.request)

    def asks(self, name: str) -> bool:
        """Whether somebody is asked by name, by now."""
        return Standing(self.assignees, self.away).asks(name)


def questions_of(run: str, program: Program, state: RunState) -> list[Question]:
    """What a run asks people now."""
    head = state.head
    if head is None or not program.asks:
        return []
    return [_question(run, program, state, token) for token in state.home.tokens.values() if token.hold is Hold.APPROVAL]


def _question(run: str, program: Program, state: RunState, token: Token) -> Question:
    node, held = program.nodes[token.node], token.state
    assert isinstance(held, ApprovalState)
    due = next((at for at, owner, what in state.home.timers if owner == token.id and what == Purpose.DEADLINE.value), None)
    asked = standing(held.request, held.delegations)
    return Question(
        id=approval_id(run, token.id),
        run=run,
        namespace=program.namespace,
        workflow=program.name,
        activation=token.id,
        task=node.name,
        reference=node.ref,
        request=held.request,
        form=form_of(node),
        since=token.created,
        deadline=due,
        reminders=held.reminders,
        assignees=asked.names,
        away=asked.away,
        answers=[*held.answers],
        delegations=[*held.delegations],
    )


def inside(program: Program, state: RunState, task: str) -> list[Mapping[str, Json]]:
    """What would be asked, or is, inside of the live tasks that are called so: what stands in the definition."""
    meant = {
        token.node
        for token in state.home.tokens.values()
        if task in (token.id, program.nodes[token.node].ref, program.nodes[token.node].name)
    }
    found = [node for node in program.nodes if node.op is Op.APPROVE and meant & _around(program, node)]
    given = [node.definition.get("with") for node in found if isinstance(node.definition, Mapping)]
    return [one for one in given if isinstance(one, Mapping)]


def _around(program: Program, node: Node) -> set[int]:
    """A task and all around it."""
    around, at = {node.index}, program.scopes[node.scope].owner
    while at is not None:
        around.add(at)
        at = program.scopes[program.nodes[at].scope].owner
    return around


def form_of(node: Node) -> Json:
    """The form as the definition writes it."""
    if not isinstance(node.spec, ApprovalSpec) or not isinstance(node.definition, Mapping):
        return None
    given = node.definition.get("with")
    return given.get("form") if isinstance(given, Mapping) else None
