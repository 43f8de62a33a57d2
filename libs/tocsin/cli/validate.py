"""`tocsin workflow validate`: definitions checked here, without a platform."""

from typing import Annotated

import typer
from rich.text import Text

from tocsin.cli.exits import Exit
from tocsin.cli.lazy import SETTINGS
from tocsin.cli.output import console, print_json, read_file
from tocsin.definitions import parse, validate
from tocsin.errors import Invalid, TocsinError, Violation
from tocsin.signals import Json

app = typer.Typer(context_settings=dict(SETTINGS))


@app.command("validate")
def validate_files(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="YAML or JSON; `-` for standard input.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Check definitions and say what is wrong, as file:line:column. Exit code 7 when one is not valid."""
    results = [(name, check(name)) for name in files]
    if as_json:
        print_json(
            {"valid": all(not found for _, found in results), "files": [_report(name, found) for name, found in results]}
        )
    else:
        for name, found in results:
            _print(name, found)
    if any(found for _, found in results):
        raise typer.Exit(Exit.INVALID)


def check(name: str) -> list[Violation]:
    """Everything that is wrong with one file; empty when nothing is."""
    text = read_file(name, "the definition")
    try:
        return list(validate(parse(text, name)))
    except Invalid as error:
        return list(error.violations) or [Violation("", error.detail, error.hint)]
    except TocsinError as error:
        return [Violation("", error.detail, error.hint)]


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
