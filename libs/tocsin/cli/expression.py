"""`tocsin expression`: a playground for the expressions that workflows (jq) and filters of events (CESQL) are written in."""

import asyncio
import enum
import sys
from typing import Annotated, assert_never, cast

import orjson
import typer

from tocsin import cesql
from tocsin.cli.exits import Exit
from tocsin.cli.lazy import SETTINGS
from tocsin.cli.output import json_argument, print_json
from tocsin.errors import Invalid, TocsinError
from tocsin.expressions import EvaluateElsewhere, compile_expression
from tocsin.expressions.sandbox import Sandbox
from tocsin.signals import Json

app = typer.Typer(no_args_is_help=True, context_settings=dict(SETTINGS), help="Expressions.")

_SECONDS = 10.0  # for one expression that only a process of its own may evaluate


class Language(enum.Enum):
    """What an expression is written in."""

    JQ = "jq"
    CESQL = "cesql"


@app.callback()
def expression() -> None:
    """Try the expressions of workflows and filters, without a platform."""


@app.command("eval")
def evaluate(
    text: Annotated[
        str | None, typer.Argument(metavar="EXPR", help="The expression; JSON lines are read unless it is given.")
    ] = None,
    *,
    language: Annotated[Language, typer.Option("--language", "-l", help="What it is written in.")] = Language.JQ,
    given: Annotated[str | None, typer.Option("--input", "-i", metavar="JSON|@FILE", help="Of jq: what `.` is.")] = None,
    event: Annotated[str | None, typer.Option("--event", "-e", metavar="JSON|@FILE", help="Of CESQL: the attributes.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print an object with value and error, not the value alone.")] = False,
) -> None:
    """Evaluate an expression, or one for each JSON line of standard input.

    A line is {"expression","input"} for jq and {"expression","event"} for CESQL; each line of output, in the same order, has
    "value", "error" or, as CESQL has it, both.
    """
    if text is None:
        asyncio.run(_lines(language))
        return
    answer = asyncio.run(_one(language, text, json_argument(given, "--input"), json_argument(event, "--event")))
    if as_json:
        print_json(answer)
    elif "value" in answer:
        print_json(answer["value"])
    error = answer.get("error")
    if error is not None:
        if not as_json:
            print(f"error: {error['message'] if isinstance(error, dict) else error}", file=sys.stderr)
        raise typer.Exit(Exit.INVALID)


async def _lines(language: Language) -> None:
    write = sys.stdout.buffer.write
    async with Sandbox(size=1) as sandbox:
        for line in sys.stdin.buffer:
            if line.strip():
                write(orjson.dumps(await _line(language, line, sandbox), option=orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()


async def _line(language: Language, line: bytes, sandbox: Sandbox) -> dict[str, Json]:
    try:
        asked = orjson.loads(line)
    except orjson.JSONDecodeError as exc:
        return {"error": {"message": f"the line is not JSON: {exc}"}}
    if not isinstance(asked, dict) or not isinstance(asked.get("expression"), str):
        return {"error": {"message": "a line is an object with an expression"}}
    return await _answer(language, asked["expression"], asked.get("input"), asked.get("event"), sandbox)


async def _one(language: Language, text: str, value: Json, event: Json) -> dict[str, Json]:
    async with Sandbox(size=1) as sandbox:
        return await _answer(language, text, value, event, sandbox)


async def _answer(language: Language, text: str, value: Json, event: Json, sandbox: Sandbox) -> dict[str, Json]:
    try:
        match language:
            case Language.JQ:
                return {"value": await _jq(text, value, sandbox)}
            case Language.CESQL:
                return _cesql(text, event)
            case _:
                assert_never(language)
    except TocsinError as error:
        members: dict[str, Json] = {"message": error.detail, "code": error.code}
        if isinstance(error, cesql.CesqlInvalid):
            members["kind"] = "parse"
        return {
            "error": members | {name: item for name, item in error.fields.items() if name in {"position", "line", "column"}}
        }


async def _jq(text: str, value: Json, sandbox: Sandbox) -> Json:
    compiled = compile_expression(text, frozenset())
    try:
        found = compiled.evaluate(value, {})
    except EvaluateElsewhere:
        found = await sandbox.evaluate_open(text, value, {}, _SECONDS)
    return cast(Json, found)  # the same values; expressions call them immutable


def _cesql(text: str, event: Json) -> dict[str, Json]:
    if not isinstance(event, dict | None):
        raise Invalid("an event is an object with its attributes")
    attributes = {name: item for name, item in (event or {}).items() if isinstance(item, str | int)}
    found = cesql.parse(text).evaluate(attributes)
    answer: dict[str, Json] = {"value": found.value}
    if found.faults:
        first = found.faults[0]
        answer["error"] = {"message": first.detail, "kind": first.kind.value}
    return answer
