"""Tasks that reach outside: ``call``, ``run``, ``emit``."""

from collections.abc import Mapping
from typing import Final

from tocsin.expressions import Cost, Expression, Template, expression_text
from tocsin.expressions.secrets import secrets_in
from tocsin_executor.domain.compile.approvals import APPROVAL, compile_approval
from tocsin_executor.domain.compile.builder import Builder, Place
from tocsin_executor.domain.compile.uris import expanding
from tocsin_executor.domain.placing import LONGEST, MOST_LABELS, QUEUE, is_queue, queue_for
from tocsin_executor.domain.program import CallSpec, EmitSpec, Node, Op, TaskSpec
from tocsin_executor.domain.requests import Deferred, at_place, policy_places, uri_templates, with_place
from tocsin_executor.domain.values import Json

Task = Mapping[str, Json]

_LATER: Final = (
    ("subscription", "filter"),
    ("subscription", "consume", "while"),
    ("subscription", "consume", "until"),
    ("subscription", "foreach", "output", "as"),
)
# What is data in a task's `with` or process, and so may be an expression without `${ }` in loose mode; the rest are names.
_DATA: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "http": (("endpoint",), ("endpoint", "uri"), ("headers",), ("query",), ("body",)),
    "openapi": (("parameters",),),
    "asyncapi": (("message",),),
    "grpc": (("arguments",),),
    "a2a": (("parameters",),),
    "mcp": (("parameters",),),
    **dict.fromkeys(("container", "script", "shell"), (("stdin",), ("arguments",), ("environment",))),
}
_NAMES: Final = frozenset({"id", "source", "type", "specversion", "datacontenttype", "dataschema"})  # of an event
_GRANTS: Final = frozenset(
    {"client_credentials", "password", "refresh_token", "urn:ietf:params:oauth:grant-type:token-exchange"}
)


def compile_call(builder: Builder, node: Node, task: Task, place: Place) -> None:
    """A call of a protocol, or of a function that a runner knows by name."""
    name = task["call"]
    if name == APPROVAL:
        compile_approval(builder, node, task.get("with", {}), place.at("with"))
        return
    if not isinstance(name, str) or name not in builder.offered.calls:
        if isinstance(name, str) and ("@" in name or "://" in name):
            builder.wrong(
                place.at("call"), f"the function '{name}' was not imported", "The executor imports it when it publishes."
            )
            return
        hint = f"Offered are {', '.join(sorted(builder.offered.calls))} and the functions under use.functions."
        raise builder.not_offered(place.at("call"), f"calling '{name}'", hint)
    _task(builder, node, (task, place), place.at("with"), (name, task.get("with", {})), awaited=True)


def compile_run(builder: Builder, node: Node, task: Task, place: Place) -> None:
    """A process: script, shell, or a child run."""
    run = task["run"]
    here = place.at("run")
    kinds = [kind for kind in ("container", "script", "shell", "workflow") if isinstance(run, Mapping) and kind in run]
    if not isinstance(run, Mapping) or len(kinds) != 1:
        builder.wrong(here, "'run' needs exactly one of container, script, shell and workflow")
        return
    kind = kinds[0]
    spec = run[kind]
    if kind not in builder.offered.runs:
        raise builder.not_offered(here.at(kind), f"'run.{kind}'")
    if not isinstance(spec, Mapping):
        builder.wrong(here.at(kind), "an object is expected")
        return
    awaited = run.get("await", True) is not False
    if kind == "workflow":
        _child(builder, node, spec, here.at(kind), run)
        return
    if kind == "script":
        language = spec.get("language")
        if language not in builder.offered.languages:
            known = ", ".join(sorted(builder.offered.languages))
            raise builder.not_offered(here.at(kind, "language"), f"scripts in '{language}'", f"Offered are {known}.")
    source: dict[str, Json] = {**spec, "return": run.get("return", "stdout")}
    metadata = task.get("metadata")
    if isinstance(metadata, Mapping) and metadata.get("token") is True:
        source["token"] = True
    if kind == "container":
        limits = metadata.get("container") if isinstance(metadata, Mapping) else None
        source |= {"workflow": builder.name, **({"limits": limits} if limits is not None else {})}
    _task(builder, node, (task, place), here.at(kind), (kind, source), awaited=awaited)


def compile_emit(builder: Builder, node: Node, task: Task, place: Place) -> None:
    """An event's attributes."""
    node.op = Op.EMIT
    emit = task["emit"]
    event = emit.get("event") if isinstance(emit, Mapping) else None
    attributes = event.get("with") if isinstance(event, Mapping) else None
    here = place.at("emit", "event", "with")
    if not isinstance(attributes, Mapping) or "type" not in attributes:
        builder.wrong(here, "an event needs 'type'")
        return
    data = {name: held if name in _NAMES else builder.evaluated(held, here.at(name)) for name, held in attributes.items()}
    data |= {name: expanding(data[name]) for name in ("source", "dataschema") if name in data}
    node.spec = EmitSpec(builder.template(data, here))


def _input_with_secrets(builder: Builder, task: Task, place: Place) -> Template | None:
    """``input.from``, if it is left to the worker."""
    if not builder.defers_input(task):
        return None
    given = task["input"]
    source: Json = given["from"] if isinstance(given, Mapping) else None
    source = builder.evaluated(source, place.at("input", "from"), "secrets")
    if isinstance(source, str) and expression_text(source) is None:
        source = f"${{ {source} }}"
    return builder.template(source, place.at("input", "from"), "secrets")


def _task(
    builder: Builder, node: Node, whole: tuple[Task, Place], place: Place, work: tuple[str, Json], *, awaited: bool
) -> None:
    runner, source = work
    task, base = whole
    node.op = Op.TASK
    queue = _queue(builder, task.get("metadata"), base.at("metadata"))
    source = _evaluated(builder, runner, source, place)
    source, later, inside = _later(builder, runner, _authenticated(builder, runner, source, place), place)
    template = builder.template(source, place, "secrets", "authorization")
    given = _input_with_secrets(builder, task, base)
    expressions = [*template.expressions, *later.values(), *(given.expressions if given is not None else ())]
    secrets = _secrets(builder, runner, source, expressions)
    if secrets and not builder.offered.secrets:
        raise builder.not_offered(place, "'$secrets'")
    uris = uri_templates(runner, source)
    single = uris[0] if len(uris) == 1 else None
    authorization = _authorization(runner, source) if "authorization" in template.names else ()
    deferred = (
        bool(secrets) or bool(authorization) or template.cost is Cost.OPEN or given is not None or bool(later) or len(uris) > 1
    )
    if deferred:
        texts = {key: expression.text for key, expression in later.items()}
        evaluated = given.data if given is not None else None
        source = Deferred(source, evaluated, secrets, uris, texts, builder.name, authorization).as_json()
        # Compiled together once more for the names of all variables that the worker will need.
        parts: Json = [template.data, evaluated, [f"${{ {text} }}" for text in texts.values()]]
        template = builder.template(parts, inside, "secrets", "authorization")
    spec = TaskSpec(runner, queue, source, template, single, deferred, awaited)
    node.spec = spec


def _queue(builder: Builder, metadata: Json, place: Place) -> str:
    """``metadata.queue``, for workers with the labels of ``metadata.worker``."""
    given = metadata if isinstance(metadata, Mapping) else {}
    queue, labels = given.get("queue", builder.queue), given.get("worker", {})
    if not isinstance(queue, str) or not is_queue(queue):
        builder.wrong(place.at("queue"), "this is not the name of a queue", f"It has to match {QUEUE}.")
        return builder.queue
    if not isinstance(labels, Mapping) or not all(isinstance(value, str) for value in labels.values()):
        builder.wrong(place.at("worker"), "labels of workers are an object of strings", "For example 'worker: {zone: eu}'.")
        return queue
    if len(labels) > MOST_LABELS:
        hint = "Give workers one label that stands for all of them."
        builder.wrong(place.at("worker"), f"a task may ask for {MOST_LABELS} labels at most, not {len(labels)}", hint)
        return queue
    placed = queue_for(queue, {str(name): str(value) for name, value in labels.items()})
    if len(placed) > LONGEST:
        builder.wrong(place.at("worker"), f"queue and labels have {len(placed)} bytes together; the limit is {LONGEST}")
    return placed


def _evaluated(builder: Builder, runner: str, source: Json, place: Place) -> Json:
    """What a runner reads, with its data in strict form, whatever the mode of evaluation."""
    if not builder.loose:
        return source
    if runner not in _DATA:
        return builder.evaluated(source, place, "secrets", "authorization")
    for path in _DATA[runner]:
        held = at_place(source, path)
        if held is not None and not (path == ("endpoint",) and isinstance(held, Mapping)):
            source = with_place(source, path, builder.evaluated(held, place.at(*path), "secrets", "authorization"))
    return source


def _authorization(runner: str, source: Json) -> tuple[str, ...]:
    """Where the authentication is that ``$authorization`` describes: the one of what is called, before that of a document."""
    places = sorted(policy_places(runner), key=lambda place: ("document" in place or "proto" in place, len(place)))
    return next((place for place in places if at_place(source, place) is not None), ())


def _later(builder: Builder, runner: str, source: Json, place: Place) -> tuple[Json, dict[str, Expression], Place]:
    """Conditions over messages, taken out of what is evaluated before the runner begins; and the place with their variables."""
    found: dict[str, Expression] = {}
    if runner != "asyncapi":
        return source, found, place
    each = at_place(source, ("subscription", "foreach"))
    if isinstance(each, Mapping):
        place = place.inside(str(each.get("item", "item")), str(each.get("at", "index")))
    for path in _LATER:
        text = at_place(source, path)
        if isinstance(text, str):
            found[path[-1]] = builder.expression(text, place.at(*path), "secrets")
            source = with_place(source, path, None)
    return source, found, place


def _secrets(builder: Builder, runner: str, source: Json, expressions: list[Expression]) -> tuple[str, ...]:
    """Names of the secrets that a worker has to ask for."""
    declared = builder.use.get("secrets")
    names: set[str] = set()
    for expression in expressions:
        if "secrets" in expression.names:
            some, every = secrets_in(expression.text)
            names |= some
            names |= {str(name) for name in declared} if every and isinstance(declared, list) else set()
    for path in policy_places(runner):
        policy = at_place(source, path)
        if isinstance(policy, Mapping):
            schemes = [scheme for scheme in policy.values() if isinstance(scheme, Mapping)]
            names |= {str(scheme["use"]) for scheme in schemes if "use" in scheme}
    return tuple(sorted(names))


def _child(builder: Builder, node: Node, spec: Mapping[str, Json], place: Place, run: Mapping[str, Json]) -> None:
    node.op = Op.CALL
    here = place.at("input")
    given = builder.template(builder.evaluated(spec["input"], here), here) if "input" in spec else None
    version = str(spec.get("version", "latest"))
    namespace = str(spec.get("namespace", "default"))
    if not isinstance(spec.get("name"), str):
        builder.wrong(place, "'run.workflow' needs 'name'")
        return
    awaited, silent = run.get("await", True) is not False, run.get("return") == "none"
    node.spec = CallSpec(namespace, str(spec["name"]), version, given, awaited, silent)


def _authenticated(builder: Builder, runner: str, source: Json, place: Place) -> Json:
    """What a runner reads, with its authentications taken from ``use.authentications`` where they are names."""
    for path in policy_places(runner):
        policy = at_place(source, path)
        if policy is None:
            continue
        here = place.at(*path)
        name = policy.get("use") if isinstance(policy, Mapping) else policy
        if isinstance(name, str):
            policy = builder.named("authentications", name, here)
        kinds = list(policy) if isinstance(policy, Mapping) else []
        if len(kinds) != 1 or kinds[0] not in builder.offered.authentications:
            known = ", ".join(sorted(builder.offered.authentications))
            said = f"authentication by {', '.join(kinds) or 'that policy'}"
            raise builder.not_offered(here, said, f"Offered are {known}.")
        grant = at_place(policy, (kinds[0], "grant"))
        if isinstance(grant, str) and "${" not in grant and grant not in _GRANTS:
            hint = f"A workflow has no browser; use one of {', '.join(sorted(_GRANTS))}."
            raise builder.not_offered(here.at(kinds[0], "grant"), f"the grant '{grant}'", hint)
        source = with_place(source, path, policy)
    return source
