"""OpenAPI documents (2.0 and 3.x): an operation by its id, and the request that its parameters make. Pure."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urljoin, urlsplit

from tocsin_executor.domain.values import ErrorKind, Json
from tocsin_executor.worker.bodies import FORM, MULTIPART, chosen
from tocsin_executor.worker.references import Documents
from tocsin_executor.worker.styles import in_cookie, in_header, in_path, in_query
from tocsin_executor.worker.tasks import Failed

_VERBS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_DOTS: Final = frozenset({".", ".."})


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
        files: Names of the fields of the body that are files.
    """

    method: str
    url: str
    query: list[tuple[str, str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)
    body: Json = None
    media: str | None = None
    files: set[str] = field(default_factory=set)


def prepare(
    document: Json, uri: str, operation_id: str, values: Mapping[str, Json], others: Mapping[str, Json] | None = None
) -> Prepared:
    """The request of an operation.

    Args:
        document: The OpenAPI document.
        uri: Where it came from; relative servers are relative to it.
        operation_id: Which operation.
        values: Parameters by name, keys of the API among them; what is no parameter belongs to the body, which ``body`` gives
            as a whole.
        others: Documents that this one refers to, by their addresses.

    Raises:
        Wanted: One of those is missing.
        Failed: ``configuration``: no such operation, a parameter is missing or not known.
    """
    if not isinstance(document, Mapping) or not ("openapi" in document or "swagger" in document):
        raise Failed(ErrorKind.CONFIGURATION, "The document is not an OpenAPI document.")
    documents = Documents(uri, document, others or {})
    path, verb, item, operation = _find(documents, operation_id)
    prepared = Prepared(verb.upper(), _server(document, item, operation, uri))
    left, form = dict(values), dict[str, Json]()
    known = [*_parameters(documents, item, operation), *_keys(documents, left)]
    for parameter in known:
        name, required = str(parameter.get("name")), parameter.get("required") is True
        # Two of one name in different places: both get the value, if both need it.
        value = left.pop(name) if name in left else values.get(name) if required else None
        value = _default(documents, parameter) if value is None else value
        if value is None and required:
            raise Failed(ErrorKind.CONFIGURATION, f"The operation {operation_id!r} needs the parameter {name!r}.")
        if value is None:
            continue
        path = _put(prepared, parameter, value, (path, form))
        if parameter.get("in") == "body":
            prepared.body, prepared.media = value, chosen(_consumed(document, operation), value)
    if form:
        prepared.body, prepared.media = form, _form(_consumed(document, operation), prepared)
    _request_body(documents, operation, left, prepared, operation_id)
    if left:
        raise _surplus(operation_id, next(iter(left)), known)
    if any(segment in _DOTS for segment in path.split("/")):
        raise Failed(ErrorKind.CONFIGURATION, "A parameter of the path is '.' or '..', which would lead to another path.")
    prepared.url = prepared.url.rstrip("/") + path
    return prepared


def _put(prepared: Prepared, parameter: Mapping[str, Json], value: Json, into: tuple[str, dict[str, Json]]) -> str:
    """A value where its parameter stands; the path with it, if that is there."""
    name, (path, form) = str(parameter.get("name")), into
    match parameter.get("in"):
        case "path":
            return path.replace(f"{{{name}}}", in_path(parameter, name, value))
        case "query":
            prepared.query += in_query(parameter, name, value)
        case "header":
            prepared.headers[name] = in_header(parameter, value)
        case "cookie":
            prepared.cookies[name] = in_cookie(parameter, value)
        case "formData":
            form[name] = value
            if parameter.get("type") == "file":
                prepared.files.add(name)
    return path


def _surplus(operation_id: str, name: str, parameters: list[Mapping[str, Json]]) -> Failed:
    close = difflib.get_close_matches(name, [str(parameter.get("name")) for parameter in parameters], n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return Failed(ErrorKind.CONFIGURATION, f"The operation {operation_id!r} has no parameter {name!r}.{hint}")


def _find(documents: Documents, operation_id: str) -> tuple[str, str, Mapping[str, Json], Mapping[str, Json]]:
    known = []
    for path, found in _members(documents.root.get("paths")):
        item = documents.resolved(found)
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
        if not (host := document.get("host") or (parts.netloc if parts.scheme in {"http", "https"} else None)):
            raise Failed(ErrorKind.CONFIGURATION, "The OpenAPI document names no host, and comes from a file itself.")
        return f"{scheme}://{host}{document.get('basePath') or ''}"
    for holder in (operation, item, document):
        servers = holder.get("servers")
        if isinstance(servers, list) and servers and isinstance(servers[0], Mapping):
            url = str(servers[0].get("url", "/"))
            for name, variable in _members(servers[0].get("variables")):
                default = variable.get("default") if isinstance(variable, Mapping) else None
                url = url.replace(f"{{{name}}}", str(default or ""))
            return _web(urljoin(uri, url))
    return _web(urljoin(uri, "/"))


def _web(url: str) -> str:
    if urlsplit(url).scheme not in {"http", "https"}:
        raise Failed(ErrorKind.CONFIGURATION, "The OpenAPI document names no server, and comes from a file itself.")
    return url


def _parameters(documents: Documents, item: Mapping[str, Json], operation: Mapping[str, Json]) -> Iterator[Mapping[str, Json]]:
    """Of the operation, then those of its path that it does not replace."""
    seen = set()
    for holder in (operation, item):
        listed = holder.get("parameters")
        for found in listed if isinstance(listed, list) else []:
            parameter = documents.resolved(found)
            key = (str(parameter.get("name")), str(parameter.get("in")))
            if key not in seen:
                seen.add(key)
                yield parameter


def _keys(documents: Documents, given: Mapping[str, Json]) -> Iterator[Mapping[str, Json]]:
    """Keys of the API, which documents describe as its security, not as parameters: those that the call gives."""
    components = documents.root.get("components")
    held = components.get("securitySchemes") if isinstance(components, Mapping) else documents.root.get("securityDefinitions")
    for _, found in _members(held):
        scheme = documents.resolved(found)
        if scheme.get("type") == "apiKey" and scheme.get("name") in given:
            yield {"name": scheme.get("name"), "in": scheme.get("in")}


def _request_body(
    documents: Documents, operation: Mapping[str, Json], left: dict[str, Json], prepared: Prepared, name: str
) -> None:
    if "requestBody" not in operation:
        return
    described = documents.resolved(operation["requestBody"])
    content = described.get("content")
    medias = list(content) if isinstance(content, Mapping) else []
    if "body" in left:
        prepared.body = left.pop("body")
    elif left:
        prepared.body = dict(left)
        left.clear()
    elif described.get("required"):
        raise Failed(ErrorKind.CONFIGURATION, f"The operation {name!r} needs a body: give it as the parameter 'body'.")
    else:
        return
    prepared.media = chosen(medias, prepared.body)
    if isinstance(content, Mapping) and prepared.media.startswith(MULTIPART):
        held = content.get(prepared.media)
        schema = documents.resolved(held["schema"]) if isinstance(held, Mapping) and "schema" in held else {}
        prepared.files |= {field for field, one in _members(schema.get("properties")) if _is_file(documents.resolved(one))}


def _is_file(schema: Mapping[str, Json]) -> bool:
    return schema.get("format") == "binary" or "contentMediaType" in schema


def _form(consumed: list[str], prepared: Prepared) -> str:
    """The type of a form of 2.0."""
    if prepared.files:
        return MULTIPART
    return next((media for media in consumed if media.startswith((FORM, MULTIPART))), FORM)


def _consumed(document: Mapping[str, Json], operation: Mapping[str, Json]) -> list[str]:
    offered = operation.get("consumes") or document.get("consumes")
    return [str(media) for media in offered] if isinstance(offered, list) else []


def _default(documents: Documents, parameter: Mapping[str, Json]) -> Json:
    if "default" in parameter:
        return parameter["default"]
    schema = parameter.get("schema")
    return documents.resolved(schema).get("default") if isinstance(schema, Mapping) else None


def _members(value: Json) -> Iterator[tuple[str, Json]]:
    if isinstance(value, Mapping):
        yield from value.items()
