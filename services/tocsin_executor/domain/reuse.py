"""Running again from somewhere: outputs of an earlier run are taken instead of doing the work once more.

The new run goes the whole way anew; nothing is skipped and no state is copied. Only where a task would reach outside (a call, a
run, a child, an event, a wait), and the earlier run has done the same task in the same iteration with the same input, its
output is taken. So what is cheap and pure is computed again, with an edited input or another version as well, and what is not
the same any more is done again by itself.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from tocsin.errors import Rejected
from tocsin_executor.domain.program import Node, Op, Program
from tocsin_executor.domain.values import Json

OUTSIDE = frozenset({Op.TASK, Op.CALL, Op.LISTEN, Op.TIMER, Op.EMIT, Op.APPROVE})
"""What is worth taking: operations that reach outside or take time. The others are computed again."""

Plan = dict[str, dict[str, list[Json]]]
"""Outputs to take: by task's key, then by iteration and input; several where the same was done several times, in order."""


_MORE = re.compile(r"\$(?!(?:input|secrets|task|runtime|authorization)\b)[A-Za-z_]")
"""A variable that is more than a task's own input."""


class NeverReached(Rejected):
    """The run has never come to that task."""

    code = "task_never_reached"
    status = 422


@dataclass(slots=True)
class Reuse:
    """What a rerun takes, and what it does again.

    Attributes:
        plan: For the new run.
        kept: Keys of tasks of which outputs are taken.
        redone: Keys of tasks that had been done and are done again.
    """

    plan: Plan = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)
    redone: set[str] = field(default_factory=set)


def occasion(index: int | None, given: Json) -> str:
    """Which of a task's activations: its iteration and a digest of its transformed input."""
    raw = orjson.dumps(given, option=orjson.OPT_SORT_KEYS)
    return f"{'' if index is None else index}/{hashlib.sha256(raw).hexdigest()[:32]}"


def found(plan: Plan, used: dict[str, int], node: Node, index: int | None, given: Json) -> tuple[Json] | None:
    """The output to take, as the one member of a tuple; ``None`` when the work has to be done.

    ``used`` counts what was taken where the same was done several times with different results.
    """
    known = plan.get(node.key)
    if known is None:
        return None
    at = occasion(index, given)
    outputs = known.get(at)
    if not outputs:
        return None
    if len(outputs) == 1:
        return (outputs[0],)
    number = used.get(f"{node.key}@{at}", 0)
    if number >= len(outputs):
        return None
    used[f"{node.key}@{at}"] = number + 1
    return (outputs[number],)


def plan_reuse(
    records: Iterable[Mapping[str, Any]], old: Program, new: Program, start: str | None, *, edited: bool = False
) -> Reuse:
    """What a rerun can take.

    Args:
        records: Finished activations of the earlier run, in the order in which they ended.
        old: Its program.
        new: The program of the new run.
        start: Where it begins anew: the name, reference or activation of a task; ``None`` for where the earlier run failed, so
            that everything that went well is taken.
        edited: The new run has another input. What a task reads besides its own input may depend on that, so what reads more
            is done again; and nobody's answer is taken for something else than they were asked.

    Raises:
        NeverReached: The earlier run never came to that task.
    """
    history = [dict(record) for record in records]
    chosen = None if start is None else _chosen(history, start)
    redo = frozenset() if chosen is None else _behind(old, chosen)
    lost = _overtaken(history)
    reuse = Reuse()
    for record in history:
        node = _same_node(record, old, new)
        if node is None or record["status"] != "completed":
            continue
        again = chosen is not None and not _before(record, chosen) and node.key in redo
        if again or _number(record) in lost or _own_only(node, new, edited=edited):
            reuse.redone.add(node.key)
            continue
        at = occasion(record["index"], record["input"])
        reuse.plan.setdefault(node.key, {}).setdefault(at, []).append(record["output"])
        reuse.kept.add(node.key)
    return reuse


def _same_node(record: Mapping[str, Any], old: Program, new: Program) -> Node | None:
    """The task in the new program, if it is worth taking and says the same as in the old one."""
    before, after = old.keys.get(record["key"]), new.keys.get(record["key"])
    if before is None or after is None:
        return None
    node, other = new.nodes[after], old.nodes[before]
    return node if node.op in OUTSIDE and node.op is other.op and node.definition == other.definition else None


def _own_only(node: Node, program: Program, *, edited: bool) -> bool:
    """Whether a task's output is good for the run that it was made in, and for no other."""
    task = node.definition if isinstance(node.definition, Mapping) else {}
    if node.op is Op.APPROVE:
        given = task.get("with")
        return edited or (isinstance(given, Mapping) and given.get("fourEyes") is True)  # whoever runs it again is no witness
    if not edited:
        return False
    used = program.definition.get("use") if isinstance(program.definition, Mapping) else None
    functions = used.get("functions") if isinstance(used, Mapping) else None
    called = functions.get(str(task.get("call"))) if isinstance(functions, Mapping) else None
    return _MORE.search(orjson.dumps([task, called]).decode()) is not None


def _chosen(history: Sequence[Mapping[str, Any]], start: str) -> Mapping[str, Any]:
    """The last activation that is meant."""
    meant = [r for r in history if start in (r["token"], r["name"], r["reference"], r["key"])]
    if meant:
        return meant[-1]
    reached = ", ".join(dict.fromkeys(str(record["name"]) for record in history))
    raise NeverReached(f"The run has never come to a task {start!r}.", hint=f"It has done: {reached[:500] or 'nothing'}.")


def _behind(program: Program, chosen: Mapping[str, Any]) -> frozenset[str]:
    """Keys of what follows a task, in its scope and in those around it, with everything inside."""
    index = program.keys.get(chosen["key"])
    if index is None:
        return frozenset()
    redo: set[int] = set()
    node = program.nodes[index]
    redo |= _reachable(program, node, itself=True)
    above = program.scopes[node.scope].owner
    while above is not None:
        owner = program.nodes[above]
        redo |= _reachable(program, owner, itself=False)
        above = program.scopes[owner.scope].owner
    return frozenset(node.key for node in program.nodes if _inside(program, node, redo))


def _reachable(program: Program, node: Node, *, itself: bool) -> set[int]:
    """Nodes of the scope that may come behind a node."""
    seen: set[int] = {node.index} if itself else set()
    open_ = [target for target in (*node.out, node.next) if target >= 0]
    while open_:
        index = open_.pop()
        if index in seen:
            continue
        seen.add(index)
        other = program.nodes[index]
        open_ += [target for target in (*other.out, other.next) if target >= 0]
    return seen


def _inside(program: Program, node: Node, redo: set[int]) -> bool:
    at: Node | None = node
    while at is not None:
        if at.index in redo:
            return True
        owner = program.scopes[at.scope].owner
        at = None if owner is None else program.nodes[owner]
    return False


def _before(record: Mapping[str, Any], chosen: Mapping[str, Any]) -> bool:
    """Whether an activation was over when the chosen one began: earlier iterations of a loop around both, say."""
    return _number(record) < _number(chosen) and int(record["ended"]) <= int(chosen["created"])


def _number(record: Mapping[str, Any]) -> int:
    return _ordinal(str(record["token"]))


def _overtaken(history: list[dict[str, Any]]) -> set[int]:
    """Activations in attempts of a ``try`` that were made again: for each task and iteration the last attempt counts."""
    last: dict[tuple[str, int | None, str], tuple[int, str]] = {}
    attempts = [(record, list(_attempts(str(record.get("tried") or "")))) for record in history]
    for record, tried in attempts:
        for where, attempt in tried:
            at = (str(record["key"]), record["index"], where)
            last[at] = max(last.get(at, (0, "")), (_ordinal(attempt), attempt))
    return {
        _number(record)
        for record, tried in attempts
        if any(last[(str(record["key"]), record["index"], where)][1] != attempt for where, attempt in tried)
    }


def _attempts(tried: str) -> Iterator[tuple[str, str]]:
    """Each ``try`` around, as the way to it, and the attempt."""
    way = ""
    for step in tried.split():
        token, _, attempt = step.partition("=")
        yield f"{way} {token}", attempt
        way = f"{way} {step}"


def _ordinal(identity: str) -> int:
    return int(identity.rpartition(":")[2])
