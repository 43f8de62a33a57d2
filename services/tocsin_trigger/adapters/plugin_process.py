"""Runs one function of a plugin and ends; :mod:`tocsin_trigger.adapters.plugins` starts it, in an interpreter of its own.

It imports nothing of the platform. The question comes on standard input, the answer goes to standard output, both JSON; what
the function prints goes nowhere.
"""

import asyncio
import contextlib
import inspect
import io
import json
import os
import resource
import sys
from importlib.metadata import entry_points
from typing import Any

_CPU = 120  # seconds of processor time
_MEMORY = 2 * 1024 * 1024 * 1024  # bytes of address space


def answer_to(question: dict[str, Any]) -> dict[str, Any]:
    """What the function gives, or what went wrong."""
    name = question["function"]
    found = {point.name: point for point in entry_points(group=question["group"])}
    if name not in found:
        known = ", ".join(sorted(found)) or "none"
        return {"error": f"There is no function {name} in the group {question['group']}. There is: {known}."}
    given = found[name].load()(question["cursor"], **question["arguments"])
    if inspect.isawaitable(given):
        given = asyncio.run(_wait_for(given))
    if isinstance(given, dict) and isinstance(given.get("items"), list):
        return {"items": given["items"], "cursor": given.get("cursor"), "more": given.get("more") is True}
    if isinstance(given, list | tuple):
        return {"items": list(given), "cursor": question["cursor"], "more": False}
    return {
        "error": f"The function {name} gives {type(given).__name__}; a list, or an object with items and cursor, is needed."
    }


async def _wait_for(given: Any) -> Any:
    return await given


def main() -> None:
    """Answer one question."""
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU, _CPU))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    question = json.load(sys.stdin)
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.path[:0] = question["folders"]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            told = json.dumps(answer_to(question))
        except Exception as error:  # noqa: BLE001  # whatever a plugin raises becomes an answer
            told = json.dumps({"error": f"{type(error).__name__}: {error}"[:400]})
    out.write(told)
    out.flush()
    os._exit(0)  # threads that the function left behind are nobody's


if __name__ == "__main__":
    main()
