"""`tocsin workflow validate`: definitions checked here, without a platform.

First their grammar, with the light library; then, by the executor's own compiler in a process of its own, whatever else would
be refused at publication, except what this version does not offer: that is no mistake of the document. Where only the library
is installed, the grammar is all that is checked, and that is said.
"""

import subprocess
import sys
from importlib.util import find_spec
from typing import Annotated, Final

import orjson
import typer
from rich.text import Text

from tocsin.cli.exits import Exit
from tocsin.cli.lazy import SETTINGS
from tocsin.cli.output import console, print_json, read_file, say
from tocsin.definitions import Definition, parse, validate
from tocsin.errors import Defect, Invalid, TocsinError, Violation
from tocsin.signals import Json

app = typer.Typer(context_settings=dict(SETTINGS))

_SECONDS: Final = 60.0  # for the compiler, which takes milliseconds


@app.command("validate")
def validate_files(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="YAML or JSON; `-` for standard input.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Check definitions and say what is wrong, as file:line:column. Exit code 7 when one is not valid."""
    results: dict[str, list[Violation]] = {}
    sound: dict[str, Definition] = {}
    for name in files:
        results[name] = _grammar(name, sound)
    results |= _compiled(sound, as_json=as_json)
    if as_json:
        print_json({"valid": not any(results.values()), "files": [_report(name, found) for name, found in results.items()]})
    else:
        for name, found in results.items():
            _print(name, found)
    if any(results.values()):
        raise typer.Exit(Exit.INVALID)


def _grammar(name: str, sound: dict[str, Definition]) -> list[Violation]:
    """Everything that is wrong with the grammar of one file; if nothing is, the definition is sound."""
    text = read_file(name, "the definition")
    try:
        definition = parse(text, name)
        wrong = list(validate(definition))
    except Invalid as error:
        return list(error.violations) or [Violation("", error.detail, error.hint)]
    except TocsinError as error:
        return [Violation("", error.detail, error.hint)]
    if not wrong:
        sound[name] = definition
    return wrong


def _compiled(sound: dict[str, Definition], *, as_json: bool) -> dict[str, list[Violation]]:
    """What the executor would refuse of definitions whose grammar is right."""
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
        name: [Violation(v["pointer"], v["detail"], v["hint"], *definition.position(v["pointer"])) for v in answer]
        for (name, definition), answer in zip(sound.items(), answers, strict=True)
    }


def _report(name: str, found: list[Violation]) -> Json:
    errors: list[Json] = []
    for violation in found:
        members: dict[str, Json] = {"pointer": violation.pointer, "detail": violation.detail, "hint": violation.hint}
        errors.append({**members, "line": violation.line, "column": violation.column})
    return {"file": name, "valid": not found, "errors": errors}


def _print(name: str, found: list[Violation]) -> None:
    if not found:
        console.print(Text.assemble((name, "bold"), ": ", ("valid", "green")))
    for violation in found:
        place = (
            f":{violation.line}:{violation.column or 1}"
            if violation.line
            else f" {violation.pointer}"
            if violation.pointer
            else ""
        )
        console.print(Text.assemble((f"{name}{place}", "bold"), ": ", (violation.detail, "")), soft_wrap=True)
        if violation.hint:
            console.print(Text.assemble("  ", ("hint", "cyan"), f": {violation.hint}"), soft_wrap=True)
