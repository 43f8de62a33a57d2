"""Moving a live run to another version of its definition: whether its position exists there, and the move.

A task is known by its key, the names on the way to it, so it is found again wherever it stands in the list. Only what is live
has to exist in the new version; what is over is over, and what comes is the new version's. Pure, so the dry run over all live
runs is the same code as the move.
"""

from dataclasses import dataclass, field

from tocsin_executor.domain.effects import Decision, Effect, Reply, Signal, Transition
from tocsin_executor.domain.inputs import Control
from tocsin_executor.domain.program import ForkSpec, Node, Program
from tocsin_executor.domain.state import HEAD, Hold, Phase, RunState, Token


@dataclass(slots=True)
class Plan:
    """How a run's position is found in another version.

    Attributes:
        nodes: Old nodes to new ones.
        scopes: Scope instances to new scopes.
        blocked: Why it cannot be moved, one sentence a reason; empty when it can.
    """

    nodes: dict[int, int] = field(default_factory=dict)
    scopes: dict[str, int] = field(default_factory=dict)
    blocked: list[str] = field(default_factory=list)


def plan(state: RunState, old: Program, new: Program) -> Plan:
    """Where everything that lives would be in the new version; nothing is changed."""
    found = Plan()
    head = state.head
    if head is None or state.terminal:
        found.blocked.append("the run has ended")
        return found
    for cell in state.cells.values():
        for token in cell.tokens.values():
            _token(found, token, old, new)
    needed = {index for index, _ in head.undo}
    needed |= {item.ghost.node for item in head.revoking.values() if item.ghost is not None}
    needed |= {item.ghost.node for item in head.dying.values()}
    for index in needed:
        _node(found, old.nodes[index], new)
    for index, _ in head.undo:
        there = found.nodes.get(index)
        if there is not None and new.nodes[there].undo is None:
            found.blocked.append(f"nothing undoes task '{old.nodes[index].name}' in the new version, and it was completed")
    _scopes(found, state, new)
    found.blocked = list(dict.fromkeys(found.blocked))
    return found


def migrate(state: RunState, old: Program, new: Program, message: Control) -> list[Effect]:
    """Move a run, as an input of its log; refused with the reasons if it cannot be moved."""
    head = state.head
    if head is None or state.terminal:
        return _refused(state, message, "there is no such live run")
    found = plan(state, old, new)
    if found.blocked:
        return _refused(state, message, "; ".join(found.blocked)[:2000])
    for cell in state.cells.values():
        for token in cell.tokens.values():
            token.node = found.nodes[token.node]
        for instance in cell.scopes.values():
            instance.scope = found.scopes[instance.id]
    for ghost in [*(item.ghost for item in head.revoking.values()), *(item.ghost for item in head.dying.values())]:
        if ghost is not None:
            ghost.node = found.nodes[ghost.node]
    head.undo = [(found.nodes[index], output) for index, output in head.undo]
    # Positions of a task's earlier events belong to nodes; those that are not alive look back on nothing when they come again.
    heard = {tuple(key.partition("/")[::2]): position for key, position in head.heard.items()}
    head.heard = {
        f"{found.nodes[int(index)]}/{channel}": position
        for (index, channel), position in heard.items()
        if int(index) in found.nodes
    }
    before, head.digest, head.version = head.version, new.digest, new.version
    head.now = max(head.now, message.ts)
    head.log = message.pos
    head.sequence += 1
    state.changed.add(HEAD)
    data = {"previous": before, "version": new.version, "reason": message.reason}
    signal = Signal(state.run, head.sequence, Transition.WORKFLOW_MIGRATED, None, None, None, head.now, {**data})
    return [signal, Reply(state.run, message.command, accepted=True, reason=None)]


def _token(found: Plan, token: Token, old: Program, new: Program) -> None:
    node = old.nodes[token.node]
    there = _node(found, node, new)
    if there is None:
        return
    name = node.name or "the workflow"
    if token.hold is Hold.EVALUATING or (token.hold is Hold.READY and token.phase is not Phase.ENTER):
        found.blocked.append(f"task '{name}' is in the middle of a step; try again in a moment")
    if token.target >= len(there.out):
        found.blocked.append(f"task '{name}' is on its way to a place that the new version does not have")
    if token.hold is Hold.LISTEN and node.definition != there.definition:
        found.blocked.append(f"task '{name}' listens for events, and says it differently in the new version")
    if isinstance(node.spec, ForkSpec) and isinstance(there.spec, ForkSpec) and not _same_branches(node, there, old, new):
        found.blocked.append(f"task '{name}' is forked, and has other branches in the new version")


def _node(found: Plan, node: Node, new: Program) -> Node | None:
    """The node in the new version, or the reason why there is none."""
    index = new.keys.get(node.key)
    there = None if index is None else new.nodes[index]
    if there is None:
        found.blocked.append(f"task '{node.name}' ({node.ref}) does not exist in the new version")
    elif there.op is not node.op or there.silent is not node.silent:
        found.blocked.append(f"task '{node.name}' ({node.ref}) is of another kind in the new version")
    else:
        found.nodes[node.index] = there.index
        return there
    return None


def _same_branches(node: Node, there: Node, old: Program, new: Program) -> bool:
    assert isinstance(node.spec, ForkSpec)
    assert isinstance(there.spec, ForkSpec)
    before = [old.nodes[old.scopes[scope].entry].key for scope in node.spec.branches]
    return before == [new.nodes[new.scopes[scope].entry].key for scope in there.spec.branches]


def _scopes(found: Plan, state: RunState, new: Program) -> None:
    """The scope of an instance is that of the tasks that live in it, and has to be its owner's."""
    for cell in state.cells.values():
        for instance in cell.scopes.values():
            inside = {cell.tokens[token].node for token in instance.tokens if token in cell.tokens}
            scopes = {new.nodes[found.nodes[index]].scope for index in inside if index in found.nodes}
            if len(scopes) != 1:
                if not found.blocked:
                    found.blocked.append("tasks that live side by side are apart in the new version")
                continue
            scope = scopes.pop()
            found.scopes[instance.id] = scope
            owner = None if instance.owner is None else cell.tokens[instance.owner].node
            if owner is not None and owner in found.nodes and new.scopes[scope].owner != found.nodes[owner]:
                found.blocked.append("a task lives in another place in the new version")


def _refused(state: RunState, message: Control, reason: str) -> list[Effect]:
    return [
        Decision(state.run, message.id, "control", reason, message.ts),
        Reply(state.run, message.command, accepted=False, reason=reason),
    ]
