"""The conformance kit's Gherkin: features to scenarios, and what their steps say about a finished run."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML

_STEP = re.compile(r"^\s*(Given|When|Then|And|But)\s+(.*)$")
_CELLS = re.compile(r"(?<!\\)\|")
_HOLE = re.compile(r"<(\w+)>")
_QUOTED = re.compile(r"'([^']+)'")


@dataclass(slots=True)
class Step:
    """One line, without its keyword, and the document below it."""

    text: str
    document: str | None = None


@dataclass(slots=True)
class Scenario:
    """A scenario with its place."""

    name: str
    place: str
    steps: list[Step] = field(default_factory=list)

    def document(self, what: str) -> str | None:
        """The document of the first step whose text ends with some words."""
        return next((step.document for step in self.steps if step.text.endswith(what)), None)


@dataclass(slots=True)
class Ran:
    """A finished run, however it was executed.

    Attributes:
        status: ``completed``, ``faulted`` or ``cancelled``.
        output: The workflow's output.
        error: The problem, or ``None``.
        tasks: Names of tasks in the order they began, with their status.
    """

    status: str
    output: Any
    error: dict[str, Any] | None
    tasks: list[tuple[str, str]]


Execute = Callable[[str, Any], Ran]
"""Runs a definition (its text) on an input."""


def parse(text: str, place: str) -> list[Scenario]:
    """The scenarios of a feature file."""
    scenarios: list[Scenario] = []
    tables: dict[int, list[list[str]]] = {}
    document: list[str] | None = None
    for line in text.splitlines():
        bare = line.strip()
        if document is not None:
            if bare.startswith('"""'):
                margin = min((len(part) - len(part.lstrip()) for part in document if part.strip()), default=0)
                scenarios[-1].steps[-1].document = "\n".join(part[margin:] for part in document) + "\n"
                document = None
            else:
                document.append(line)
        elif bare.startswith('"""'):
            document = []
        elif bare.startswith(("Scenario:", "Scenario Outline:")):
            scenarios.append(Scenario(bare.partition(":")[2].strip(), place))
        elif bare.startswith("|") and scenarios:
            cells = [cell.strip().replace("\\|", "|") for cell in _CELLS.split(bare)[1:-1]]
            tables.setdefault(len(scenarios) - 1, []).append(cells)
        elif scenarios and (match := _STEP.match(line)):
            scenarios[-1].steps.append(Step(match[2].strip()))
    return [made for number, found in enumerate(scenarios) for made in _expanded(found, tables.get(number))]


def _expanded(outline: Scenario, table: list[list[str]] | None) -> list[Scenario]:
    """An outline once for each row of its table, with the row's cells for ``<names>``."""
    if table is None:
        return [outline]
    names, *rows = table
    made = []
    for row in rows:
        cells = dict(zip(names, row, strict=True))

        def filled(text: str, cells: dict[str, str] = cells) -> str:
            return _HOLE.sub(lambda hole: cells.get(hole[1], hole[0]), text)

        steps = [Step(filled(s.text), None if s.document is None else filled(s.document)) for s in outline.steps]
        made.append(Scenario(f"{outline.name} ({', '.join(row)})", outline.place, steps))
    return made


def load(text: str | None) -> Any:
    """A YAML document."""
    return None if text is None else YAML(typ="safe", pure=True).load(text)


def judge(scenario: Scenario, ran: Ran) -> list[str]:
    """What the run does not do that the scenario says."""
    wrong: list[str] = []
    for step in scenario.steps:
        if any(words in step.text for words in ("should", "has been")):
            complaint = _judge(step, ran)
            if complaint is not None:
                wrong.append(f"{step.text} {complaint}")
    return wrong


def _judge(step: Step, ran: Ran) -> str | None:
    text, wanted = step.text, load(step.document)
    if text.startswith("the workflow should"):
        return _judge_run(text, wanted, ran)
    if text.startswith("the workflow output should"):
        return _judge_output(text, wanted, ran.output)
    return _judge_task(text, ran)


def _judge_run(text: str, wanted: Any, ran: Ran) -> str | None:
    status = next(
        value for words, value in (("complete", "completed"), ("fault", "faulted"), ("cancel", "cancelled")) if words in text
    )
    if ran.status != status:
        return f"- but it {ran.status}: {ran.error}"
    if "with output" in text and ran.output != wanted:
        return f"- but it is {ran.output!r}"
    if "with error" in text:
        found = {name: (ran.error or {}).get(name) for name in wanted}
        return None if found == wanted else f"- but it is {ran.error!r}"
    return None


def _judge_output(text: str, wanted: Any, output: Any) -> str | None:
    names = _QUOTED.findall(text)
    found = [(name, *_dig(output, name)) for name in names]
    missing = [name for name, there, _ in found if not there]
    if missing:
        return f"- but {', '.join(missing)} is missing in {output!r}"
    if "with value" in text and found[0][2] != wanted:
        return f"- but it is {found[0][2]!r}"
    if match := re.search(r"containing (\d+) items", text):
        return None if len(found[0][2]) == int(match[1]) else f"- but it is {found[0][2]!r}"
    return None


def _dig(value: Any, path: str) -> tuple[bool, Any]:
    for part in path.split("."):
        if not isinstance(value, dict) or part not in value:
            return False, None
        value = value[part]
    return True, value


def _judge_task(text: str, ran: Ran) -> str | None:
    names = [name for name, _ in ran.tasks]
    match = re.match(
        r"(?:task )?'?(\w+)'? (?:should|has) (?:been |run )?(first|last|after|before|cancel\w*|complete\w*|fault\w*)"
        r"(?: '?(\w+)'?)?",
        text,
    )
    if match is None:
        return "- is not a step that is known"
    name, how, other = match.groups()
    if name not in names or (other is not None and other not in names):
        return f"- but only {names} ran"
    at = names.index(name)
    holds = {
        "first": at == 0,
        "last": names[-1] == name,
        "after": other is not None and at > names.index(other),
        "before": other is not None and at < names.index(other),
    }.get(how)
    if holds is None:
        holds = any(ran_name == name and status.startswith(how[:5]) for ran_name, status in ran.tasks)
    return None if holds else f"- but they ran as {ran.tasks}"
