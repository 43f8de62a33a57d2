"""``call: grpc``: a method of a service that a proto describes; needs the extra ``tocsin[grpc]``.

To port 443, or without a port, the connection is encrypted; to any other it is not, for the language has no word for it.
"""

import asyncio
import os
import re
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from tocsin_executor.domain.values import ErrorKind, Json
from tocsin_executor.worker.calling import Caller, where
from tocsin_executor.worker.policies import Grant, Policy, read_policy
from tocsin_executor.worker.protos import Method, Protos, bundled, with_imports
from tocsin_executor.worker.resources import Resources
from tocsin_executor.worker.runners.http import as_mapping
from tocsin_executor.worker.tasks import VALUE_LIMIT, Failed, Outcome, Task
from tocsin_kit.telemetry import current_traceparent, span

# The library speaks to the process's environment: it shall not mix its words into the log, nor run its own handlers where a
# worker forks, which it does only to become another program.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # noqa: TID251  # see above
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")  # noqa: TID251  # see above
try:
    import grpc
    import grpc_tools
except ImportError:  # an extra: most workers never need it
    grpc = grpc_tools = None

_BEHIND: Final = 1.0  # seconds that the deadline on the wire is behind the one here, which says that it was ours
_MOST: Final = 10_000  # answers of a stream
_LARGE: Final = 64 * 1024  # bytes
_TLS: Final = 443
_UP: Final = 4  # folders above a proto that may be the root of its imports
_PEER: Final = re.compile(r"\bipv[46]:\S+:\d+")  # names must not become a way to map a network
_UNAUTHENTICATED: Final = 401
# The HTTP status that says the same (google.rpc.Code).
_STATUS: Final = {
    "CANCELLED": 499, "INVALID_ARGUMENT": 400, "DEADLINE_EXCEEDED": 504, "NOT_FOUND": 404, "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403, "UNAUTHENTICATED": _UNAUTHENTICATED, "RESOURCE_EXHAUSTED": 429, "FAILED_PRECONDITION": 400,
    "ABORTED": 409, "OUT_OF_RANGE": 400, "UNIMPLEMENTED": 501, "INTERNAL": 500, "UNAVAILABLE": 503, "DATA_LOSS": 500,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Target:
    """Where a service is: its name, the address behind it, and the port."""

    host: str
    address: str
    port: int


class GrpcRunner:
    """Calls methods.

    Args:
        caller: Knows where calls may go, and has the tokens.
        resources: Where protos come from.
    """

    def __init__(self, caller: Caller, resources: Resources) -> None:
        self._caller = caller
        self._resources = resources
        self._protos = Protos()
        file = ssl.get_default_verify_paths().cafile  # as for HTTP; the library has authorities of its own
        self._trusted = Path(file).read_bytes() if file else None

    async def run(self, task: Task) -> Outcome:
        """One call."""
        if grpc is None:
            raise Failed(ErrorKind.CONFIGURATION, "This worker cannot call gRPC: install it with `pip install 'tocsin[grpc]'`.")
        spec = task.spec
        service = as_mapping(spec.get("service"), "service") if isinstance(spec, Mapping) else {}
        host, name, port = _address(service)
        if not isinstance(spec, Mapping):
            raise Failed(ErrorKind.CONFIGURATION, "The arguments of a gRPC call must be an object.")
        method = await self._protos.method(await self._proto(task, spec.get("proto")), name, str(spec.get("method")))
        request = method.encode(dict(as_mapping(spec.get("arguments"), "arguments")))
        policy = read_policy(task, service.get("authentication"))
        target = _Target(host, await self._caller.address(host, port), port)
        answers = await self._asked(task, target, method, request, policy)
        return Outcome(answers if method.server_streams else answers[0])

    async def _asked(self, task: Task, target: _Target, method: Method, request: bytes, policy: Policy | None) -> list[Json]:
        """The answers; with another token, if the service does not take one that was kept."""
        metadata, cached = await self._metadata(task, policy)
        try:
            return await self._answers(task, target, method, (request, metadata))
        except Failed as failure:
            if failure.problem["status"] != _UNAUTHENTICATED or cached is None or not isinstance(policy, Grant):
                raise
        self._caller.forget(policy, cached)  # it may have been revoked: one more try
        metadata, _ = await self._metadata(task, policy)
        return await self._answers(task, target, method, (request, metadata))

    async def _answers(
        self, task: Task, target: _Target, method: Method, sent: tuple[bytes, list[tuple[str, str]]]
    ) -> list[Json]:
        """One call, as a part of the task's trace if there is one."""
        request, metadata = sent
        facts = {"rpc.system": "grpc", "server.address": task.redaction.shown(target.host)}
        with span(method.path.lstrip("/"), kind="client", **facts) if current_traceparent() else nullcontext() as trace:
            tracing = [("traceparent", trace.traceparent)] if trace is not None else []
            within = self._caller.within(task)
            how = {"metadata": [*metadata, *tracing], "timeout": within + _BEHIND}
            try:
                async with asyncio.timeout(within), _channel(target, self._trusted) as channel:
                    return await _called(channel, method, request, how)
            except TimeoutError as error:
                raise Failed(ErrorKind.TIMEOUT, f"No answer from {method.path} within {within:g} s.") from error
            except grpc.aio.AioRpcError as error:
                raise _failure(method.path, error, target) from error

    async def _metadata(self, task: Task, policy: Policy | None) -> tuple[list[tuple[str, str]], str | None]:
        """What says who calls, and the token in it if it was not asked for just now."""
        cached = None
        if policy is None:
            return [], None
        if isinstance(policy, Grant):
            granted = await self._caller.granted(task, policy)
            value, cached = f"Bearer {granted.token}", None if granted.fresh else granted.token
        else:
            value = await self._caller.authorization(task, policy)
        if not value.isascii() or not value.isprintable():
            raise Failed(ErrorKind.CONFIGURATION, "The authentication holds a character that gRPC cannot send.")
        return [("authorization", value)], cached

    async def _proto(self, task: Task, resource: Json) -> dict[str, bytes]:
        """The proto with its imports, which are looked for beside it and above: a path of an import begins at some root."""
        uri, proto = await self._resources.fetch(task, resource)
        endpoint = resource.get("endpoint") if isinstance(resource, Mapping) else resource

        async def fetch(name: str) -> bytes:
            for root in _roots(uri):
                place = root + name
                beside: Json = {**endpoint, "uri": place} if isinstance(endpoint, Mapping) else place
                try:
                    return (await self._resources.fetch(task, {"endpoint": beside}))[1]
                except Failed as failure:
                    if failure.problem.get("status") != 404:
                        raise
            if (known := bundled(name)) is not None:
                return known
            detail = f"The proto imports {name!r}, which is neither beside {where(uri)} nor above it."
            raise Failed(ErrorKind.CONFIGURATION, detail)

        return await with_imports(proto, fetch)


def _address(service: Mapping[str, Json]) -> tuple[str, str, int]:
    """Host, name and port of a service."""
    host, name, port = service.get("host"), service.get("name"), service.get("port", _TLS)
    if not isinstance(host, str) or not isinstance(name, str) or not host or not name:
        raise Failed(ErrorKind.CONFIGURATION, "A gRPC call needs a service with its name and host.")
    if "/" in host or host.count(":") == 1:  # several colons make an address
        raise Failed(ErrorKind.CONFIGURATION, f"service.host is a name or an address, not {host[:100]!r}; the port is apart.")
    if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
        raise Failed(ErrorKind.CONFIGURATION, "service.port is a number from 1 to 65535.")
    return host, name, port


def _failure(path: str, error: Any, target: _Target) -> Failed:
    """The error of a status."""
    code, details = error.code().name, _PEER.sub(f"{target.host}:{target.port}", error.details() or "")
    if code == "RESOURCE_EXHAUSTED" and "larger than max" in details and "CLIENT" in details.upper():
        detail = f"The answer of {path} is above the limit of {VALUE_LIMIT} bytes."
        return Failed(ErrorKind.COMMUNICATION, detail, status=413)
    said = f"{path} answered {code}: {details[:500]}" if details else f"{path} answered {code}."
    return Failed(ErrorKind.COMMUNICATION, said, status=_STATUS.get(code, 500))


def _roots(uri: str) -> list[str]:
    """The folder of a proto and those above it, on the same host."""
    scheme, separator, path = uri.partition("?")[0].rpartition("://")
    parts = path.split("/")
    least = 1 if scheme in {"http", "https"} else 0
    ends = range(len(parts) - 1, max(least, len(parts) - _UP) - 1, -1)
    return [scheme + separator + "".join(f"{part}/" for part in parts[:end]) for end in ends]


def _channel(to: _Target, trusted: bytes | None) -> Any:  # the library has no types
    target = f"ipv6:[{to.address}]:{to.port}" if ":" in to.address else f"ipv4:{to.address}:{to.port}"
    options = [
        ("grpc.enable_http_proxy", 0),
        ("grpc.default_authority", f"{to.host}:{to.port}"),
        ("grpc.max_receive_message_length", VALUE_LIMIT),
    ]
    if to.port != _TLS:
        return grpc.aio.insecure_channel(target, options)
    options.append(("grpc.ssl_target_name_override", to.host))
    return grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(trusted), options)


async def _called(channel: Any, method: Method, request: bytes, how: Mapping[str, Any]) -> list[Json]:
    """The answers; what is large is read on a thread, or the worker would be deaf meanwhile."""

    async def requests() -> AsyncIterator[bytes]:
        yield request

    given: Any = requests() if method.client_streams else request
    kind = ("stream" if method.client_streams else "unary") + "_" + ("stream" if method.server_streams else "unary")
    call = getattr(channel, kind)(method.path)(given, **how)
    if not method.server_streams:
        return [await _decoded(method, await call)]
    found, size = list[Json](), 0
    async for answer in call:
        found.append(await _decoded(method, answer))
        size += len(orjson.dumps(found[-1]))  # an empty message may come to a long text
        if size > VALUE_LIMIT or len(found) > _MOST:
            detail = f"{method.path} gave more than {_MOST} answers, or more than {VALUE_LIMIT} bytes of them."
            raise Failed(ErrorKind.COMMUNICATION, detail, status=413)
    return found


async def _decoded(method: Method, answer: bytes) -> Json:
    return method.decode(answer) if len(answer) < _LARGE else await asyncio.to_thread(method.decode, answer)
