"""Golden traces: what the engine did when each was recorded, and still does: ids, contents, order.

A trace is a file of JSON lines: the definition, then each input with the effects it led to. Saved runs in the field will be
folded on by newer code, so a difference is either a mistake or a decision; ``python -m tests.unit.engine.test_traces`` records
them anew, and the diff is for a person to read.
"""

import dataclasses
import json
import pathlib
from enum import Enum
from typing import Any

import pytest

from tocsin_executor.domain import inputs
from tocsin_executor.domain.codec import decode_run, encode_cell
from tocsin_executor.domain.compile import Offered, compile_workflow
from tocsin_executor.domain.inputs import StopKind, Verb
from tocsin_executor.domain.state import RunState
from tocsin_executor.domain.step import step

FOLDER = pathlib.Path(__file__).parent / "traces"
_ENUMS: dict[str, type[Enum]] = {"verb": Verb, "how": StopKind}


def plain(value: Any) -> Any:
    """An input or effect as JSON, defaults left out of inputs."""
    document = {"is": type(value).__name__}
    for field in dataclasses.fields(value):
        held = getattr(value, field.name)
        if held is not None:
            document[field.name] = held.value if isinstance(held, Enum) else held
    return json.loads(json.dumps(document))


def read_input(document: dict[str, Any]) -> Any:
    """The other way round."""
    fields = {name: _ENUMS[name](held) if name in _ENUMS else held for name, held in document.items() if name != "is"}
    return getattr(inputs, document["is"])(**fields)


def replay(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Fold a trace's inputs; the trace as it is now. The state is saved and loaded on the way."""
    program = compile_workflow(lines[0]["document"], "digest", Offered(listen=True))
    run, values = RunState("r"), dict[str, bytes]()
    found = [lines[0]]
    for line in lines[1:]:
        made = step(program, run, read_input(line["input"]))
        found.append({"input": line["input"], "effects": [plain(effect) for effect in made]})
        encoded = encode_cell(run, "h")
        values |= encoded.values
        run = decode_run("r", [encoded.body], values)
    return found


def load(path: pathlib.Path) -> list[dict[str, Any]]:
    """A trace."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.jsonl")), ids=lambda path: path.stem)
def test_a_trace_is_repeated_to_the_letter(path: pathlib.Path) -> None:
    """Same effects, same ids, same order."""
    lines = load(path)
    assert replay(lines) == lines


def record() -> None:
    """Write what the engine does now into every trace."""
    for path in sorted(FOLDER.glob("*.jsonl")):
        text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in replay(load(path)))
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    record()
