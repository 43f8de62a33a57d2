"""Work that is only evaluation: open expressions of the engine, in a process that can be killed; and none at all."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, TypeAlias

import orjson

from tocsin.errors import TocsinError
from tocsin.expressions.sandbox import Sandbox
from tocsin_executor.application.apart import Apart
from tocsin_executor.domain.large import VALUE, Large
from tocsin_executor.domain.schemas import compile_schema
from tocsin_executor.domain.values import ErrorKind, Json
from tocsin_executor.worker.tasks import Failed, Outcome, Task

DEADLINE = timedelta(seconds=5)

Carried: TypeAlias = Callable[[str, str, str], Awaitable[Large | None]]
"""Namespace, run, digest -> the reference."""


class ExpressionRunner:
    """Evaluates what may take long, and what looks into large values or makes one.

    Args:
        sandbox: The processes.
        apart: Where large values are.

    Attributes:
        carried: Finds a large value of a run, if that is of the namespace; nobody if ``None``.
    """

    def __init__(self, sandbox: Sandbox, apart: Apart) -> None:
        self._sandbox = sandbox
        self._apart = apart
        self.carried: Carried | None = None

    async def run(self, task: Task) -> Outcome:
        """One expression or template."""
        spec: Any = task.spec  # written by the engine
        try:
            if spec.get("carried"):
                return Outcome(await self._data(task))
            given = await self._apart.fragment(task.input)
            if spec.get("schema") is not None:
                return Outcome(compile_schema(spec["schema"]).complaint(orjson.loads(orjson.dumps(given))))
            variables = {name: await self._apart.fragment(value) for name, value in (task.variables or {}).items()}
            kind = "template" if spec.get("template") else "expression"
            request = {kind: spec["expression"], "value": given, "variables": variables}
            raw = await self._sandbox.evaluate_raw(request, DEADLINE)
            if spec.get("apart") is not None:
                return Outcome(await self._partly(orjson.loads(raw), spec["apart"]))
            return Outcome(await self._apart.kept(raw, always=bool(spec.get("always"))))
        except TocsinError as error:
            raise Failed(ErrorKind.EXPRESSION, error.detail) from error

    async def _data(self, task: Task) -> Json:
        """The data of an event that says where it lies; the address, where it is not to be had."""
        address = task.input.get("dataref") if isinstance(task.input, Mapping) else None
        found = VALUE.fullmatch(address) if isinstance(address, str) else None
        if found is None or self.carried is None:
            return task.input
        value = await self.carried(task.namespace, found[1], found[2])
        return task.input if value is None else value

    async def _partly(self, value: Json, name: str) -> Json:
        """An object with one large member apart."""
        if not isinstance(value, dict) or name not in value:
            return value
        return {**value, name: await self._apart.kept(orjson.dumps(value[name]))}


class NoopRunner:
    """Gives back its arguments; for trials and measurements."""

    async def run(self, task: Task) -> Outcome:
        """Nothing."""
        return Outcome(task.spec)
