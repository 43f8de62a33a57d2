"""What the compiler's parts share: the arrays being filled, the violations found, and compiled pieces of documents."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from tocsin.errors import Violation
from tocsin.expressions import (
    Expression,
    ExpressionInvalid,
    Template,
    compile_condition,
    compile_template,
    expression_text,
    loosened,
)
from tocsin_executor.domain.compile.authorizing import with_authorization
from tocsin_executor.domain.declared import declared_parts
from tocsin_executor.domain.durations import BadDuration, Duration, parse_duration
from tocsin_executor.domain.program import EXIT, Node, Op, Post, Pre, Scope, Source
from tocsin_executor.domain.schemas import BadSchema, Schema, compile_schema
from tocsin_executor.domain.values import Json

NOT_OFFERED = "not offered yet"
"""How the complaint begins about what the language has and this version does not."""

MAX_SCOPES = 64
MAX_TASKS = 2_000
MAX_BRANCHES = 256  # all of them live in the run's head, which has to stay small
_SECRETS_HINT = "They are for what workers do: in 'with' of a call, under 'run', secrets also in 'input.from' of such a task."
ARGUMENTS = frozenset({"context", "input", "output", "secrets", "task", "workflow", "runtime"})


@dataclass(frozen=True, slots=True)
class Offered:
    """What the runtime around the engine can do; everything else is refused when a definition is published.

    Attributes:
        calls: Names of ``call`` that have a runner.
        runs: Kinds of ``run``.
        languages: Languages of ``run.script``.
        authentications: Kinds of ``authentication`` that runners know.
        secrets: Whether runners can resolve ``$secrets``.
        listen: Whether a correlator answers subscriptions.
        metadata: What ``$runtime.metadata`` says of this deployment (``gateway``: the platform's address).
    """

    calls: frozenset[str] = frozenset({"http", "noop", "openapi", "asyncapi", "grpc", "a2a", "mcp"})
    runs: frozenset[str] = frozenset({"container", "script", "shell", "workflow"})
    languages: frozenset[str] = frozenset({"python", "js"})
    authentications: frozenset[str] = frozenset({"basic", "bearer", "digest", "oauth2", "oidc"})
    secrets: bool = True
    listen: bool = True
    metadata: Mapping[str, Json] = field(default_factory=dict)


class Refused(Exception):
    """The construct cannot be compiled; the violation is noted already."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the compiler is.

    Attributes:
        ref: JSON pointer into the document; the base of the references of what is inside.
        key: Stable path: names only.
        source: JSON pointer where the text really is (differs inside inlined functions).
        names: Variables that scopes around it define.
        depth: Scopes around it.
    """

    ref: str
    key: str
    source: str
    names: frozenset[str]
    depth: int

    def at(self, *parts: str | int) -> "Place":
        """A place below; list indexes are not part of the key."""
        path = "".join(f"/{escape(part)}" for part in parts)
        key = "/".join([self.key, *(str(part) for part in parts if isinstance(part, str))]).lstrip("/")
        return replace(self, ref=self.ref + path, source=self.source + path, key=key)

    def inside(self, *names: str) -> "Place":
        """The same place with more variables."""
        return replace(self, names=self.names | set(names))


def escape(part: str | int) -> str:
    """One step of a JSON pointer."""
    return str(part).replace("~", "~0").replace("/", "~1")


@dataclass(slots=True)
class Builder:
    """A program in the making.

    Attributes:
        document: The whole document.
        use: Its ``use`` section.
        offered: What the runtime offers.
        queue: Queue of tasks that name none.
        inlining: Functions that are being inlined.
        aside: An extension's own tasks are being compiled; they are not extended themselves.
    """

    document: Mapping[str, Json]
    use: Mapping[str, Json]
    offered: Offered
    queue: str = "default"
    nodes: list[Node] = field(default_factory=list)
    scopes: list[Scope] = field(default_factory=list)
    keys: dict[str, int] = field(default_factory=dict)
    violations: list[Violation] = field(default_factory=list)
    inlining: list[str] = field(default_factory=list)
    aside: bool = False

    @property
    def name(self) -> str:
        """The workflow's name."""
        about = self.document.get("document")
        return str(about.get("name", "")) if isinstance(about, Mapping) else ""

    # --- saying what is wrong

    def wrong(self, place: Place, detail: str, hint: str | None = None) -> None:
        """Note a violation and go on, so that an author sees all of them at once."""
        self.violations.append(Violation(place.source, detail, hint))

    def not_offered(self, place: Place, what: str, hint: str | None = None) -> Refused:
        """Note that the language has it and this version does not."""
        self.wrong(place, f"{NOT_OFFERED}: {what}", hint)
        return Refused(what)

    @contextmanager
    def noting(self, place: Place) -> Iterator[None]:
        """Turn the failures of compiled pieces into violations at a place."""
        try:
            yield
        except ExpressionInvalid as exc:
            inner = exc.violations[0].pointer if exc.violations else ""
            where = f" (line {exc.line}, column {exc.column} of the expression)"
            hint = _SECRETS_HINT if exc.detail.startswith(("'$secrets'", "'$authorization'")) else exc.hint
            self.violations.append(Violation(place.source + inner, f"expression: {exc.detail}{where}", hint))
            raise Refused(exc.detail) from exc
        except (BadDuration, BadSchema) as exc:
            self.wrong(place, str(exc))
            raise Refused(str(exc)) from exc

    # --- compiled pieces

    def variables(self, place: Place, *more: str) -> frozenset[str]:
        """Names an expression at a place may use: the scopes' and the language's, without secrets and output unless given."""
        return place.names | (ARGUMENTS - {"secrets", "output"}) | set(more)

    def expression(self, text: Json, place: Place, *more: str) -> Expression:
        """What is always an expression; ``${ }`` is optional."""
        with self.noting(place):
            if not isinstance(text, str):
                raise BadDuration("an expression is a string")
            return compile_condition(text, self.variables(place, *more))

    @property
    def loose(self) -> bool:
        """Whether any value may be an expression, and gives its text if it does not evaluate (``evaluate.mode``)."""
        evaluate = self.document.get("evaluate")
        return isinstance(evaluate, Mapping) and evaluate.get("mode") == "loose"

    def template(self, data: Json, place: Place, *more: str) -> Template:
        """Data with strict expressions inside."""
        with self.noting(place):
            return compile_template(data, self.variables(place, *more))

    def evaluated(self, data: Json, place: Place, *more: str) -> Json:
        """Data whose strings the mode of evaluation makes expressions, in strict form."""
        return loosened(data, self.variables(place, *more)) if self.loose else data

    def source(self, data: Json, place: Place, *more: str) -> Source:
        """A transformation: a string is an expression, anything else data with expressions inside."""
        data = self.evaluated(data, place, *more)
        if isinstance(data, str) and (expression_text(data) is not None or not self.loose):
            return self.expression(data, place, *more)
        return self.template(data, place, *more)

    def duration(self, data: Json, place: Place, *more: str) -> Duration:
        """A duration: constant where it can be."""
        if isinstance(data, str) and expression_text(data) is not None:
            return Duration(None, self.expression(data, place, *more))
        if isinstance(data, Mapping) and not (template := self.template(data, place, *more)).constant:
            return Duration(None, template)
        with self.noting(place):
            try:
                return Duration(parse_duration(data), None)
            except BadDuration:
                if not self.loose or not isinstance(data, str):
                    raise
        return Duration(None, self.expression(data, place, *more))

    def schema(self, data: Json, place: Place) -> Schema:
        """An inline JSON schema."""
        if not isinstance(data, Mapping):
            with self.noting(place):
                raise BadSchema("a schema is an object with 'document'")
        kind = str(data.get("format", "json"))
        if kind not in {"json", "json:2020-12"} and not kind.startswith("json"):
            raise self.not_offered(place.at("format"), f"schemas in the format '{kind}'")
        if "document" not in data:
            raise self.not_offered(place.at("resource"), "schemas that are fetched", "Write the schema under 'document'.")
        with self.noting(place.at("document")):
            return compile_schema(data["document"])

    def timeout(self, data: Json, place: Place) -> Duration | None:
        """A task's or the workflow's timeout, by name or inline."""
        if data is None:
            return None
        if isinstance(data, str):
            data = self.named("timeouts", data, place)
        if not isinstance(data, Mapping) or "after" not in data:
            self.wrong(place, "a timeout needs 'after'")
            raise Refused("timeout")
        return self.duration(data["after"], place.at("after"))

    def named(self, section: str, name: str, place: Place) -> Json:
        """A reusable component of the document."""
        found = self.use.get(section)
        if isinstance(found, Mapping) and name in found:
            return found[name]
        self.wrong(place, f"'{name}' is not defined under use.{section}")
        raise Refused(name)

    def pre(self, task: Mapping[str, Json], place: Place) -> Pre | None:
        """Data flow in."""
        condition = self.expression(task["if"], place.at("if")) if "if" in task else None
        given = task.get("input")
        schema, source = None, None
        if isinstance(given, Mapping):
            here = place.at("input")
            schema = self.schema(given["schema"], here.at("schema")) if "schema" in given else None
            source = self.source(given["from"], here.at("from")) if "from" in given and not self.defers_input(task) else None
        if condition is None and schema is None and source is None:
            return None
        return Pre(condition, schema, source)

    def defers_input(self, task: Mapping[str, Json]) -> bool:
        """Whether a worker evaluates ``input.from``: it names secrets, whose values must not come into the run's state."""
        given, run = task.get("input"), task.get("run")
        elsewhere = task.get("call") in self.offered.calls or (isinstance(run, Mapping) and "workflow" not in run)
        return elsewhere and isinstance(given, Mapping) and "$secrets" in str(given.get("from"))

    def post(self, task: Mapping[str, Json], place: Place) -> Post | None:
        """Data flow out."""
        output, export = task.get("output"), task.get("export")
        parts: list[Source | Schema | None] = [None, None, None, None]

        def transformed(given: Mapping[str, Json], here: Place, *more: str) -> Source:
            return self.source(with_authorization(given["as"], task, self.use), here.at("as"), *more)

        if isinstance(output, Mapping):
            here = place.at("output")
            parts[0] = transformed(output, here) if "as" in output else None
            parts[1] = self.schema(output["schema"], here.at("schema")) if "schema" in output else None
        if isinstance(export, Mapping):
            here = place.at("export")
            parts[2] = transformed(export, here, "output") if "as" in export else None
            parts[3] = self.schema(export["schema"], here.at("schema")) if "schema" in export else None
        declared = declared_parts(task.get("metadata"))
        assets = self.template(declared, place.at("metadata"), "output") if declared is not None else None
        if assets is None and not any(part is not None for part in parts):
            return None
        out, out_schema, context, context_schema = parts
        assert not isinstance(out, Schema)
        assert not isinstance(context, Schema)
        assert out_schema is None or isinstance(out_schema, Schema)
        assert context_schema is None or isinstance(context_schema, Schema)
        return Post(out, out_schema, context, context_schema, assets)

    # --- the arrays

    def add_scope(self, parent: int | None, owner: int | None) -> Scope:
        """A new scope; its entry is set when its tasks are known."""
        scope = Scope(len(self.scopes), parent, owner, -1)
        self.scopes.append(scope)
        return scope

    def add_node(self, op: Op, scope: int, name: str, place: Place, definition: Json) -> Node:
        """A new node with nothing but its identity."""
        node = Node(len(self.nodes), op, scope, name, place.ref, place.key, (EXIT,), EXIT, None, None, None, None, definition)
        node.aside = self.aside
        if self.keys.setdefault(place.key, node.index) != node.index:
            node.key = f"{place.key}~{node.index}"
            self.keys[node.key] = node.index
        self.nodes.append(node)
        return node
