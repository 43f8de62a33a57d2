"""One attempt from its task to its outcome: what the engine left to be evaluated, the runner, and its output."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import orjson
import structlog

from tocsin.errors import TocsinError
from tocsin.expressions.sandbox import Sandbox
from tocsin_executor.domain.requests import UriUnresolved, uri_template, with_uri
from tocsin_executor.domain.values import ErrorKind, problem
from tocsin_executor.worker.tasks import VALUE_LIMIT, Failed, Outcome, Runner, Task

log = structlog.get_logger()

_EVALUATION: Final = timedelta(seconds=5)


class Attempts:
    """Runs tasks with what this worker has.

    Args:
        runners: By kind.
        sandbox: Evaluates what the engine left to the worker.
    """

    def __init__(self, runners: Mapping[str, Runner], sandbox: Sandbox) -> None:
        self._runners = runners
        self._sandbox = sandbox

    async def outcome(self, task: Task) -> Outcome:
        """Do it; every failure is an error that the workflow sees. A cancel passes when the work has ended."""
        runner = self._runners.get(task.runner)
        if runner is None:
            detail = f"This worker has no runner for {task.runner!r}."
            return Outcome(error=problem(ErrorKind.CONFIGURATION, detail))
        try:
            if task.variables is not None and task.runner != "evaluate":
                await self._resolve(task)
            outcome = await runner.run(task)
            size = len(orjson.dumps(outcome.output))
        except Failed as failure:
            return Outcome(error=failure.problem)
        except Exception as error:  # a runner's defect is this task's error, not the worker's end
            log.error("worker.runner_defect", runner=task.runner, run=task.run, exc_info=error)
            return Outcome(error=problem(ErrorKind.RUNTIME, f"The runner failed: {type(error).__name__}."))
        if size > VALUE_LIMIT:
            detail = f"The output has {size} bytes, the limit is {VALUE_LIMIT}; keep large data elsewhere and refer to it."
            return Outcome(error=problem(ErrorKind.VALIDATION, detail, title="Output Too Large"))
        return outcome

    async def _resolve(self, task: Task) -> None:
        """Evaluate what the engine left to us: expressions that may take long, or that name secrets."""
        names = {"secrets": {}, **(task.variables or {})}
        try:
            task.spec = await self._sandbox.evaluate_template(task.spec, task.input, names, _EVALUATION)
        except TocsinError as error:
            raise Failed(ErrorKind.EXPRESSION, error.detail) from error
        template = uri_template(task.runner, task.spec)
        if template is not None:
            try:
                task.spec = with_uri(task.spec, template, task.input)
            except UriUnresolved as error:
                raise Failed(ErrorKind.EXPRESSION, str(error)) from error
