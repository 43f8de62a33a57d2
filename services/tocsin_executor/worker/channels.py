"""AsyncAPI documents (2.x and 3.0): where an operation sends to or receives from. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import quote, urlsplit

from tocsin_executor.domain.values import ErrorKind, Json
from tocsin_executor.worker.forms import as_text
from tocsin_executor.worker.tasks import Failed

_DEPTH: Final = 32
_NAME: Final = re.compile(r"\{([^{}]+)\}")
_NO_TOKEN: Final = re.compile(r"[*>\s]|^\.|\.$|\.\.")  # of a subject of NATS: wildcards, and what ends or empties a token
_PORTS: Final = {"nats": 4222, "http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Channel:
    """A place for messages.

    Attributes:
        protocol: ``nats``, ``http``, ...; as the server says.
        secure: Whether the connection is encrypted.
        host: Of the server.
        port: Of the server.
        path: Of the server, without a slash at its end.
        address: The subject or path, with its parameters.
        method: For HTTP.
    """

    protocol: str
    secure: bool
    host: str
    port: int
    path: str
    address: str
    method: str

    @property
    def url(self) -> str:
        """For HTTP."""
        scheme = "https" if self.secure else "http"
        name = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{name}:{self.port}{self.path}/{self.address.lstrip('/')}"


def channel_of(document: Json, spec: Mapping[str, Json]) -> Channel:
    """Where the operation or channel of a call is.

    Raises:
        Failed: ``configuration``: there is none, or no server for it.
    """
    if not isinstance(document, Mapping) or "asyncapi" not in document:
        raise Failed(ErrorKind.CONFIGURATION, "The document is not an AsyncAPI document.")
    server = spec.get("server")
    chosen = server if isinstance(server, Mapping) else {}
    variables = chosen.get("variables")
    values = variables if isinstance(variables, Mapping) else {}
    if str(document["asyncapi"]).startswith("2."):
        address, channel, operation = _version_two(document, spec)
    else:
        address, channel, operation = _version_three(document, spec)
    defaults: dict[str, Json] = {}
    for name, parameter in _members(channel.get("parameters")):
        described = _resolved(document, parameter)
        schema = described.get("schema")
        defaults[name] = described.get("default", schema.get("default") if isinstance(schema, Mapping) else None)
    found = _placed(_server(document, channel, chosen.get("name"), spec.get("protocol")), values, _method(operation))
    return replace(found, address=_filled(address, defaults, values, ("channel", found.protocol)))


def _version_two(document: Mapping[str, Json], spec: Mapping[str, Json]) -> tuple[str, Mapping[str, Json], Mapping[str, Json]]:
    name = spec.get("channel")
    channels = _object(document, "channels")
    if not isinstance(name, str) or name not in channels:
        raise _unknown("channel", name, channels)
    channel = _resolved(document, channels[name])
    operation = channel.get("publish" if spec.get("message") is not None else "subscribe")
    return name, channel, operation if isinstance(operation, Mapping) else {}


def _version_three(
    document: Mapping[str, Json], spec: Mapping[str, Json]
) -> tuple[str, Mapping[str, Json], Mapping[str, Json]]:
    operations, channels = _object(document, "operations"), _object(document, "channels")
    name = spec.get("operation")
    if isinstance(name, str) and name in operations:
        operation = _resolved(document, operations[name])
        reference = operation.get("channel")
        channel = _resolved(document, reference)
        pointer = str(reference.get("$ref", "")) if isinstance(reference, Mapping) else ""
        address = channel.get("address") or _unescaped(pointer.rpartition("/")[2])
        return str(address), channel, operation
    name = name if name is not None else spec.get("channel")
    if not isinstance(name, str) or name not in channels:
        raise _unknown("operation", name, operations)
    channel = _resolved(document, channels[name])
    return str(channel.get("address") or name), channel, {}


def _server(document: Mapping[str, Json], channel: Mapping[str, Json], name: Json, protocol: Json) -> Mapping[str, Json]:
    servers = _object(document, "servers")
    if name is not None:
        if name not in servers:
            raise _unknown("server", name, servers)
        return _resolved(document, servers[str(name)])
    listed = channel.get("servers")
    candidates = [_named(document, servers, one) for one in listed] if isinstance(listed, list) and listed else []
    candidates = candidates or [_resolved(document, one) for one in servers.values()]
    for candidate in candidates:
        if protocol is None or _plain(str(candidate.get("protocol", ""))) == _plain(str(protocol)):
            return candidate
    wanted = f" for {protocol}" if protocol is not None else ""
    raise Failed(ErrorKind.CONFIGURATION, f"The AsyncAPI document has no server{wanted}.")


def _named(document: Mapping[str, Json], servers: Mapping[str, Json], one: Json) -> Mapping[str, Json]:
    """A channel's server: by name (2.x) or by reference (3.0)."""
    return _resolved(document, servers.get(one) if isinstance(one, str) else one)


def _placed(server: Mapping[str, Json], values: Mapping[str, Json], method: str) -> Channel:
    defaults: dict[str, Json] = {}
    for name, variable in _members(server.get("variables")):
        defaults[name] = variable.get("default") if isinstance(variable, Mapping) else None
    text = _filled(str(server.get("url") or server.get("host") or ""), defaults, values, ("server", ""))
    path = _filled(str(server.get("pathname") or ""), defaults, values, ("server", ""))
    protocol = str(server.get("protocol", "")).lower()
    try:
        parts = urlsplit(text if "://" in text else f"{protocol}://{text}")
        port = parts.port
    except ValueError as error:
        raise Failed(ErrorKind.CONFIGURATION, "The server of the AsyncAPI document has no valid address.") from error
    if not parts.hostname:
        raise Failed(ErrorKind.CONFIGURATION, "The server of the AsyncAPI document has no address.")
    secure = protocol in {"https", "nats+tls", "secure-nats"} or parts.scheme in {"https", "tls"}
    default_port = _PORTS["https"] if secure and _plain(protocol) == "http" else _PORTS.get(_plain(protocol), 0)
    base = (path or parts.path).rstrip("/")
    return Channel(_plain(protocol), secure, parts.hostname, port or default_port, base, "", method)


def _filled(text: str, defaults: Mapping[str, Json], values: Mapping[str, Json], place: tuple[str, str]) -> str:
    """A text with its variables; what is a value stays one, whatever it looks like."""
    what, protocol = place

    def one(match: re.Match[str]) -> str:
        name = match[1]
        if name not in defaults:
            return match[0]
        value = values.get(name, defaults[name])
        if value is None or isinstance(value, Mapping | list):
            wrong = f"needs {name[:100]!r}, which has no default; give it under server.variables, as a simple value."
            raise Failed(ErrorKind.CONFIGURATION, f"The {what} of the AsyncAPI document {wrong}")
        said = as_text(value)
        if (protocol == "nats" and _NO_TOKEN.search(said)) or (protocol == "http" and said in {".", ".."}):
            raise Failed(ErrorKind.CONFIGURATION, f"The variable {name[:100]!r} of the channel would lead to other channels.")
        return quote(said, safe="") if protocol == "http" else said

    return _NAME.sub(one, text)


def _method(operation: Mapping[str, Json]) -> str:
    bindings = operation.get("bindings")
    binding = bindings.get("http") if isinstance(bindings, Mapping) else None
    return str(binding.get("method", "")).upper() if isinstance(binding, Mapping) else ""


def _plain(protocol: str) -> str:
    return {"https": "http", "secure-nats": "nats", "nats+tls": "nats"}.get(protocol.lower(), protocol.lower())


def _members(value: Json) -> Iterator[tuple[str, Json]]:
    if isinstance(value, Mapping):
        yield from value.items()


def _object(document: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    found = document.get(name)
    return found if isinstance(found, Mapping) else {}


def _unknown(kind: str, name: Json, known: Mapping[str, Json]) -> Failed:
    listed = ", ".join(list(known)[:20]) or "none"
    return Failed(ErrorKind.CONFIGURATION, f"The AsyncAPI document has no {kind} {str(name)[:100]!r}; it has: {listed}.")


def _unescaped(step: str) -> str:
    return step.replace("~1", "/").replace("~0", "~")


def _resolved(document: Mapping[str, Json], value: Json) -> Mapping[str, Json]:
    for _ in range(_DEPTH):
        if not isinstance(value, Mapping):
            break
        reference = value.get("$ref")
        if not isinstance(reference, str):
            return value
        if not reference.startswith("#/"):
            detail = f"The AsyncAPI document refers to another document, which is not offered: {reference[:200]!r}."
            raise Failed(ErrorKind.CONFIGURATION, detail)
        found: Any = document
        for step in reference.removeprefix("#/").split("/"):
            found = found.get(_unescaped(step)) if isinstance(found, Mapping) else None
        value = found
    raise Failed(ErrorKind.CONFIGURATION, "A reference in the AsyncAPI document leads to no object.")
