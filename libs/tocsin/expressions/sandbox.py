"""A small pool of processes that evaluate what may take long, and that are killed when it does.

The worker (``python -m tocsin.expressions.sandbox``) has an empty environment, isolated imports, a limit of memory, no files
and nothing but its standard input and output: length-prefixed JSON. It never evaluates anything but what an author wrote, and
it never outlives its parent: end of input is its end.
"""

import asyncio
import contextlib
import resource
import sys
from collections.abc import Mapping
from datetime import timedelta
from types import TracebackType
from typing import BinaryIO, Self

import orjson

from tocsin.errors import Unavailable
from tocsin.expressions.failures import ExpressionFailed, ExpressionInvalid
from tocsin.expressions.json_values import Json
from tocsin.expressions.program import compile_expression
from tocsin.expressions.template import compile_template

MEMORY_BYTES = 512 * 1024 * 1024  # address space of one worker; libjq and Python alone take about 60 MiB
LARGEST_BYTES = 64 * 1024 * 1024  # one request or answer
_START = timedelta(seconds=10)  # a worker that cannot be started within this is a sick machine, not a long expression
_PREFIX = 4
_VALUE = b'{"value":'  # how an answer begins that is neither a failure nor a refusal


class Sandbox:
    """Processes that can be killed, started when they are needed.

    Args:
        size: How many expressions may be evaluated at the same time.
        memory_bytes: Address space of each worker.
    """

    def __init__(self, size: int = 2, memory_bytes: int = MEMORY_BYTES) -> None:
        """Nothing is started yet."""
        self._free = asyncio.Semaphore(size)
        self._idle: list[asyncio.subprocess.Process] = []
        self._memory = memory_bytes

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End all idle workers."""
        while self._idle:
            await _end(self._idle.pop())

    async def evaluate_open(
        self, expression_text: str, value: Json, variables: Mapping[str, Json], deadline: timedelta | float
    ) -> Json:
        """Evaluate one expression, whatever it costs, until the deadline.

        Args:
            expression_text: jq text without ``${ }``.
            value: What ``.`` is.
            variables: Every variable that the expression may use.
            deadline: How long it may take (a timedelta, or seconds).

        Raises:
            ExpressionFailed: It does not work on this value, took too long or too much memory.
            ExpressionInvalid: It does not compile.
            Unavailable: No worker could be started.
        """
        return await self._evaluate({"expression": expression_text, "value": value, "variables": dict(variables)}, deadline)

    async def evaluate_template(
        self, data: Json, value: Json, variables: Mapping[str, Json], deadline: timedelta | float
    ) -> Json:
        """As :meth:`evaluate_open`, for data with strict expressions in it."""
        return await self._evaluate({"template": data, "value": value, "variables": dict(variables)}, deadline)

    async def evaluate_raw(self, request: Mapping[str, object], deadline: timedelta | float) -> bytes:
        """As :meth:`evaluate_open` (``expression``) or :meth:`evaluate_template` (``template``), of values that stay JSON.

        Args:
            request: ``expression`` or ``template``, ``value`` and ``variables``; ``orjson.Fragment`` may be inside.
            deadline: See there.

        Returns:
            The answer as JSON text, as it came: a large one need not be parsed to be stored.
        """
        raw = await self._exchanged(orjson.dumps(request), deadline)
        if raw.startswith(_VALUE):
            return raw[len(_VALUE) : -1]
        return orjson.dumps(_answered(orjson.loads(raw)))

    async def _evaluate(self, request: Mapping[str, Json], deadline: timedelta | float) -> Json:
        return _answered(orjson.loads(await self._exchanged(orjson.dumps(request), deadline)))

    async def _exchanged(self, request: bytes, deadline: timedelta | float) -> bytes:
        seconds = deadline.total_seconds() if isinstance(deadline, timedelta) else deadline
        async with self._free:
            worker = self._idle.pop() if self._idle else await self._start()
            healthy = False
            try:
                async with asyncio.timeout(seconds):
                    answer = await _exchange(worker, request)
                healthy = True
            except TimeoutError:
                raise ExpressionFailed(
                    f"the expression took longer than {seconds:g} s", hint="Move the work to a script."
                ) from None
            except (asyncio.IncompleteReadError, OSError):
                raise ExpressionFailed("the expression needed too much memory", limit=self._memory) from None
            finally:
                if healthy:
                    self._idle.append(worker)
                else:
                    await _end(worker)
        return answer

    async def _start(self) -> asyncio.subprocess.Process:
        try:
            async with asyncio.timeout(_START.total_seconds()):
                return await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-I",
                    "-m",
                    "tocsin.expressions.sandbox",
                    str(self._memory),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.DEVNULL,
                    env={},
                    cwd="/",
                )
        except (OSError, TimeoutError) as failure:
            raise Unavailable("the expression sandbox could not be started") from failure


async def _exchange(worker: asyncio.subprocess.Process, request: bytes) -> bytes:
    if worker.stdin is None or worker.stdout is None:
        raise Unavailable("the expression sandbox has no pipes")
    worker.stdin.write(len(request).to_bytes(_PREFIX, "big") + request)
    await worker.stdin.drain()
    size = int.from_bytes(await worker.stdout.readexactly(_PREFIX), "big")
    if size > LARGEST_BYTES:
        raise ExpressionFailed("the result is too large", limit=LARGEST_BYTES, size=size)
    return await worker.stdout.readexactly(size)


def _answered(answer: Mapping[str, Json]) -> Json:
    if "invalid" in answer:
        line, column = answer.get("line"), answer.get("column")
        raise ExpressionInvalid(
            str(answer["invalid"]), line=line if isinstance(line, int) else 1, column=column if isinstance(column, int) else 1
        )
    if "failed" in answer:
        raise ExpressionFailed(str(answer["failed"]))
    return answer.get("value")


async def _end(worker: asyncio.subprocess.Process) -> None:
    """Kill and reap; an idle worker has nothing to lose."""
    with contextlib.suppress(ProcessLookupError):
        worker.kill()
    if worker.stdin is not None:
        worker.stdin.close()
    await worker.wait()


def answer(request: Mapping[str, Json]) -> dict[str, Json]:
    """What a worker answers to one request."""
    variables = request.get("variables")
    names = variables if isinstance(variables, Mapping) else {}
    known = frozenset(names)
    try:
        if "template" in request:
            return {"value": compile_template(request["template"], known).evaluate_anyway(request.get("value"), names)}
        return {"value": compile_expression(str(request["expression"]), known).evaluate_anyway(request.get("value"), names)}
    except ExpressionInvalid as wrong:
        return {"invalid": wrong.detail, "line": wrong.line, "column": wrong.column}
    except ExpressionFailed as failed:
        return {"failed": failed.detail}


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer requests until the input ends."""
    while prefix := source.read(_PREFIX):
        reply = orjson.dumps(answer(orjson.loads(source.read(int.from_bytes(prefix, "big")))))
        sink.write(len(reply).to_bytes(_PREFIX, "big") + reply)
        sink.flush()


def confine(memory_bytes: int) -> None:
    """Give up what an expression never needs: memory beyond a limit, files, core dumps."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))


if __name__ == "__main__":
    confine(int(sys.argv[1]))
    serve(sys.stdin.buffer, sys.stdout.buffer)
