"""The specification's conformance kit on the engine's core: real definitions, real compiler, real fold; HTTP is answered here.

The whole platform runs the same scenarios through its API elsewhere (``features.Execute`` is what it has to provide).
"""

import pathlib
import re
from typing import Any

from tests.conformance.features import Execute, Ran, judge, load, parse
from tests.conformance.suites import Outcome

from tocsin.definitions import DefinitionInvalid
from tocsin.definitions import load as load_definition
from tocsin.errors import Invalid
from tocsin.expressions import compile_expression, compile_template
from tocsin_executor.domain.compile import Offered, compile_workflow
from tocsin_executor.domain.effects import ContinueRun, Dispatch, Effect, Evaluate, Record, Revoke
from tocsin_executor.domain.inputs import Continue, Evaluated, Input, Result, Start, StopKind, Stopped, Wake
from tocsin_executor.domain.state import RunState
from tocsin_executor.domain.step import step

PETS = {1: {"id": 1, "name": "Milou", "status": "available"}, 2: {"id": 2, "name": "Idefix", "status": "sold"}}
COMMUNICATION = "https://open-workflow-specification.org/spec/1.0.0/errors/communication"
OFFERED = Offered(calls=frozenset({"http", "openapi"}))
_LIMIT = 10_000


def ctk(folder: pathlib.Path) -> Outcome:
    """Every scenario of every feature."""
    return run_features(folder, "ctk", in_process)


def run_features(folder: pathlib.Path, name: str, execute: Execute) -> Outcome:
    """Judge every scenario on what an executor makes of it."""
    outcome = Outcome(name)
    for path in sorted((folder / "open-workflow" / "ctk" / "features").glob("*.feature")):
        for scenario in parse(path.read_text(encoding="utf-8"), path.name):
            try:
                ran = execute(scenario.document("with definition:") or "", load(scenario.document("input is:")))
                wrong = judge(scenario, ran)
            except (DefinitionInvalid, Invalid) as refusal:
                wrong = [f"refused: {'; '.join(violation.detail for violation in refusal.violations)}"]
            if wrong:
                outcome.failed.append(f"{scenario.place}: {scenario.name}: {'; '.join(wrong)}")
            else:
                outcome.passed += 1
    return outcome


def in_process(text: str, data: Any) -> Ran:
    """Run a definition on the core alone; its workers are ``answer``."""
    definition = load_definition(text, "scenario.yaml")
    program = compile_workflow(definition.document, definition.digest, OFFERED)
    run, effects, position = RunState("ctk"), [], 1
    agenda: list[Input] = [Start("ctk", 1, 1_700_000_000_000, digest=definition.digest, input=data)]
    while agenda and position < _LIMIT:
        made = step(program, run, agenda.pop(0))
        effects += made
        for effect in made:
            position += 1
            agenda += _world(effect, position)
        if not agenda and run.wake is not None:
            position += 1
            agenda.append(Wake("ctk", position, run.wake, cell="h", at=run.wake))
    head = run.head
    if head is None or head.fin is None:
        return Ran("stuck", None, None, [])
    records = sorted((e for e in effects if isinstance(e, Record)), key=lambda record: int(record.token.partition(":")[2]))
    return Ran(head.status.value, head.fin.output, head.fin.error, [(record.name, record.status) for record in records])


def _world(effect: Effect, position: int) -> list[Input]:
    now = 1_700_000_000_000 + position
    match effect:
        case Dispatch():
            return [Result("ctk", position, now, effect.attempt, **answer(effect.runner, effect.spec))]
        case Evaluate():
            names = frozenset(effect.variables)
            compiled = (
                compile_template(effect.expression, names)
                if effect.template
                else compile_expression(str(effect.expression), names)
            )
            return [Evaluated("ctk", position, now, effect.ticket, compiled.evaluate_anyway(effect.value, effect.variables))]
        case Revoke():
            return [Stopped("ctk", position, now, effect.attempt, StopKind.KILLED)]
        case ContinueRun():
            return [Continue("ctk", position, now, effect.generation)]
        case _:
            return []


def answer(runner: str, spec: Any) -> dict[str, Any]:
    """What the hosts that the scenarios name would say: the pet store, and a service with basic authentication."""
    if runner == "openapi":
        parameters = spec.get("parameters", {})
        found = spec["operationId"] == "getPetById"
        content: Any = PETS[int(parameters["petId"])] if found else _by_status(parameters["status"])
        uri, status = "https://petstore.swagger.io/v2/pet", 200
    else:
        endpoint = spec["endpoint"]
        uri = endpoint["uri"] if isinstance(endpoint, dict) else endpoint
        status, content = _http(uri, endpoint)
    if not 200 <= status < 300:
        return {"error": {"type": COMMUNICATION, "status": status, "title": "Not Found", "detail": uri}}
    if spec.get("output") == "response":
        request = {"method": spec.get("method", "get"), "uri": uri, "headers": {}}
        return {"output": {"request": request, "headers": {}, "statusCode": status, "content": content}}
    return {"output": content}


def _by_status(status: str) -> list[dict[str, Any]]:
    return [pet for pet in PETS.values() if pet["status"] == status]


def _http(uri: str, endpoint: Any) -> tuple[int, Any]:
    if match := re.search(r"/pet/(\d+)$", uri):
        return 200, PETS[int(match[1])]
    if match := re.search(r"findByStatus\?status=(\w+)$", uri):
        return 200, _by_status(match[1])
    if match := re.search(r"/basic-auth/([^/]+)/([^/]+)$", uri):
        given = endpoint["authentication"]["basic"]
        right = (given["username"], given["password"]) == match.groups()
        return (200, {"authenticated": True}) if right else (401, None)
    return 404, None
