"""Task lists and the control constructs of the language."""

from collections.abc import Callable, Mapping
from typing import Final

from tocsin.expressions import compile_condition
from tocsin_executor.domain.compile.builder import MAX_BRANCHES, MAX_SCOPES, MAX_TASKS, Builder, Place, Refused
from tocsin_executor.domain.compile.calls import compile_call, compile_emit, compile_run
from tocsin_executor.domain.compile.catching import compile_catch
from tocsin_executor.domain.compile.extensions import Extension, extensions_of
from tocsin_executor.domain.compile.iterating import concurrency_of
from tocsin_executor.domain.compile.listening import compile_listen
from tocsin_executor.domain.compile.subscriptions import compile_iteration, iterates
from tocsin_executor.domain.compile.uris import expanding
from tocsin_executor.domain.program import (
    END,
    EXIT,
    Case,
    ChooseSpec,
    EvalSpec,
    ForkSpec,
    LoopSpec,
    Node,
    Op,
    Post,
    Pre,
    Scope,
    SeqSpec,
    ThrowSpec,
    TimerSpec,
    TrySpec,
)
from tocsin_executor.domain.values import Json

Task = Mapping[str, Json]
_SAID: Final = frozenset({"title", "detail"})  # of an error: what people read


def compile_list(builder: Builder, tasks: Json, scope: Scope, place: Place) -> None:
    """A list of named tasks: nodes with contiguous numbers, then what is in them."""
    named = _named(builder, tasks, place)
    if place.depth >= MAX_SCOPES:
        builder.wrong(place, f"tasks are nested deeper than {MAX_SCOPES} levels")
        return
    nodes = [
        (builder.add_node(Op.PASS, scope.index, name, place.at(index, name), task), task, place.at(index, name))
        for index, (name, task) in enumerate(named)
    ]
    if not nodes:
        node = builder.add_node(Op.PASS, scope.index, "", place, None)
        node.silent = True
        scope.entry = node.index
        return
    scope.entry = nodes[0][0].index
    names = {node.name: node.index for node, _, _ in nodes}
    for position, (node, task, here) in enumerate(nodes):
        node.next = nodes[position + 1][0].index if position + 1 < len(nodes) else EXIT
        compile_task(builder, node, task, here, names)


def _named(builder: Builder, tasks: Json, place: Place) -> list[tuple[str, Task]]:
    if not isinstance(tasks, list):
        builder.wrong(place, "a list of tasks is expected")
        return []
    if len(tasks) > MAX_TASKS:
        builder.wrong(place, f"the list has {len(tasks)} tasks; the limit is {MAX_TASKS}")
        return []
    found: list[tuple[str, Task]] = []
    for index, item in enumerate(tasks):
        if not isinstance(item, Mapping) or len(item) != 1:
            builder.wrong(place.at(index), "each item of the list is an object with one task in it, under its name")
            continue
        name, task = next(iter(item.items()))
        if not isinstance(task, Mapping):
            builder.wrong(place.at(index, name), "a task is an object")
            continue
        found.append((name, task))
    return found


def compile_task(builder: Builder, node: Node, task: Task, place: Place, names: Mapping[str, int]) -> None:
    """One task: data flow, timeout, targets, and what its kind needs. Notes all that is wrong with it."""
    node.out = (target(builder, task.get("then"), node, place.at("then"), names),)
    kind = next((kind for kind in _KINDS if kind in task), None)
    parts: list[Callable[[], None]] = [
        lambda: setattr(node, "pre", builder.pre(task, place)),
        lambda: setattr(node, "post", builder.post(task, place)),
        lambda: setattr(node, "timeout", builder.timeout(task.get("timeout"), place.at("timeout"))),
        lambda: _undo(builder, node, task, place),
    ]
    if kind is None:
        builder.wrong(place, "the task does not say what to do", f"One of: {', '.join(_KINDS)}.")
    else:
        extensions = () if builder.aside else extensions_of(builder, kind)
        parts.append(lambda: _kind(builder, node, (kind, task, extensions), place, names))
    for part in parts:
        try:
            part()
        except Refused:
            continue


def _undo(builder: Builder, node: Node, task: Task, place: Place) -> None:
    """``metadata.compensate``: the tasks that undo this one, should the run fail or be cancelled later."""
    metadata = task.get("metadata")
    if not isinstance(metadata, Mapping) or "compensate" not in metadata:
        return
    here = place.at("metadata", "compensate")
    scope = builder.add_scope(0, None)
    try:
        compile_list(builder, metadata["compensate"], scope, here)
    except (KeyError, TypeError, AttributeError, ValueError) as error:  # the grammar leaves metadata to us
        builder.wrong(here, f"this is no list of tasks: {type(error).__name__} {error}")
    node.undo = scope.index


def _kind(
    builder: Builder,
    node: Node,
    work: tuple[str, Task, tuple[Extension, ...]],
    place: Place,
    names: Mapping[str, int],
) -> None:
    """What the task's kind needs, with the first of the extensions woven around it and the others inside."""
    kind, task, extensions = work
    if not extensions:
        _KINDS[kind](builder, node, task, place, names)
        return
    extension = extensions[0]
    scope = builder.add_scope(node.scope, node.index)
    node.op = Op.SEQ
    inside = Place(place.ref, place.key, place.source, place.names, place.depth + 1)
    before = [
        (builder.add_node(Op.PASS, scope.index, name, here, given), given, here)
        for name, given, here in _aside(builder, extension, "before", inside)
    ]
    inner = builder.add_node(Op.PASS, scope.index, node.name, inside, task)
    inner.silent = inner.extended = True
    scope.entry = before[0][0].index if before else inner.index
    tail = _after(builder, extension, scope, inside)
    builder.aside = True
    earlier = {first.name: first.index for first, _, _ in before}
    for position, (first, given, here) in enumerate(before):
        first.aside = True
        first.next = before[position + 1][0].index if position + 1 < len(before) else inner.index
        compile_task(builder, first, given, here, earlier)
    builder.aside = False
    applies = f"tocsin_extension_{extension.index}"
    guard = None if extension.when is None else builder.expression(extension.when, extension.place.at("when"))
    node.spec = SeqSpec(scope.index, None, guard, inner.index, applies)
    inner.next, inner.out = node.next, node.out
    _kind(builder, inner, (kind, task, extensions[1:]), inside, names)
    node.out, inner.next, inner.out = inner.out, tail, (tail,) * len(inner.out)


def _aside(builder: Builder, extension: Extension, part: str, place: Place) -> list[tuple[str, Task, Place]]:
    """The tasks of an extension before or after; their references point at the extension."""
    if part not in extension.spec:
        return []
    at = extension.place.at(part)
    at = Place(at.ref, f"{place.key}/{at.key}", at.source, place.names, place.depth)
    return [(name, task, at.at(index, name)) for index, (name, task) in enumerate(_named(builder, extension.spec[part], at))]


def _after(builder: Builder, extension: Extension, scope: Scope, place: Place) -> int:
    """The tasks after, in a scope of their own whose output is dropped; where the extended task goes then."""
    if "after" not in extension.spec:
        return EXIT
    node = builder.add_node(Op.SEQ, scope.index, "", place, None)
    node.silent = node.aside = True
    applies = f"tocsin_extension_{extension.index}"
    if extension.when is not None:
        node.pre = Pre(compile_condition(f"${applies}", frozenset({applies})), None, None)
    node.post = Post(compile_condition("$input", frozenset({"input"})), None, None, None)
    at = extension.place.at("after")
    inner = builder.add_scope(scope.index, node.index)
    builder.aside = True
    below = Place(at.ref, f"{place.key}/{at.key}", at.source, place.names, place.depth + 1)
    compile_list(builder, extension.spec["after"], inner, below)
    builder.aside = False
    node.spec = SeqSpec(inner.index)
    return node.index


def target(builder: Builder, then: Json, node: Node, place: Place, names: Mapping[str, int]) -> int:
    """Where a flow directive leads: a task of the same list, or out of it."""
    if then is None or then == "continue":
        return node.next
    if then == "exit":
        return EXIT
    if then == "end":
        return END
    if isinstance(then, str) and then in names:
        return names[then]
    builder.wrong(place, f"'{then}' is not a task of the same list", f"Tasks of the list: {', '.join(names)}.")
    return EXIT


def _scope(builder: Builder, node: Node, tasks: Json, place: Place, *names: str) -> int:
    """A child scope of a node with a list of tasks."""
    scope = builder.add_scope(node.scope, node.index)
    inner = Place(place.ref, place.key, place.source, place.names | set(names), place.depth + 1)
    compile_list(builder, tasks, scope, inner)
    return scope.index


def _do(builder: Builder, node: Node, task: Task, place: Place, names: Mapping[str, int]) -> None:
    node.op = Op.SEQ
    node.spec = SeqSpec(_scope(builder, node, task["do"], place.at("do")))


def _set(builder: Builder, node: Node, task: Task, place: Place, names: Mapping[str, int]) -> None:
    node.op = Op.EVAL
    here = place.at("set")
    node.spec = EvalSpec(builder.template(builder.evaluated(task["set"], here), here))


def _switch(builder: Builder, node: Node, task: Task, place: Place, names: Mapping[str, int]) -> None:
    node.op = Op.CHOOSE
    cases: list[Case] = []
    fallback: Case | None = None
    for index, (name, case) in enumerate(_named(builder, task["switch"], place.at("switch"))):
        here = place.at("switch", index, name)
        if not isinstance(case.get("then"), str):
            builder.wrong(here, "a case needs 'then'")
        node.out = (*node.out, target(builder, case.get("then"), node, here.at("then"), names))
        if "when" in case:
            cases.append(Case(builder.expression(case["when"], here.at("when")), len(node.out) - 1))
        elif fallback is None:
            fallback = Case(None, len(node.out) - 1)
        else:
            builder.wrong(here, "a switch has one default case at most")
    node.spec = ChooseSpec((*cases, fallback) if fallback is not None else tuple(cases))


def _for(builder: Builder, node: Node, task: Task, place: Place, names: Mapping[str, int]) -> None:
    node.op = Op.LOOP
    spec = task["for"]
    if not isinstance(spec, Mapping) or "in" not in spec:
        builder.wrong(place.at("for"), "'for' needs 'in'")
        return
    each, at = str(spec.get("each", "item")), str(spec.get("at", "index"))
    items = builder.source(spec["in"], place.at("for", "in"))
    condition = None
    if "while" in task:
        condition = builder.expression(task["while"], place.at("while"), each, at)
    body = _scope(builder, node, task.get("do"), place.at("do"), each, at)
    limit = concurrency_of(builder, task, place)
    if limit is None:
        node.spec = LoopSpec(body, items, each, at, condition)
        return
    node.op, node.spec = Op.MAP, LoopSpec(body, items, each, at, None, limit)
    if condition is not None:
        hint = "Leave one of them out: a condition looks at the output of the item before, which has not ended."
        builder.wrong(place.at("while"), "'while' does not go with 'metadata.concurrency'", hint)


def _fork(builder: Builder, node: Node, task: Task, place: Place, names: Mapping[str, int]) -> None:
    node.op = Op.FORK
    spec = task["fork"]
    if not isinstance(spec, Mapping):
        builder.wrong(place.at("fork"), "'fork' needs 'branches'")
        return
    here = place.at("fork", "branches")
    listed = spec.get("branches", [])
    if isinstance(listed, list) and len(listed) > MAX_BRANCHES:
        hint = "Many alike are a 'for' with 'metadata.concurrency'."
        builder.wrong(here, f"{len(listed)} branches; the limit is {MAX_BRANCHES}", hint)
        raise Refused("branches")
    branches: list[int] = []
    for index, (name, branch) in enumerate(_named(builder, listed, here)):
        scope = builder.add_scope(node.scope, node.index)
        below = here.at(index, name)
        below = Place(below.ref, below.key, below.source, below.names, place.depth + 1)
        inner = builder.add_node(Op.PASS, scope.index, name, below, branch)
        scope.entry = inner.index
        compile_task(builder, inner, branch, below, {name: inner.index})
        branches.append(scope.index)
    node.spec = ForkSpec(tuple(branches), compete=spec.get("compete") is True)


def _raise(builder: Builder, node: Node, task: Task, place: Place, names: Mapping[str, int]) -> None:
    node.op = Op.THROW
    spec = task["raise"]
    error = spec.get("error") if isinstance(spec, Mapping) else None
    here = place.at("raise", "error")
    if isinstance(error, str):
        error = builder.named("errors", error, here)
    if not isinstance(error, Mapping) or "type" not in error or "status" not in error:
        builder.wrong(here, "an error needs 'type' and 'status'")
        return
    said = {name: builder.evaluated(held, here) if name in _SAID else held for name, held in error.items()}
    node.spec = ThrowSpec(builder.template({**said, "type": expanding(said["type"])}, here))


def _wait(builder: Builder, node: Node, task: Task, place: Place, names: Mapping[str, int]) -> None:
    node.op = Op.TIMER
    node.spec = TimerSpec(builder.duration(task["wait"], place.at("wait")))


def _try(builder: Builder, node: Node, task: Task, place: Place, names: Mapping[str, int]) -> None:
    node.op = Op.TRY
    body = _scope(builder, node, task["try"], place.at("try"))
    here = place.at("catch")
    catch = task.get("catch")
    if not isinstance(catch, Mapping):
        builder.wrong(place, "'try' needs 'catch'")
        return
    found = compile_catch(builder, catch, here)
    handler = None
    if "do" in catch:
        handler = _scope(builder, node, catch["do"], here.at("do"), found.name)
    caught = 0
    if "then" in catch:
        node.out = (*node.out, target(builder, catch["then"], node, here.at("then"), names))
        caught = 1
    node.spec = TrySpec(body, handler, found.filter, found.name, found.when, found.unless, found.retry, caught)


def _call(builder: Builder, node: Node, task: Task, place: Place, names: Mapping[str, int]) -> None:
    name = task["call"]
    functions = builder.use.get("functions")
    if isinstance(name, str) and name not in _PROTOCOLS and isinstance(functions, Mapping) and name in functions:
        _function(builder, node, task, place, functions[name])
    elif iterates(task):
        compile_iteration(builder, node, task, place, compile_list)
    else:
        compile_call(builder, node, task, place)


def _function(builder: Builder, node: Node, task: Task, place: Place, function: Json) -> None:
    """A reusable task, inlined: its errors and signals carry the caller's reference; ``with`` becomes its input."""
    name = str(task["call"])
    if name in builder.inlining:
        builder.wrong(place.at("call"), f"the function '{name}' calls itself")
        return
    if not isinstance(function, Mapping):
        builder.wrong(place.at("call"), f"use.functions.{name} is not a task")
        return
    node.op = Op.SEQ
    scope = builder.add_scope(node.scope, node.index)
    source = f"/use/functions/{name}"
    inside = Place(place.ref, f"{place.key}/{name}", source, place.names, place.depth + 1)
    inner = builder.add_node(Op.PASS, scope.index, node.name, inside, function)
    inner.silent = True
    scope.entry = inner.index
    here = place.at("with")
    given = builder.template(builder.evaluated(task["with"], here), here) if "with" in task else None
    node.spec = SeqSpec(scope.index, given)
    builder.inlining.append(name)
    compile_task(builder, inner, function, inside, {})
    builder.inlining.pop()


def _listen(builder: Builder, node: Node, task: Task, place: Place, names: Mapping[str, int]) -> None:
    if not builder.offered.listen:
        raise builder.not_offered(place.at("listen"), "'listen'")
    node.op = Op.LISTEN
    each = task.get("foreach")
    body = None
    if isinstance(each, Mapping) and "do" in each:
        variables = str(each.get("item", "item")), str(each.get("at", "index"))
        body = _scope(builder, node, each["do"], place.at("foreach", "do"), *variables)
    node.spec = compile_listen(builder, task, place, body)


def _emit(builder: Builder, node: Node, task: Task, place: Place, names: Mapping[str, int]) -> None:
    compile_emit(builder, node, task, place)


def _run(builder: Builder, node: Node, task: Task, place: Place, names: Mapping[str, int]) -> None:
    compile_run(builder, node, task, place)


_PROTOCOLS: Final = frozenset({"http", "openapi", "grpc", "asyncapi", "a2a", "mcp"})
# 'for' has a 'do' beside it, so it is asked for before 'do'.
_KINDS: Final[Mapping[str, Callable[[Builder, Node, Task, Place, Mapping[str, int]], None]]] = {
    "call": _call,
    "for": _for,
    "fork": _fork,
    "listen": _listen,
    "try": _try,
    "do": _do,
    "emit": _emit,
    "raise": _raise,
    "run": _run,
    "set": _set,
    "switch": _switch,
    "wait": _wait,
}
