"""Measure the pure core: one folded result of a plain sequence, effects included. Prints one JSON line.

No server and no bytes of effects are in it; ``python bench/engine_core.py [STEPS]`` with ``libs`` and ``services`` on the path.
"""

import gc
import json
import statistics
import sys
import time

from tocsin_executor.domain.codec import encode_cell
from tocsin_executor.domain.compile import compile_workflow
from tocsin_executor.domain.inputs import Result, Start
from tocsin_executor.domain.program import Program
from tocsin_executor.domain.state import HEAD, RunState
from tocsin_executor.domain.step import step
from tocsin_executor.domain.values import Json


def sequence(tasks: int, extra: dict[str, Json] | None = None) -> Program:
    """A document of that many no-op tasks, one after the other."""
    listed = [{f"t{n}": {"call": "noop", **(extra or {})}} for n in range(tasks)]
    about = {"dsl": "1.0.3", "namespace": "bench", "name": "sequence", "version": "1.0.0"}
    return compile_workflow({"document": about, "do": listed}, "bench")


def fold(program: Program, tasks: int) -> list[float]:
    """Microseconds of each step of one run."""
    run = RunState("bench")
    step(program, run, Start("bench", 1, 1_700_000_000_000, digest="bench", input={"n": 1}))
    taken: list[float] = []
    token = 3
    for number in range(tasks):
        message = Result("bench", number + 2, 1_700_000_000_000 + number, attempt=f"h:{token}#1", output={"n": number})
        begun = time.perf_counter_ns()
        effects = step(program, run, message)
        taken.append((time.perf_counter_ns() - begun) / 1000)
        token += 1
        if len(effects) < 4:
            raise SystemExit(f"step {number} did nothing: {effects}")
    if not run.terminal:
        raise SystemExit("the run did not end")
    return taken


def main() -> None:
    """Warm up, measure, print."""
    tasks = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    shapes: dict[str, dict[str, Json]] = {
        "plain": {},
        "native": {"output": {"as": "{ n: .n }"}, "export": {"as": "$context + ."}},
    }
    line: dict[str, Json] = {"bench": "engine_core", "unit": "us/step", "n": tasks}
    gc.disable()
    for name, extra in shapes.items():
        program = sequence(tasks, extra)
        fold(program, tasks)
        taken = sorted(us for _ in range(5) for us in fold(program, tasks))
        line[name] = round(statistics.fmean(taken), 2)
        line[f"{name}_p99"] = round(taken[int(len(taken) * 0.99)], 2)
    run = RunState("bench")
    step(sequence(5), run, Start("bench", 1, 1_700_000_000_000, digest="bench", input={"n": 1}))
    begun = time.perf_counter_ns()
    for _ in range(1000):
        body = encode_cell(run, HEAD).body
    line["encode_us"] = round((time.perf_counter_ns() - begun) / 1e6, 2)
    line["head_bytes"] = len(body)
    print(json.dumps(line))


if __name__ == "__main__":
    main()
