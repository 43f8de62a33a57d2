"""Tasks that reach outside: ``call``, ``run``, ``emit``."""

from collections.abc import Mapping

from tocsin.expressions import Cost
from tocsin_executor.domain.compile.builder import Builder, Place
from tocsin_executor.domain.program import CallSpec, EmitSpec, Node, Op, TaskSpec
from tocsin_executor.domain.requests import uri_template
from tocsin_executor.domain.values import Json

Task = Mapping[str, Json]


def compile_call(builder: Builder, node: Node, task: Task, place: Place) -> None:
    """A call of a protocol, or of a function that a runner knows by name."""
    name = task["call"]
    if not isinstance(name, str) or name not in builder.offered.calls:
        hint = f"Offered are {', '.join(sorted(builder.offered.calls))} and the functions under use.functions."
        raise builder.not_offered(place.at("call"), f"calling '{name}'", hint)
    source = _authenticated(builder, task.get("with", {}), place.at("with"))
    _task(builder, node, task, place.at("with"), (name, source), awaited=True)


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
        _child(builder, node, spec, here.at(kind), awaited=awaited)
        return
    if kind == "script":
        language = spec.get("language")
        if language not in builder.offered.languages:
            known = ", ".join(sorted(builder.offered.languages))
            raise builder.not_offered(here.at(kind, "language"), f"scripts in '{language}'", f"Offered are {known}.")
        if "source" in spec:
            raise builder.not_offered(here.at(kind, "source"), "scripts that are fetched", "Write the script under 'code'.")
    source: dict[str, Json] = {**spec, "return": run.get("return", "stdout")}
    _task(builder, node, task, here.at(kind), (kind, source), awaited=awaited)


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
    node.spec = EmitSpec(builder.template(attributes, here))


def _task(builder: Builder, node: Node, task: Task, place: Place, work: tuple[str, Json], *, awaited: bool) -> None:
    runner, source = work
    node.op = Op.TASK
    metadata = task.get("metadata")
    queue = metadata.get("queue") if isinstance(metadata, Mapping) else None
    template = builder.template(source, place, "secrets")
    if "secrets" in template.names and not builder.offered.secrets:
        raise builder.not_offered(place, "'$secrets'")
    deferred = "secrets" in template.names or template.cost is Cost.OPEN
    node.spec = TaskSpec(
        runner,
        queue if isinstance(queue, str) else builder.queue,
        source,
        template,
        uri_template(runner, source),
        deferred,
        awaited,
    )


def _child(builder: Builder, node: Node, spec: Mapping[str, Json], place: Place, *, awaited: bool) -> None:
    node.op = Op.CALL
    given = builder.template(spec["input"], place.at("input")) if "input" in spec else None
    version = str(spec.get("version", "latest"))
    namespace = str(spec.get("namespace", "default"))
    if not isinstance(spec.get("name"), str):
        builder.wrong(place, "'run.workflow' needs 'name'")
        return
    node.spec = CallSpec(namespace, str(spec["name"]), version, given, awaited)


def _authenticated(builder: Builder, source: Json, place: Place) -> Json:
    """``with``, its endpoint's authentication taken from ``use.authentications`` if it is a name."""
    endpoint = source.get("endpoint") if isinstance(source, Mapping) else None
    policy = endpoint.get("authentication") if isinstance(endpoint, Mapping) else None
    if policy is None or not isinstance(source, Mapping) or not isinstance(endpoint, Mapping):
        return source
    here = place.at("endpoint", "authentication")
    name = policy.get("use") if isinstance(policy, Mapping) else policy
    if isinstance(name, str):
        policy = builder.named("authentications", name, here)
    kinds = list(policy) if isinstance(policy, Mapping) else []
    if len(kinds) != 1 or kinds[0] not in builder.offered.authentications:
        known = ", ".join(sorted(builder.offered.authentications))
        raise builder.not_offered(here, f"authentication by {', '.join(kinds) or 'that policy'}", f"Offered are {known}.")
    scheme = policy[kinds[0]] if isinstance(policy, Mapping) else None
    if isinstance(scheme, Mapping) and "use" in scheme:
        raise builder.not_offered(here, "authentication by a secret")
    return {**source, "endpoint": {**endpoint, "authentication": policy}}
