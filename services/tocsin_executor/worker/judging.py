"""``python -m tocsin_executor.worker.judging``: whether definitions can be run, asked without a platform.

Reads a JSON list of documents that follow the grammar from standard input, and writes, for each, what the executor would refuse
when it is published. What a definition imports is not fetched: a function from elsewhere counts as one that does nothing, a
schema as one that everything agrees with. What the language has and this version does not offer is no mistake of the document.
"""

import sys
from collections.abc import Mapping
from typing import Any

import orjson

from tocsin.errors import Invalid, Violation
from tocsin_executor.domain.compile import NOT_OFFERED, compile_workflow
from tocsin_executor.domain.imports import bundled, functions_of, schemas_of
from tocsin_executor.domain.limits import rule_of
from tocsin_executor.domain.values import Json


def judge(document: Mapping[str, Any]) -> list[Violation]:
    """What is wrong with a document, as far as can be known without its imports."""
    functions: dict[str, Json] = {found.key: {"set": {}} for found in functions_of(document)}
    whole = bundled(document, functions, {found.key: True for found in schemas_of(document)})
    wrong: list[Violation] = []
    for look in (lambda: compile_workflow(whole, ""), lambda: rule_of(whole)):
        try:
            look()
        except Invalid as error:
            wrong += error.violations or [Violation("", error.detail, error.hint)]
    return [violation for violation in wrong if not violation.detail.startswith(NOT_OFFERED)]


if __name__ == "__main__":
    found = [
        [{"pointer": v.pointer, "detail": v.detail, "hint": v.hint} for v in judge(document)]
        for document in orjson.loads(sys.stdin.buffer.read())
    ]
    sys.stdout.buffer.write(orjson.dumps(found))
