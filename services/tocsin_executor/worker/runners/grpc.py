"""``call: grpc``: a method of a service that a proto describes; needs the extra ``tocsin[grpc]``.

To port 443, or without a port, the connection is encrypted; to any other it is not, for the language has no word for it.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from tocsin_executor.domain.values import ErrorKind, Json
from tocsin_executor.worker.calling import Caller, where
from tocsin_executor.worker.policies import read_policy
from tocsin_executor.worker.protos import Method, Protos, with_imports
from tocsin_executor.worker.resources import Resources
from tocsin_executor.worker.runners.http import as_mapping
from tocsin_executor.worker.tasks import VALUE_LIMIT, Failed, Outcome, Task
from tocsin_kit.telemetry import current_traceparent

try:
    import grpc
    import grpc_tools
except ImportError:  # an extra: most workers never need it
    grpc = grpc_tools = None

_SECONDS: Final = 300.0  # the task's own timeout is the engine's; this only bounds a mistake
_TLS: Final = 443
_UP: Final = 4  # folders above a proto that may be the root of its imports
# The HTTP status that says the same (google.rpc.Code).
_STATUS: Final = {
    "CANCELLED": 499, "INVALID_ARGUMENT": 400, "DEADLINE_EXCEEDED": 504, "NOT_FOUND": 404, "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403, "UNAUTHENTICATED": 401, "RESOURCE_EXHAUSTED": 429, "FAILED_PRECONDITION": 400, "ABORTED": 409,
    "OUT_OF_RANGE": 400, "UNIMPLEMENTED": 501, "INTERNAL": 500, "UNAVAILABLE": 503, "DATA_LOSS": 500,
}  # fmt: skip


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

    async def run(self, task: Task) -> Outcome:
        """One call."""
        if grpc is None:
            raise Failed(ErrorKind.CONFIGURATION, "This worker cannot call gRPC: install it with `pip install 'tocsin[grpc]'`.")
        spec = task.spec
        service = as_mapping(spec.get("service"), "service") if isinstance(spec, Mapping) else {}
        host, name, port = service.get("host"), service.get("name"), service.get("port", _TLS)
        if not isinstance(spec, Mapping) or not isinstance(host, str) or not isinstance(name, str) or not isinstance(port, int):
            raise Failed(ErrorKind.CONFIGURATION, "A gRPC call needs a service with its name, host and port.")
        method = await self._protos.method(await self._proto(task, spec.get("proto")), name, str(spec.get("method")))
        request = method.encode(dict(as_mapping(spec.get("arguments"), "arguments")))
        metadata = []
        policy = read_policy(task, service.get("authentication"))
        if policy is not None:
            metadata.append(("authorization", await self._caller.authorization(task, policy)))
        if (traceparent := current_traceparent()) is not None:
            metadata.append(("traceparent", traceparent))
        address = await self._caller.address(host, port)
        try:
            async with _channel(host, address, port) as channel:
                answers = await _called(channel, method, request, metadata)
        except grpc.aio.AioRpcError as error:
            code = error.code().name
            detail = f"{method.path} answered {code}: {str(error.details())[:500]}"
            raise Failed(ErrorKind.COMMUNICATION, detail, status=_STATUS.get(code, 500)) from error
        return Outcome(answers if method.server_streams else answers[0])

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
            detail = f"The proto imports {name!r}, which is neither beside {where(uri)} nor above it."
            raise Failed(ErrorKind.CONFIGURATION, detail)

        return await with_imports(proto, fetch)


def _roots(uri: str) -> list[str]:
    """The folder of a proto and those above it, on the same host."""
    scheme, separator, path = uri.partition("?")[0].rpartition("://")
    parts = path.split("/")
    least = 1 if scheme in {"http", "https"} else 0
    ends = range(len(parts) - 1, max(least, len(parts) - _UP) - 1, -1)
    return [scheme + separator + "".join(f"{part}/" for part in parts[:end]) for end in ends]


def _channel(host: str, address: str, port: int) -> Any:  # the library has no types
    target = f"ipv6:[{address}]:{port}" if ":" in address else f"ipv4:{address}:{port}"
    options = [
        ("grpc.enable_http_proxy", 0),
        ("grpc.default_authority", f"{host}:{port}"),
        ("grpc.max_receive_message_length", VALUE_LIMIT * 8),
    ]
    if port != _TLS:
        return grpc.aio.insecure_channel(target, options)
    options.append(("grpc.ssl_target_name_override", host))
    return grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(), options)


async def _called(channel: Any, method: Method, request: bytes, metadata: list[tuple[str, str]]) -> list[Json]:
    async def requests() -> AsyncIterator[bytes]:
        yield request

    given: Any = requests() if method.client_streams else request
    kind = ("stream" if method.client_streams else "unary") + "_" + ("stream" if method.server_streams else "unary")
    call = getattr(channel, kind)(method.path)(given, metadata=metadata, timeout=_SECONDS)
    if not method.server_streams:
        return [method.decode(await call)]
    found, size = list[Json](), 0
    async for answer in call:
        size += len(answer)
        if size > VALUE_LIMIT:
            raise Failed(ErrorKind.COMMUNICATION, f"The answers are above the limit of {VALUE_LIMIT} bytes.", status=413)
        found.append(method.decode(answer))
    return found
