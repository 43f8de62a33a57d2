"""``python -m tocsin_executor.worker.judging``: whether definitions can be run, asked without a platform.

Reads a JSON list of documents that follow the grammar from standard input, and writes, for each, what the executor would refuse
when it is published (``errors``), and what it would only wonder at (``warnings``). What a definition imports is not fetched: a
function from elsewhere counts as one that does nothing, a schema as one that everything agrees with. What the language has and
this version does not offer is no mistake of the document.
"""

import sys
from collections.abc import Mapping
from typing import Any

import orjson

from tocsin.errors import Invalid, Violation
from tocsin_executor.domain.compile import NOT_OFFERED, compile_workflow
from tocsin_executor.domain.imports import bundled, functions_of, schemas_of
from tocsin_executor.domain.limits import rule_of
from tocsin_executor.domain.scheduling import schedule_faults, schedule_slips
from tocsin_executor.domain.values import Json
from tocsin_kit.clock import SystemClock


def judge(document: Mapping[str, Any]) -> list[Violation]:
    """What is wrong with a document, as far as can be known without its imports."""
    functions: dict[str, Json] = {found.key: {"set": {}} for found in functions_of(document)}
    whole = bundled(document, functions, {found.key: True for found in schemas_of(document)})
    wrong = schedule_faults(document)
    for look in (lambda: compile_workflow(whole, ""), lambda: rule_of(whole)):
        try:
            look()
        except Invalid as error:
            wrong += error.violations or [Violation("", error.detail, error.hint)]
    return list(dict.fromkeys(violation for violation in wrong if not violation.detail.startswith(NOT_OFFERED)))


def _said(found: list[Violation]) -> list[dict[str, str | None]]:
    return [{"pointer": each.pointer, "detail": each.detail, "hint": each.hint} for each in found]


if __name__ == "__main__":
    today, answers = SystemClock().now(), []
    for document in orjson.loads(sys.stdin.buffer.read()):
        wrong = judge(document)
        answers.append({"errors": _said(wrong), "warnings": _said([] if wrong else schedule_slips(document, today))})
    sys.stdout.buffer.write(orjson.dumps(answers))
