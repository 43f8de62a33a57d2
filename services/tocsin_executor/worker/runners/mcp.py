"""``call: mcp``: a session with a tool server, one request in it, and its end; over HTTP, or with a process of its own."""

import asyncio
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Final

import orjson

from tocsin.expressions.durations import DurationInvalid, parse_duration
from tocsin_executor.domain.compile.document import VERSION
from tocsin_executor.domain.values import ErrorKind, Json
from tocsin_executor.worker.policies import read_policy
from tocsin_executor.worker.processes import PATH, UNBOUNDED, Command, Ending, as_text, end, environment_of, start
from tocsin_executor.worker.rpc import SESSION, Peer, Rpc, SessionGone, reply_to, result_of
from tocsin_executor.worker.runners.http import as_mapping, headers_of
from tocsin_executor.worker.tasks import VALUE_LIMIT, Failed, Outcome, Task
from tocsin_executor.worker.warden import Warden
from tocsin_kit.clock import Clock

_PROTOCOL: Final = "2025-06-18"
_LONGEST: Final = timedelta(minutes=5)  # of a call that names no timeout; the task's own is the engine's


class ToolRunner:
    """Asks tool servers.

    Args:
        rpc: Asks over HTTP.
        clock: Time.
        warden: Ends servers with this worker.
    """

    def __init__(self, rpc: Rpc, clock: Clock, warden: Warden) -> None:
        self._rpc = rpc
        self._clock = clock
        self._ending = Ending(warden, clock)

    async def run(self, task: Task) -> Outcome:
        """One request, in a session of its own."""
        spec = task.spec
        if not isinstance(spec, Mapping) or not isinstance(spec.get("method"), str):
            raise Failed(ErrorKind.CONFIGURATION, "A call of a tool server needs a method.")
        transport = as_mapping(spec.get("transport"), "transport")
        try:
            within = parse_duration(spec["timeout"]) if spec.get("timeout") is not None else _LONGEST
        except DurationInvalid as error:
            raise Failed(ErrorKind.CONFIGURATION, f"The timeout: {error.detail}.") from error
        messages = _messages(task, spec)
        try:
            async with asyncio.timeout(within.total_seconds()):
                if "http" in transport:
                    return Outcome(await self._over_http(task, as_mapping(transport["http"], "transport"), messages))
                return Outcome(await self._over_pipes(task, as_mapping(transport.get("stdio"), "transport"), messages))
        except TimeoutError as error:
            detail = f"The tool server did not answer within {within.total_seconds():g} s."
            raise Failed(ErrorKind.TIMEOUT, detail) from error

    async def _over_http(self, task: Task, given: Mapping[str, Json], messages: tuple[dict[str, Json], ...]) -> Json:
        endpoint = given.get("endpoint")
        url = endpoint.get("uri") if isinstance(endpoint, Mapping) else endpoint
        if not isinstance(url, str):
            raise Failed(ErrorKind.CONFIGURATION, "The HTTP transport needs an endpoint.")
        policy = read_policy(task, endpoint.get("authentication") if isinstance(endpoint, Mapping) else None)
        headers = headers_of(given.get("headers"))
        try:
            return await self._session(task, Peer(url, policy, dict(headers)), messages)
        except SessionGone:  # the server began anew meanwhile
            return await self._session(task, Peer(url, policy, dict(headers)), messages)

    async def _session(self, task: Task, peer: Peer, messages: tuple[dict[str, Json], ...]) -> Json:
        opening, opened, request = messages
        results, answered = await self._rpc.results(task, peer, opening)
        session = next((value for name, value in answered.items() if name.lower() == SESSION.lower()), None)
        if session is not None:
            peer.headers[SESSION] = session
        peer.headers["MCP-Protocol-Version"] = _agreed(results[-1])
        try:
            await self._rpc.results(task, peer, opened)
            results, _ = await self._rpc.results(task, peer, request)
            return results[-1]
        except asyncio.CancelledError:  # its own timeout, or the run's: the server shall not work for nobody
            about: dict[str, Json] = {"requestId": request["id"], "reason": "Nobody waits for it any more."}
            await self._rpc.tell(task, peer, {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": about})
            raise
        finally:
            if session is not None:
                await self._rpc.tell(task, peer, None, "DELETE")  # a server need not let its sessions be ended

    async def _over_pipes(self, task: Task, given: Mapping[str, Json], messages: tuple[dict[str, Json], ...]) -> Json:
        program = given.get("command")
        if not isinstance(program, str) or not program:
            raise Failed(ErrorKind.CONFIGURATION, "The stdio transport needs a command.")
        found = shutil.which(program, path=PATH)
        if found is None:
            raise Failed(ErrorKind.CONFIGURATION, f"This worker has no program {program[:200]!r}.")
        listed = given.get("arguments")
        arguments = [as_text(item) for item in listed] if isinstance(listed, list) else []
        with tempfile.TemporaryDirectory(prefix="tocsin-task-") as folder:
            environment = environment_of(given.get("environment"), folder)
            process = await start(Command([found, *arguments], folder, UNBOUNDED, environment, stdin=True), self._ending.warden)
            assert process.stderr is not None
            try:
                async with asyncio.TaskGroup() as group:
                    said = group.create_task(_relay(task, process.stderr))
                    try:
                        return await _talk(process, messages)
                    finally:
                        await end(task, process, folder, self._ending)
                        said.cancel()
            except* Failed as failures:
                raise failures.exceptions[0] from None


def _messages(task: Task, spec: Mapping[str, Json]) -> tuple[dict[str, Json], ...]:
    """The opening, its confirmation, and the request."""
    client = as_mapping(spec.get("client"), "client")
    about: dict[str, Json] = {"name": client.get("name", "tocsin"), "version": client.get("version", VERSION)}
    version = str(spec.get("protocolVersion") or _PROTOCOL)
    begin: dict[str, Json] = {"protocolVersion": version, "capabilities": {}, "clientInfo": about}
    parameters = spec.get("parameters")
    request: dict[str, Json] = {"jsonrpc": "2.0", "id": task.attempt, "method": spec["method"]}
    if parameters is not None:
        request["params"] = dict(as_mapping(parameters, "parameters"))
    opening: dict[str, Json] = {"jsonrpc": "2.0", "id": "initialize", "method": "initialize", "params": begin}
    return opening, {"jsonrpc": "2.0", "method": "notifications/initialized"}, request


def _agreed(result: Json) -> str:
    """The version of the protocol that the server chose."""
    version = result.get("protocolVersion") if isinstance(result, Mapping) else None
    return version if isinstance(version, str) and version.isprintable() else _PROTOCOL


async def _talk(process: asyncio.subprocess.Process, messages: tuple[dict[str, Json], ...]) -> Json:
    opening, opened, request = messages
    assert process.stdin is not None
    assert process.stdout is not None
    result: Json = None
    try:
        for first, then in ((opening, opened), (request, None)):
            process.stdin.write(orjson.dumps(first) + b"\n")
            result = await _answered(process.stdout, process.stdin, first["id"])
            if then is not None:
                process.stdin.write(orjson.dumps(then) + b"\n")
            await process.stdin.drain()
    except (BrokenPipeError, ConnectionResetError, RuntimeError) as error:  # uvloop says RuntimeError for a closed pipe
        raise _ended() from error
    return result


async def _answered(stream: asyncio.StreamReader, back: asyncio.StreamWriter, wanted: Json) -> Json:
    while True:
        line = bytearray()
        while not line.endswith(b"\n"):
            try:
                line += await stream.readuntil(b"\n")
            except asyncio.LimitOverrunError as overrun:
                line += await stream.readexactly(overrun.consumed)
            except asyncio.IncompleteReadError as error:
                raise _ended() from error
            if len(line) > VALUE_LIMIT:
                raise Failed(ErrorKind.COMMUNICATION, f"The answer is above the limit of {VALUE_LIMIT} bytes.", status=413)
        with suppress(orjson.JSONDecodeError):  # what it prints besides is no message
            answer = orjson.loads(line)
            if isinstance(answer, dict) and "method" not in answer and answer.get("id") == wanted:
                return result_of(answer)
            if isinstance(answer, dict) and "method" in answer and answer.get("id") is not None:
                back.write(orjson.dumps(reply_to(answer)) + b"\n")
                await back.drain()


def _ended() -> Failed:
    return Failed(ErrorKind.COMMUNICATION, "The tool server ended before it answered.", status=502)


async def _relay(task: Task, stream: asyncio.StreamReader) -> None:
    """What it says on the side goes to the task's log."""
    while piece := await stream.read(8192):
        for line in piece.decode("utf-8", "replace").splitlines():
            task.say("stderr", line)
