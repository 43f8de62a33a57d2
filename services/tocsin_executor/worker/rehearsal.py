"""``python -m tocsin_executor.worker.rehearsal``: cases of a definition, played without servers.

Reads ``{"document": {...}, "cases": [...]}`` from standard input, writes one JSON object: what is wrong with the definition, or
what came of each case. A process of its own, because expressions of a definition may take for ever, and whoever started it can
end it.
"""

import sys
from collections.abc import Mapping
from typing import Any

import orjson

from tocsin.errors import Invalid
from tocsin_executor.domain.compile import compile_workflow
from tocsin_executor.domain.rehearsal import complaints, rehearse


def play(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Compile and play; the answer as JSON."""
    try:
        program = compile_workflow(asked["document"], "rehearsal")
    except Invalid as error:
        listed = [{"pointer": v.pointer, "detail": v.detail, "hint": v.hint} for v in error.violations]
        return {"invalid": listed or [{"pointer": "", "detail": error.detail, "hint": error.hint}]}
    known = {word for node in program.nodes for word in (node.name, node.ref)}
    results = []
    for number, case in enumerate(asked["cases"], 1):
        outcome = rehearse(program, case)
        unknown = [f"there is no task '{name}'" for name in case.get("tasks") or {} if name not in known]
        results.append(
            {
                "name": str(case.get("name") or f"case {number}"),
                "complaints": [*unknown, *complaints(case, outcome)],
                "status": outcome.status,
                "output": outcome.output,
                "error": outcome.error,
                "tasks": outcome.tasks,
                "seconds": outcome.seconds,
            }
        )
    return {"results": results}


if __name__ == "__main__":
    sys.stdout.buffer.write(orjson.dumps(play(orjson.loads(sys.stdin.buffer.read()))))
