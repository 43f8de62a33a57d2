"""Operations that only compute: nothing, ``set``, ``emit``, ``raise``, ``switch``. They start and end in one turn."""

from collections.abc import Mapping

from tocsin.errors import Defect, Invalid
from tocsin.signals import subjects
from tocsin.signals.codec import from_members
from tocsin_executor.domain.effects import Emit
from tocsin_executor.domain.flow import bounded, condition, evaluate, iso
from tocsin_executor.domain.fold import Fold
from tocsin_executor.domain.interrupts import Raised
from tocsin_executor.domain.large import Large
from tocsin_executor.domain.program import ChooseSpec, EmitSpec, EvalSpec, Node, ThrowSpec
from tocsin_executor.domain.state import Phase, Token
from tocsin_executor.domain.values import ErrorKind, Json, problem


def done(fold: Fold, token: Token, output: Json) -> None:
    """The body has its raw output: on to the data flow out."""
    token.output = output
    fold.turn(token, Phase.FINISH)


def begin_pass(fold: Fold, token: Token, node: Node) -> None:
    """Nothing to do."""
    fold.begin_body(token)
    done(fold, token, token.input)


def begin_eval(fold: Fold, token: Token, node: Node) -> None:
    """``set``: the value replaces the data, it is never merged."""
    if not isinstance(node.spec, EvalSpec):
        raise Defect("eval without its spec", node=node.ref)
    value = evaluate(fold, token, "set", node.spec.value, token.input, keep=True)
    fold.begin_body(token)
    done(fold, token, value)


def begin_emit(fold: Fold, token: Token, node: Node) -> None:
    """``emit``: the output is the event, with ``id``, ``time`` and ``source`` filled in."""
    if not isinstance(node.spec, EmitSpec):
        raise Defect("emit without its spec", node=node.ref)
    given = evaluate(fold, token, "emit", node.spec.event, token.input, keep=True)
    if not isinstance(given, dict) or not isinstance(given.get("type"), str):
        raise Raised(problem(ErrorKind.EXPRESSION, "the event has no 'type' that is a string"))
    program = fold.program
    event: dict[str, Json] = {
        "specversion": "1.0",
        "id": f"{fold.run}/{token.id}",
        "source": f"/{program.namespace}/{program.name}/{program.version}",
        "time": iso(fold.now),
    }
    event.update({name: value for name, value in given.items() if value is not None})
    if "data" in event and "datacontenttype" not in event:
        event["datacontenttype"] = "application/json"
    data = event.get("data")
    if isinstance(data, Large):  # the specification's extension: where the data is, instead of the data
        del event["data"]
        event["dataref"] = f"/api/v1/runs/{fold.run}/values/{data.digest}"
    bounded(event, "the event")
    _check(program.namespace, event)
    fold.begin_body(token)
    fold.effects.append(Emit(fold.run, token.id, event))
    done(fold, token, event)


def _check(namespace: str, event: Mapping[str, Json]) -> None:
    """Only a CloudEvent is said: nobody could read anything else, and a type that is no subject would end the connection."""
    try:
        subjects.event(namespace, from_members(event).type)
    except Invalid as error:
        raise Raised(problem(ErrorKind.VALIDATION, error.detail, title="Invalid Event")) from error


def begin_throw(fold: Fold, token: Token, node: Node) -> None:
    """``raise``: an error of the author's; the engine says where it comes from."""
    if not isinstance(node.spec, ThrowSpec):
        raise Defect("raise without its spec", node=node.ref)
    error = evaluate(fold, token, "raise", node.spec.error, token.input)
    if (
        not isinstance(error, dict)
        or not isinstance(error.get("type"), str)
        or not isinstance(error.get("status"), int | float)
    ):
        raise Raised(problem(ErrorKind.EXPRESSION, "the error has no 'type' that is a string and 'status' that is a number"))
    fold.begin_body(token)
    raise Raised({**error, "instance": node.ref})


def begin_choose(fold: Fold, token: Token, node: Node) -> None:
    """``switch``: the first case that holds says where to go; without one, the task's own ``then``. The output is the input."""
    if not isinstance(node.spec, ChooseSpec):
        raise Defect("switch without its spec", node=node.ref)
    chosen = 0
    for number, case in enumerate(node.spec.cases):
        if case.condition is None or condition(fold, token, f"when:{number}", case.condition, token.input):
            chosen = case.target
            break
    fold.begin_body(token)
    token.target = chosen
    done(fold, token, token.input)
