"""The published cases of CESQL: every expression, its value, and the kind of its error."""

import pathlib
from datetime import datetime

from ruamel.yaml import YAML
from tests.conformance.suites import Outcome

from tocsin.cesql import CesqlInvalid, parse

_BASE = {"specversion": "1.0", "id": "A-1", "source": "/tck", "type": "com.example.tck"}


def cesql(folder: pathlib.Path) -> Outcome:
    """Score all cases."""
    outcome = Outcome("cesql")
    for path in sorted((folder / "cesql").glob("*.yaml")):
        for case in YAML(typ="safe").load(path.read_text(encoding="utf-8"))["tests"]:
            wrong = _judge(case)
            if wrong is None:
                outcome.passed += 1
            else:
                outcome.failed.append(f"{path.name}: {case['name']}: {case['expression']}: {wrong}")
    return outcome


def _judge(case: dict) -> str | None:
    event = {**(case.get("event") or _BASE), **(case.get("eventOverrides") or {})}
    event = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in event.items()}
    try:
        # YAML reads a lone TRUE or 5 as a value; the case means its text.
        found = parse(str(case["expression"])).evaluate(event)
    except CesqlInvalid:
        return None if case.get("error") == "parse" else "refused by the parser"
    kinds = [fault.kind.value for fault in found.faults]
    if case.get("error") not in (kinds or [None]):
        return f"expected error {case.get('error')}, found {kinds}"
    if "result" in case and (
        found.value != case["result"] or isinstance(found.value, bool) != isinstance(case["result"], bool)
    ):
        return f"expected {case['result']!r}, found {found.value!r}"
    return None
