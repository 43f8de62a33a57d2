"""Work that is only evaluation: open expressions of the engine, in a process that can be killed; and none at all."""

from datetime import timedelta

from tocsin.errors import TocsinError
from tocsin.expressions.sandbox import Sandbox
from tocsin_executor.domain.values import ErrorKind, Json
from tocsin_executor.worker.tasks import Failed, Outcome, Task

DEADLINE = timedelta(seconds=5)


class ExpressionRunner:
    """Evaluates what may take long.

    Args:
        sandbox: The processes.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def run(self, task: Task) -> Outcome:
        """One expression or template."""
        spec = task.spec
        assert isinstance(spec, dict)
        expression: Json = spec["expression"]
        try:
            if spec.get("template"):
                value = await self._sandbox.evaluate_template(expression, task.input, task.variables or {}, DEADLINE)
            else:
                value = await self._sandbox.evaluate_open(str(expression), task.input, task.variables or {}, DEADLINE)
        except TocsinError as error:
            raise Failed(ErrorKind.EXPRESSION, error.detail) from error
        return Outcome(value)


class NoopRunner:
    """Gives back its arguments; for trials and measurements."""

    async def run(self, task: Task) -> Outcome:
        """Nothing."""
        return Outcome(task.spec)
