"""``call: asyncapi`` with ``foreach``: the run goes through the messages one by one while the subscription lives.

The call becomes a fork of two that belong together: a line in which messages wait for the tasks of ``foreach``, and the call,
which sends them. How many and for how long is the worker's business (``amount``, ``for``); ``while`` and ``until`` are
conditions on what the messages gave so far and on the context, so they are asked in the run, behind the tasks of each message.
"""

from collections.abc import Callable, Mapping

from tocsin.expressions import Expression, compile_condition, expression_text
from tocsin_executor.domain.compile.builder import Builder, Place
from tocsin_executor.domain.compile.calls import compile_call
from tocsin_executor.domain.ops.listening import MAX_EVENTS
from tocsin_executor.domain.program import EXIT, ForkSpec, ListenSpec, Node, Op, Scope
from tocsin_executor.domain.requests import at_place, with_place
from tocsin_executor.domain.values import Json

Task = Mapping[str, Json]
Body = Callable[[Builder, Json, Scope, Place], None]
"""Compiles a list of tasks into a scope."""

_FOREACH = ("with", "subscription", "foreach")
_CONSUME = ("with", "subscription", "consume")


def iterates(task: Task) -> bool:
    """Whether a call is a subscription whose messages the engine has to see one by one."""
    each = at_place(task, _FOREACH)
    return task.get("call") == "asyncapi" and isinstance(each, Mapping) and ("do" in each or "export" in each)


def compile_iteration(builder: Builder, node: Node, task: Task, place: Place, body: Body) -> None:
    """The fork of line and call."""
    each, consume = at_place(task, _FOREACH), at_place(task, _CONSUME)
    if not isinstance(each, Mapping) or not isinstance(consume, Mapping):
        builder.wrong(place.at("with", "subscription"), "'foreach' needs an object, and 'consume' beside it")
        return
    here = place.at(*_FOREACH)
    item, at = str(each.get("item", "item")), str(each.get("at", "index"))
    amount = consume.get("amount")
    if isinstance(amount, int) and amount > MAX_EVENTS:
        detail = f"a subscription with 'foreach' goes through {MAX_EVENTS} messages, not {amount}"
        builder.wrong(place.at(*_CONSUME, "amount"), detail, "Call it again in a loop.")
    until, keeps = _until(builder, consume, place.at(*_CONSUME))
    below = Place(place.ref, place.key, place.source, place.names, place.depth + 1)
    line = builder.add_scope(node.scope, node.index)
    listener = _silent(builder, line, node.name, below, task)
    call = builder.add_scope(node.scope, node.index)
    caller = _silent(builder, call, node.name, below, task)
    line.entry, call.entry = listener.index, caller.index
    node.op, node.spec = Op.FORK, ForkSpec((line.index, call.index), compete=False, streams=True)
    compile_call(builder, caller, _streaming(task, consume), place)
    inside, tasks = here.inside(item, at), None
    if "do" in each:
        tasks = builder.add_scope(line.index, listener.index)
        at_do = inside.at("do")
        body(builder, each["do"], tasks, Place(at_do.ref, at_do.key, at_do.source, at_do.names, place.depth + 2))
    post = builder.post({name: each[name] for name in ("output", "export") if name in each}, inside)
    found = None if tasks is None else tasks.index
    listener.op = Op.LISTEN
    listener.spec = ListenSpec("any", (), 0, False, until, "data", found, item, at, post, streams=True, keeps=keeps)


def _until(builder: Builder, consume: Mapping[str, Json], place: Place) -> tuple[Expression | None, bool]:
    """When it is enough, and whether anybody can ever see what the messages gave: nobody can if it is never enough."""
    for name in ("while", "until"):
        given = consume.get(name)
        if not isinstance(given, str):
            continue
        condition = builder.expression(given, place.at(name))
        text = (expression_text(given) or given).strip()
        if text in {"true", "false"} and (text == "true") == (name == "while"):
            return None, "for" in consume
        if name == "until":
            return condition, True
        return compile_condition(f"(({text}\n) | not)", builder.variables(place)), True
    return None, True


def _streaming(task: Task, consume: Mapping[str, Json]) -> Task:
    """The call as its worker gets it."""
    left = {name: held for name, held in consume.items() if name not in {"while", "until"}}
    changed = with_place(with_place(task, _CONSUME, left), _FOREACH, None)
    changed = with_place(changed, ("with", "subscription", "streams"), True)
    assert isinstance(changed, Mapping)
    return changed


def _silent(builder: Builder, scope: Scope, name: str, place: Place, task: Task) -> Node:
    node = builder.add_node(Op.PASS, scope.index, name, place, dict(task))
    node.silent = True
    node.next = EXIT
    return node
