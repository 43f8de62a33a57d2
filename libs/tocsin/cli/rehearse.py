"""`tocsin workflow test`: cases of a definition, played in virtual time without a platform."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Final

import orjson
import typer
from rich.text import Text

from tocsin.cli.exits import Exit
from tocsin.cli.lazy import SETTINGS
from tocsin.cli.output import console, print_json, read_file
from tocsin.definitions import load
from tocsin.definitions.reading import Value, read
from tocsin.errors import Invalid, Unavailable, Violation
from tocsin.signals import Json

app = typer.Typer(context_settings=dict(SETTINGS))

_KNOWN: Final = ("name", "input", "tasks", "events", "expect")


@app.command("test")
def play_cases(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Cases: `workflow: FILE` and `cases: [...]`.")],
    *,
    seconds: Annotated[float, typer.Option("--timeout", metavar="SECONDS", min=0.1, help="For all cases of a file.")] = 60.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Play cases of definitions in virtual time, with what tasks answer given; exit code 1 when one is not as expected."""
    reports = [_played(file, seconds) for file in files]
    failed = sum(1 for _, results in reports for result in results if result["complaints"])
    if as_json:
        print_json([{"file": file, "results": [*results]} for file, results in reports])
    else:
        for file, results in reports:
            _print(file, results)
        console.print(f"{sum(len(results) for _, results in reports) - failed} passed, {failed} failed")
    if failed:
        raise typer.Exit(Exit.NEGATIVE)


def _played(file: str, seconds: float) -> tuple[str, list[dict[str, Json]]]:
    """The results of the cases in a file."""
    given, _ = read(read_file(file, "the cases"), file)
    if not isinstance(given, dict) or not isinstance(given.get("workflow"), str) or not isinstance(given.get("cases"), list):
        raise Invalid(f"{file} is no file of cases", hint="it is an object with 'workflow' (a file) and 'cases' (a list)")
    cases = given["cases"]
    assert isinstance(cases, list)
    for number, case in enumerate(cases):
        _check(file, number, case)
    path = str(Path(file).parent / str(given["workflow"])) if file != "-" else str(given["workflow"])
    definition = load(read_file(path, "the definition"), path)
    asked = orjson.dumps({"document": definition.document, "cases": cases})
    command = [sys.executable, "-m", "tocsin_executor.worker.rehearsal"]
    try:
        done = subprocess.run(command, input=asked, capture_output=True, timeout=seconds, check=False)  # noqa: S603  # our own module
    except subprocess.TimeoutExpired:
        raise Unavailable(f"the cases of {file} were not played within {seconds:g} s", hint="does one loop?") from None
    if done.returncode != 0:
        raise Unavailable(f"the cases of {file} could not be played", hint=done.stderr.decode()[-500:].strip() or None)
    answer = orjson.loads(done.stdout)
    if "invalid" in answer:
        found = [Violation(v["pointer"], v["detail"], v["hint"], *definition.position(v["pointer"])) for v in answer["invalid"]]
        raise Invalid(f"{path} cannot be run", violations=found)
    results: list[dict[str, Json]] = answer["results"]
    return file, results


def _check(file: str, number: int, case: Value) -> None:
    if not isinstance(case, dict):
        raise Invalid(f"{file}: case {number + 1} is no object")
    for name in case:
        if name not in _KNOWN:
            raise Invalid(f"{file}: case {number + 1} has an unknown '{name}'", hint=f"known are {', '.join(_KNOWN)}")


def _print(file: str, results: list[dict[str, Json]]) -> None:
    for result in results:
        found = result["complaints"]
        complaints = found if isinstance(found, list) else []
        mark = ("failed", "red") if complaints else ("passed", "green")
        console.print(Text.assemble((file, "dim"), " ", (str(result["name"]), "bold"), ": ", mark))
        for complaint in complaints:
            console.print(f"  {complaint}", soft_wrap=True, markup=False)
