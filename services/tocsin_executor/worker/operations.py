"""OpenAPI documents (2.0 and 3.x): an operation by its id, and the request that its parameters make. Pure."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urljoin, urlsplit

import orjson

from tocsin_executor.domain.values import ErrorKind, Json
from tocsin_executor.worker.tasks import Failed

_VERBS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_DEPTH: Final = 32  # references to references
_JOINTS: Final = {"csv": ",", "ssv": " ", "tsv": "\t", "pipes": "|", "spaceDelimited": " ", "pipeDelimited": "|"}


@dataclass(slots=True)
class Prepared:
    """A request.

    Attributes:
        method: Upper case.
        url: Absolute, with path parameters in it.
        query: Pairs.
        headers: By name.
        cookies: By name.
        body: Data, or ``None``.
        media: Its type, or ``None``.
    """

    method: str
    url: str
    query: list[tuple[str, str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)
    body: Json = None
    media: str | None = None


def prepare(document: Json, uri: str, operation_id: str, values: Mapping[str, Json]) -> Prepared:
    """The request of an operation.

    Args:
        document: The OpenAPI document.
        uri: Where it came from; relative servers are relative to it.
        operation_id: Which operation.
        values: Parameters by name; what is no parameter belongs to the body, which ``body`` gives as a whole.

    Raises:
        Failed: ``configuration``: no such operation, a parameter is missing or not known.
    """
    if not isinstance(document, Mapping) or not ("openapi" in document or "swagger" in document):
        raise Failed(ErrorKind.CONFIGURATION, "The document is not an OpenAPI document.")
    path, verb, item, operation = _find(document, operation_id)
    prepared = Prepared(verb.upper(), _server(document, item, operation, uri))
    left, form = dict(values), dict[str, Json]()
    for parameter in _parameters(document, item, operation):
        name = str(parameter.get("name"))
        value = left.pop(name, _default(document, parameter))
        if value is None and parameter.get("required"):
            raise Failed(ErrorKind.CONFIGURATION, f"The operation {operation_id!r} needs the parameter {name!r}.")
        if value is None:
            continue
        match parameter.get("in"):
            case "path":
                path = path.replace(f"{{{name}}}", quote(_joined(parameter, value, ","), safe=","))
            case "query":
                prepared.query += _query(parameter, name, value)
            case "header":
                prepared.headers[name] = _joined(parameter, value, ",")
            case "cookie":
                prepared.cookies[name] = _joined(parameter, value, ",")
            case "body":
                prepared.body, prepared.media = value, _consumes(document, operation)
            case "formData":
                form[name] = value
    if form:
        consumed = _consumes(document, operation)
        prepared.body = form
        prepared.media = consumed if "form" in consumed else "application/x-www-form-urlencoded"
    _request_body(document, operation, left, prepared, operation_id)
    if left:
        raise _surplus(operation_id, next(iter(left)), _parameters(document, item, operation))
    prepared.url = prepared.url.rstrip("/") + path
    return prepared


def _surplus(operation_id: str, name: str, parameters: Iterator[Mapping[str, Json]]) -> Failed:
    close = difflib.get_close_matches(name, [str(parameter.get("name")) for parameter in parameters], n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return Failed(ErrorKind.CONFIGURATION, f"The operation {operation_id!r} has no parameter {name!r}.{hint}")


def _find(document: Mapping[str, Json], operation_id: str) -> tuple[str, str, Mapping[str, Json], Mapping[str, Json]]:
    known = []
    for path, found in _members(document.get("paths")):
        item = _resolved(document, found)
        for verb in _VERBS:
            operation = item.get(verb)
            if isinstance(operation, Mapping):
                if operation.get("operationId") == operation_id:
                    return path, verb, item, operation
                known.append(str(operation.get("operationId", "")))
    close = difflib.get_close_matches(operation_id, known, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise Failed(ErrorKind.CONFIGURATION, f"The OpenAPI document has no operation {operation_id[:100]!r}.{hint}")


def _server(document: Mapping[str, Json], item: Mapping[str, Json], operation: Mapping[str, Json], uri: str) -> str:
    if "swagger" in document:
        parts = urlsplit(uri)
        schemes = operation.get("schemes") or document.get("schemes") or [parts.scheme or "https"]
        offered = [str(scheme) for scheme in schemes] if isinstance(schemes, list) else []
        scheme = "https" if "https" in offered else next(iter(offered), "https")
        return f"{scheme}://{document.get('host') or parts.netloc}{document.get('basePath') or ''}"
    for holder in (operation, item, document):
        servers = holder.get("servers")
        if isinstance(servers, list) and servers and isinstance(servers[0], Mapping):
            url = str(servers[0].get("url", "/"))
            for name, variable in _members(servers[0].get("variables")):
                default = variable.get("default") if isinstance(variable, Mapping) else None
                url = url.replace(f"{{{name}}}", str(default or ""))
            return urljoin(uri, url)
    return urljoin(uri, "/")


def _parameters(
    document: Mapping[str, Json], item: Mapping[str, Json], operation: Mapping[str, Json]
) -> Iterator[Mapping[str, Json]]:
    """Of the operation, then those of its path that it does not replace."""
    seen = set()
    for holder in (operation, item):
        listed = holder.get("parameters")
        for found in listed if isinstance(listed, list) else []:
            parameter = _resolved(document, found)
            key = (str(parameter.get("name")), str(parameter.get("in")))
            if key not in seen:
                seen.add(key)
                yield parameter


def _request_body(
    document: Mapping[str, Json], operation: Mapping[str, Json], left: dict[str, Json], prepared: Prepared, name: str
) -> None:
    if "requestBody" not in operation:
        return
    described = _resolved(document, operation["requestBody"])
    content = described.get("content")
    medias = list(content) if isinstance(content, Mapping) else []
    preferred = ("application/json", "application/x-www-form-urlencoded", "text/plain")
    prepared.media = next((media for media in preferred if media in medias), medias[0] if medias else "application/json")
    if "body" in left:
        prepared.body = left.pop("body")
    elif left:
        prepared.body = dict(left)
        left.clear()
    elif described.get("required"):
        raise Failed(ErrorKind.CONFIGURATION, f"The operation {name!r} needs a body: give it as the parameter 'body'.")
    else:
        prepared.media = None


def _consumes(document: Mapping[str, Json], operation: Mapping[str, Json]) -> str:
    offered = operation.get("consumes") or document.get("consumes")
    listed = [str(media) for media in offered] if isinstance(offered, list) else []
    return "application/json" if "application/json" in listed or not listed else listed[0]


def _default(document: Mapping[str, Json], parameter: Mapping[str, Json]) -> Json:
    if "default" in parameter:
        return parameter["default"]
    schema = parameter.get("schema")
    return _resolved(document, schema).get("default") if isinstance(schema, Mapping) else None


def _query(parameter: Mapping[str, Json], name: str, value: Json) -> list[tuple[str, str]]:
    style = str(parameter.get("style") or parameter.get("collectionFormat") or "form")
    swagger = "type" in parameter  # 2.0: arrays are joined unless `multi` is said
    explode = parameter.get("explode", style in {"form", "multi"} and not (swagger and style == "form"))
    if isinstance(value, list) and explode:
        return [(name, _text(item)) for item in value]
    if isinstance(value, Mapping) and style == "deepObject":
        return [(f"{name}[{key}]", _text(held)) for key, held in value.items()]
    if isinstance(value, Mapping) and "content" not in parameter and explode:
        return [(str(key), _text(held)) for key, held in value.items()]
    return [(name, _joined(parameter, value, _JOINTS.get(style, ",")))]


def _joined(parameter: Mapping[str, Json], value: Json, joint: str) -> str:
    if "content" in parameter:
        return orjson.dumps(value).decode()
    if isinstance(value, list):
        return joint.join(_text(item) for item in value)
    if isinstance(value, Mapping):
        if parameter.get("explode"):
            return joint.join(f"{key}={_text(held)}" for key, held in value.items())
        return joint.join(f"{key}{joint}{_text(held)}" for key, held in value.items())
    return _text(value)


def _text(value: Json) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _members(value: Json) -> Iterator[tuple[str, Json]]:
    if isinstance(value, Mapping):
        yield from value.items()


def _resolved(document: Mapping[str, Json], value: Json) -> Mapping[str, Json]:
    """An object, behind its local references."""
    for _ in range(_DEPTH):
        if not isinstance(value, Mapping):
            break
        reference = value.get("$ref")
        if not isinstance(reference, str):
            return value
        if not reference.startswith("#/"):
            raise Failed(ErrorKind.CONFIGURATION, f"The OpenAPI document refers to another document: {reference[:200]!r}.")
        value = _pointed(document, reference)
    raise Failed(ErrorKind.CONFIGURATION, "A reference in the OpenAPI document leads to no object.")


def _pointed(document: Mapping[str, Json], reference: str) -> Json:
    found: Any = document
    for step in reference[2:].split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, Mapping) else None
    held: Json = found
    return held
