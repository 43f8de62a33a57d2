"""`tocsin workflow validate`: definitions checked here, without a platform.

First their grammar and what is most likely a slip, with the light library; then, by the executor's own compiler in a process of
its own, whatever else would be refused at publication, except what this version does not offer: that is no mistake of the
document. Where only the library is installed, the grammar is all that is checked, and that is said.
"""

import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Annotated, Final

import orjson
import typer
from rich.text import Text

from tocsin.cli.exits import Exit
from tocsin.cli.lazy import SETTINGS
from tocsin.cli.output import console, print_json, read_file, say
from tocsin.definitions import Definition, judged, parse
from tocsin.errors import Defect, Invalid, TocsinError, Violation
from tocsin.signals import Json

app = typer.Typer(context_settings=dict(SETTINGS))

_SECONDS: Final = 60.0  # for the compiler, which takes milliseconds


@dataclass(frozen=True, slots=True)
class Found:
    """What is wrong with a definition, and what is most likely a slip."""

    errors: list[Violation]
    warnings: list[Violation]


@app.command("validate")
def validate_files(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="YAML or JSON; `-` for standard input.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Check definitions and say what is wrong or most likely a slip, as file:line:column. Exit code 7 when one is not valid."""
    results: dict[str, Found] = {}
    sound: dict[str, Definition] = {}
    for name in files:
        results[name] = _grammar(name, sound)
    for name, more in _compiled(sound, as_json=as_json).items():
        results[name] = Found(more.errors, [] if more.errors else sorted([*results[name].warnings, *more.warnings], key=_place))
    valid = not any(found.errors for found in results.values())
    if as_json:
        print_json({"valid": valid, "files": [_report(name, found) for name, found in results.items()]})
    else:
        for name, found in results.items():
            _print(name, found)
    if not valid:
        raise typer.Exit(Exit.INVALID)


def _grammar(name: str, sound: dict[str, Definition]) -> Found:
    """Everything that is wrong with the grammar of one file, and its slips; if nothing is wrong, the definition is sound."""
    text = read_file(name, "the definition")
    try:
        definition = parse(text, name)
        wrong, slips = judged(definition)
    except Invalid as error:
        return Found(list(error.violations) or [Violation("", error.detail, error.hint)], [])
    except TocsinError as error:
        return Found([Violation("", error.detail, error.hint)], [])
    if not wrong:
        sound[name] = definition
    return Found(wrong, slips)


def _compiled(sound: dict[str, Definition], *, as_json: bool) -> dict[str, Found]:
    """What the executor would refuse, or wonder at, of definitions whose grammar is right."""
    if not sound:
        return {}
    if find_spec("tocsin_executor") is None:
        say("only the grammar was checked: the executor is not installed here", as_json=as_json, style="dim")
        return {}
    command = [sys.executable, "-m", "tocsin_executor.worker.judging"]
    asked = orjson.dumps([definition.document for definition in sound.values()])
    try:
        done = subprocess.run(command, input=asked, capture_output=True, timeout=_SECONDS, check=True)  # noqa: S603  # our own
        answers = orjson.loads(done.stdout)
    except (subprocess.SubprocessError, OSError, orjson.JSONDecodeError) as error:
        said = getattr(error, "stderr", None) or str(error).encode()
        last = said.decode(errors="replace").strip().rpartition("\n")[2]
        raise Defect(f"The executor's compiler gave no answer: {last}", hint="only the grammar was checked") from error
    return {
        name: Found(_placed(definition, answer["errors"]), _placed(definition, answer["warnings"]))
        for (name, definition), answer in zip(sound.items(), answers, strict=True)
    }


def _placed(definition: Definition, found: list[dict[str, str]]) -> list[Violation]:
    return [Violation(v["pointer"], v["detail"], v["hint"], *definition.position(v["pointer"])) for v in found]


def _place(violation: Violation) -> tuple[int, int]:
    return violation.line or 0, violation.column or 0


def _report(name: str, found: Found) -> Json:
    return {
        "file": name,
        "valid": not found.errors,
        "errors": [_members(violation) for violation in found.errors],
        "warnings": [_members(violation) for violation in found.warnings],
    }


def _members(violation: Violation) -> Json:
    members: dict[str, Json] = {"pointer": violation.pointer, "detail": violation.detail, "hint": violation.hint}
    return {**members, "line": violation.line, "column": violation.column}


def _print(name: str, found: Found) -> None:
    if not found.errors:
        console.print(Text.assemble((name, "bold"), ": ", ("valid", "green")))
    for violation in found.errors:
        _line(name, violation, Text(""))
    for violation in found.warnings:
        _line(name, violation, Text("warning: ", style="yellow"))


def _line(name: str, violation: Violation, mark: Text) -> None:
    where = f"{violation.line}:{violation.column or 1}" if violation.line else ""
    place = f":{where}" if where else f" {violation.pointer}" if violation.pointer else ""
    console.print(Text.assemble((f"{name}{place}", "bold"), ": ", mark, (violation.detail, "")), soft_wrap=True)
    if violation.hint:
        console.print(Text.assemble("  ", ("hint", "cyan"), f": {violation.hint}"), soft_wrap=True)
