"""What a run asks people now: a pure view of its state."""

from collections.abc import Mapping
from dataclasses import dataclass

from tocsin_executor.domain.approving import ApprovalSpec
from tocsin_executor.domain.ops.asking import approval_id
from tocsin_executor.domain.program import Node, Program
from tocsin_executor.domain.remembered import ApprovalState
from tocsin_executor.domain.state import Purpose, RunState, Token
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

    def names(self, part: str) -> tuple[str, ...]:
        """``assignees`` or ``roles``."""
        listed = self.request.get(part)
        return tuple(str(name) for name in listed) if isinstance(listed, list) else ()


def questions_of(run: str, program: Program, state: RunState) -> list[Question]:
    """What a run asks people now."""
    head = state.head
    if head is None or not program.asks:
        return []
    return [
        _question(run, program, state, token) for token in state.home.tokens.values() if isinstance(token.state, ApprovalState)
    ]


def _question(run: str, program: Program, state: RunState, token: Token) -> Question:
    node, held = program.nodes[token.node], token.state
    assert isinstance(held, ApprovalState)
    due = next((at for at, owner, what in state.home.timers if owner == token.id and what == Purpose.DEADLINE.value), None)
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
    )


def form_of(node: Node) -> Json:
    """The form as the definition writes it."""
    if not isinstance(node.spec, ApprovalSpec) or not isinstance(node.definition, Mapping):
        return None
    given = node.definition.get("with")
    return given.get("form") if isinstance(given, Mapping) else None
