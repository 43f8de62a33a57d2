"""Data flow: evaluating a task's expressions in its environment, validating, and what goes in and out.

Order matters here and is the language's: condition, input schema, input transformation; then the body; then output
transformation, output schema, export, export schema. Every expression runs either inside the step, because its cost is bounded
by its text and input, or in the killable process, whose answer comes back as an input and is remembered in the token. What has
to look into a large value, or makes one, is evaluated there too, where such values are loaded and stored.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

import orjson

from tocsin.expressions import Cost, EvaluateElsewhere, Expression, ExpressionFailed, Template, expression_text, truthy
from tocsin.signals.nesting import too_deep
from tocsin_executor.domain.declared import read_declared
from tocsin_executor.domain.durations import BadDuration, Duration, parse_duration
from tocsin_executor.domain.effects import Evaluate, Transition
from tocsin_executor.domain.fold import Fold
from tocsin_executor.domain.interrupts import Postponed, Raised
from tocsin_executor.domain.large import APART, NESTED, Large
from tocsin_executor.domain.program import Post, Pre, Source
from tocsin_executor.domain.schemas import Schema
from tocsin_executor.domain.state import Token
from tocsin_executor.domain.values import ErrorKind, Json, Millis, problem

_HANDED_ON: Final = re.compile(r"\s*(?:\.|\$(\w+)|\$(workflow|task)\.(input|output))\s*")  # text that hands a value on as it is
_HOLDERS: Final = frozenset({"workflow", "task"})  # variables with values of the run inside


def evaluate(
    fold: Fold,
    token: Token,
    site: str,
    expression: Source,
    value: Json,
    *,
    extra: Mapping[str, Json] | None = None,
    keep: bool = False,
) -> Json:
    """Evaluate in the token's environment.

    Args:
        fold: The machine.
        token: Whose environment it is.
        site: Name of the place, unique within the token's phase; the key of the remembered answer.
        expression: What to evaluate.
        value: What ``.`` is.
        extra: Variables that only this place has.
        keep: The result stays with the run: a large one is stored apart.

    Raises:
        Raised: The expression fails.
        Postponed: It has to be evaluated elsewhere; the phase is run again with the answer.
    """
    if token.memo is not None and site in token.memo:
        return _remembered(token.memo[site])
    variables = environment(fold, token, expression.names, extra) if expression.names else {}
    if _heavy(value if expression.reads else None, variables):
        if isinstance(expression, Template) and expression.constant:
            return expression.data
        if (way := _handed_on(expression)) is not None:
            return _taken(way, value, variables)
    elif expression.cost is not Cost.OPEN:
        try:
            found = expression.evaluate(value, variables)
            if found is value or small(found) or not keep:
                return found
        except EvaluateElsewhere:
            pass
        except ExpressionFailed as exc:
            raise Raised(problem(ErrorKind.EXPRESSION, exc.detail)) from exc
    template = isinstance(expression, Template)
    text: Json = expression.data if isinstance(expression, Template) else expression.text
    apart = "data" if site == "emit" else None
    given = value if expression.reads else None
    ask(fold, token, Evaluate(fold.run, _ticket(token, site), text, given, variables, template, apart=apart))
    raise Postponed


def elsewhere(fold: Fold, token: Token, site: str, text: str, value: Json, *, schema: Json = None) -> Json:
    """What jq text gives, evaluated where large values are loaded; with a schema what is wrong with the value, or null.

    Raises:
        Raised: The expression fails.
        Postponed: Always, before there is an answer.
    """
    if token.memo is not None and site in token.memo:
        return _remembered(token.memo[site])
    ask(fold, token, Evaluate(fold.run, _ticket(token, site), text, value, {}, template=False, schema=schema))
    raise Postponed


def ask(fold: Fold, token: Token, effect: Evaluate) -> None:
    """Have something evaluated elsewhere for a token, which waits for that."""
    token.ticket = effect.ticket.removeprefix(f"{token.id}/")
    fold.effects.append(effect)


def _ticket(token: Token, site: str) -> str:
    token.asked += 1
    return f"{token.id}/{site}/{token.asked}"


def _remembered(answer: Json) -> Json:
    if not isinstance(answer, dict) or "error" in answer:
        raise Raised(problem(ErrorKind.EXPRESSION, str(answer["error"]) if isinstance(answer, dict) else "no answer"))
    found: Json = answer["value"]
    return found


def _heavy(value: Json, variables: Mapping[str, Json]) -> bool:
    """Whether an expression over these would look at a reference instead of a value."""
    if type(value) is Large:
        return True
    for name, held in variables.items():
        if type(held) is Large:
            return True
        if name in _HOLDERS and isinstance(held, dict) and (type(held["input"]) is Large or type(held.get("output")) is Large):
            return True
    return False


@lru_cache(maxsize=4096)
def _way(text: str) -> tuple[str, str] | None:
    found = _HANDED_ON.fullmatch(text)
    return None if found is None else (found[1] or found[2] or "", found[3] or "")


def _handed_on(expression: Source) -> tuple[str, str] | None:
    """The variable (none for ``.``) and its member that an expression hands on as it is; ``None`` if it does more."""
    if isinstance(expression, Template):
        text = expression_text(expression.data) if isinstance(expression.data, str) else None
    else:
        text = expression.text
    return None if text is None else _way(text)


def _taken(way: tuple[str, str], value: Json, variables: Mapping[str, Json]) -> Json:
    name, member = way
    held = value if not name else variables.get(name)
    return held.get(member) if member and isinstance(held, Mapping) else held


def small(value: Json) -> bool:
    """Whether a value may stay with its run.

    Raises:
        Raised: It is nested too deep to be kept anywhere.
    """
    if type(value) is Large:
        return True
    if isinstance(value, dict | list):
        try:
            raw = orjson.dumps(value)
        except TypeError as exc:
            raise Raised(problem(ErrorKind.VALIDATION, NESTED)) from exc
        if too_deep(value, raw):
            raise Raised(problem(ErrorKind.VALIDATION, NESTED))
        return len(raw) <= APART
    return not isinstance(value, str) or len(value) * 2 < APART or len(orjson.dumps(value)) <= APART


def condition(
    fold: Fold, token: Token, site: str, expression: Expression, value: Json, *, extra: Mapping[str, Json] | None = None
) -> bool:
    """Evaluate to jq's truth."""
    return truthy(evaluate(fold, token, site, expression, value, extra=extra))


def environment(fold: Fold, token: Token, names: frozenset[str], extra: Mapping[str, Json] | None = None) -> dict[str, Json]:
    """The values of the variables that an expression names; nothing else is built."""
    found: dict[str, Json] = {}
    for name in names:
        if extra is not None and name in extra:
            found[name] = extra[name]
        elif name == "input":
            found[name] = token.input
        elif name == "context":
            found[name] = fold.head.context
        elif name == "task":
            found[name] = _task(fold, token)
        elif name == "workflow":
            found[name] = _workflow(fold)
        elif name == "runtime":
            found[name] = fold.program.runtime
        elif name == "now":
            found[name] = fold.now / 1000
        elif name != "secrets":
            found[name] = _scoped(fold, token, name)
    return found


def _scoped(fold: Fold, token: Token, name: str) -> Json:
    """A variable of the innermost scope instance that defines it (``for``'s item, ``catch``'s error)."""
    instance = fold.cell.scopes[token.scope]
    while True:
        if instance.names is not None and name in instance.names:
            return instance.names[name]
        if instance.owner is None:
            return None
        instance = fold.cell.scopes[fold.cell.tokens[instance.owner].scope]


def instant(millis: Millis) -> dict[str, Json]:
    """The language's description of an instant."""
    return {"iso8601": iso(millis), "epoch": {"seconds": millis // 1000, "milliseconds": millis}}


def iso(millis: Millis) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return datetime.fromtimestamp(millis / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _task(fold: Fold, token: Token) -> Json:
    """The current task; for tasks of an extension the one that is extended, with its definition's own fields beside."""
    node = fold.nodes[token.node]
    while node.aside:
        token = fold.owner(token)
        node = fold.nodes[token.node]
    own = node.definition if isinstance(node.definition, dict) else {}
    started = token.created if token.started is None else token.started
    return {
        **own,
        "name": node.name,
        "reference": node.ref,
        "definition": node.definition,
        "input": token.value,
        "output": token.output,
        "startedAt": instant(started),
    }


def _workflow(fold: Fold) -> Json:
    head = fold.head
    return {"id": fold.run, "definition": fold.program.definition, "input": head.input, "startedAt": instant(head.started)}


def check(fold: Fold, token: Token, schema: Schema, value: Json, what: str) -> None:
    """Validate.

    Raises:
        Raised: A ``validation`` error that says where.
        Postponed: The value is large, and looked at elsewhere.
    """
    if type(value) is Large:
        answer = elsewhere(fold, token, f"schema:{what}", ".", value, schema=schema.document)
        complaint = None if answer is None else str(answer)
    else:
        complaint = schema.complaint(value)
    if complaint is not None:
        raise Raised(problem(ErrorKind.VALIDATION, f"{what} is not valid: {complaint}"))


def bounded(value: Json, what: str) -> Json:
    """The value, if it is small enough for a place where nothing is stored apart.

    Raises:
        Raised: A ``validation`` error that names the limit.
    """
    if isinstance(value, dict | list):
        size = value.size if isinstance(value, Large) else len(orjson.dumps(value))
        if size > APART:
            raise Raised(problem(ErrorKind.VALIDATION, f"{what} has {size} bytes; the limit is {APART}"))
    return value


def into(fold: Fold, token: Token, pre: Pre) -> None:
    """Validate the raw input and transform it (the condition has been decided before)."""
    if pre.schema is not None:
        check(fold, token, pre.schema, token.value, "the input")
    if pre.source is not None:
        token.input = evaluate(fold, token, "from", pre.source, token.value, keep=True)


def out_of(fold: Fold, token: Token, post: Post, extra: Mapping[str, Json] | None = None) -> Json:
    """Transform and validate the raw output, then export; returns the transformed output."""
    value = token.output
    if post.output is not None:
        value = evaluate(fold, token, "as", post.output, value, extra=extra, keep=True)
    if post.output_schema is not None:
        check(fold, token, post.output_schema, value, "the output")
    declared = None
    if post.assets is not None:
        found = evaluate(fold, token, "assets", post.assets, value, extra={**(extra or {}), "output": value})
        declared = read_declared(bounded(found, "what the task says about data"))
    if post.export is not None:
        context = evaluate(fold, token, "export", post.export, value, extra={**(extra or {}), "output": value}, keep=True)
        if post.export_schema is not None:
            check(fold, token, post.export_schema, context, "the context")
        fold.head.context = context
    if declared is not None:
        fold.signal(Transition.TASK_ASSETS_REPORTED, token, declared)
    return value


def duration(fold: Fold, token: Token, site: str, spec: Duration, extra: Mapping[str, Json] | None = None) -> Millis:
    """Milliseconds of a duration, evaluated now if it is an expression.

    Raises:
        Raised: An ``expression`` error when it does not give a duration.
    """
    if spec.constant is not None:
        return spec.constant
    if spec.template is None:
        return 0
    value = evaluate(fold, token, site, spec.template, token.input, extra=extra)
    try:
        return parse_duration(value)
    except BadDuration as exc:
        raise Raised(problem(ErrorKind.EXPRESSION, str(exc))) from exc
