"""``call: asyncapi`` with ``foreach``: the worker consumes, then the engine goes through the messages one by one.

The call becomes a sequence: the subscription, whose output is the list of messages, and a loop over that list in which each
message is replaced by what its tasks make of it. So the messages come first and the tasks behind them, in order; a subscription
that never ends by itself cannot be iterated (yet), and is refused.
"""

from collections.abc import Callable, Mapping

from tocsin.expressions import compile_condition
from tocsin_executor.domain.compile.builder import Builder, Place
from tocsin_executor.domain.compile.calls import compile_call
from tocsin_executor.domain.program import EXIT, LoopSpec, Node, Op, Post, Pre, Scope, SeqSpec
from tocsin_executor.domain.requests import at_place, with_place
from tocsin_executor.domain.values import Json

Task = Mapping[str, Json]
Body = Callable[[Builder, Json, Scope, Place], None]
"""Compiles a list of tasks into a scope."""

_FOREACH = ("with", "subscription", "foreach")


def iterates(task: Task) -> bool:
    """Whether a call is a subscription whose messages the engine has to see one by one."""
    each = at_place(task, _FOREACH)
    return task.get("call") == "asyncapi" and isinstance(each, Mapping) and ("do" in each or "export" in each)


def compile_iteration(builder: Builder, node: Node, task: Task, place: Place, body: Body) -> None:
    """The sequence of subscription and loop."""
    each, consume = at_place(task, _FOREACH), at_place(task, ("with", "subscription", "consume"))
    here = place.at(*_FOREACH)
    if not isinstance(each, Mapping) or not isinstance(consume, Mapping) or not _ends(consume):
        hint = "Give 'consume' an 'amount', a 'for', or a condition that some message meets."
        raise builder.not_offered(here, "'foreach' over a subscription that does not end by itself", hint)
    item, at = str(each.get("item", "item")), str(each.get("at", "index"))
    below = Place(place.ref, place.key, place.source, place.names, place.depth + 1)
    node.op = Op.SEQ
    scope = builder.add_scope(node.scope, node.index)
    call = _silent(builder, scope, node.name, below, task)
    loop = _silent(builder, scope, node.name, below, task)
    scope.entry, call.next, call.out = call.index, loop.index, (loop.index,)
    node.spec = SeqSpec(scope.index)
    compile_call(builder, call, with_foreach(task, None), place)
    loop.op = Op.LOOP
    inside = here.inside(item, at)
    outer = builder.add_scope(scope.index, loop.index)
    keep = _silent(builder, outer, node.name, below, task)
    outer.entry, keep.op = keep.index, Op.SEQ
    # The loop's data are the messages; each is replaced by its output, so that at the end they are the outputs.
    replace = f". as $made | $task.input | .[${at}] = $made"
    keep.post = Post(compile_condition(replace, frozenset({"task", at})), None, None, None)
    inner = builder.add_scope(outer.index, keep.index)
    one = _silent(builder, inner, node.name, below, task)
    inner.entry, one.op = one.index, Op.SEQ
    one.pre = Pre(None, None, compile_condition(f"${item}", frozenset({item})))
    tasks = builder.add_scope(inner.index, one.index)
    keep.spec, one.spec = SeqSpec(inner.index), SeqSpec(tasks.index)
    loop.spec = LoopSpec(outer.index, compile_condition(".", frozenset()), item, at, None)
    one.post = builder.post({name: each[name] for name in ("output", "export") if name in each}, inside)
    at_do = inside.at("do")
    body(builder, each.get("do", []), tasks, Place(at_do.ref, at_do.key, at_do.source, at_do.names, place.depth + 4))


def _ends(consume: Mapping[str, Json]) -> bool:
    """Whether a subscription can come to an end by itself; a condition that is always the same says that it never shall."""
    if consume.keys() & {"amount", "for"}:
        return True
    conditions = [consume[name] for name in ("while", "until") if name in consume]
    return any(isinstance(text, str) and text.strip("${} ") not in {"true", "false"} for text in conditions)


def with_foreach(task: Task, value: Json) -> Task:
    """The call with another ``foreach``."""
    changed = with_place(task, _FOREACH, value)
    assert isinstance(changed, Mapping)
    return changed


def _silent(builder: Builder, scope: Scope, name: str, place: Place, task: Task) -> Node:
    node = builder.add_node(Op.PASS, scope.index, name, place, dict(task))
    node.silent = True
    node.next = EXIT
    return node
