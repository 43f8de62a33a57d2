"""OpenAPI 3.1 from the routes themselves, and several services' documents as one.

Everything comes from :class:`Route`: what is not in the document is not on the server. ``x-permission`` names the permission.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from tocsin.errors import (
    Conflict,
    Defect,
    Forbidden,
    Invalid,
    NotFound,
    TocsinError,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnsupportedMedia,
)
from tocsin_kit.web.access import Authenticated, Permission, Public
from tocsin_kit.web.problems import PROBLEM_TYPE, Malformed, Problem, RequestTimeout, titles
from tocsin_kit.web.replies import JSON_TYPE
from tocsin_kit.web.routes import ANY_METHOD, RawBody, Route

_REF: Final = "#/components/schemas/{model}"
Json = dict[str, object]


class _Schemas:
    """JSON schemas of all models of the routes, generated together so that they share definitions."""

    def __init__(self, routes: Sequence[Route]) -> None:
        wanted: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {(Problem, "serialization"): None}
        for route in routes:
            for model in (route.params, route.query, route.body):
                if isinstance(model, type):
                    wanted[model, "validation"] = None
            if route.response is not None:
                wanted[route.response, "serialization"] = None
        self._refs, definitions = models_json_schema(list(wanted), ref_template=_REF)
        self.definitions: dict[str, Json] = definitions.get("$defs", {})

    def ref(self, model: type[BaseModel], mode: JsonSchemaMode) -> Json:
        return dict(self._refs[model, mode])

    def properties(self, model: type[BaseModel]) -> tuple[Mapping[str, Json], set[str]]:
        """The fields of a query or path model, one schema each, and which are required."""
        name = str(self._refs[model, "validation"]["$ref"]).rpartition("/")[2]
        schema = self.definitions[name]
        properties, required = schema.get("properties", {}), schema.get("required", [])
        assert isinstance(properties, dict)
        assert isinstance(required, list)
        return properties, set(required)


def document(routes: Sequence[Route], *, title: str, version: str) -> Json:
    """The OpenAPI document of ``routes``."""
    schemas = _Schemas(routes)
    paths: dict[str, Json] = {}
    for route in routes:
        if route.method != ANY_METHOD:
            paths.setdefault(route.template, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "paths": paths,
        "components": {
            "schemas": _unused_removed(paths, schemas.definitions),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "An access token, or an API key (`tcn_...`)."}
            },
        },
    }


def _operation(route: Route, schemas: _Schemas) -> Json:
    operation: Json = {"operationId": _operation_id(route), "summary": route.summary}
    if route.tags:
        operation["tags"] = list(route.tags)
    if isinstance(route.access, Permission):
        operation["security"] = [{"bearer": []}]
        operation["x-permission"] = route.access.name
        note = f"Needs the permission `{route.access.name}`" + (" in all namespaces." if route.access.everywhere else ".")
    elif isinstance(route.access, Authenticated):
        operation["security"] = [{"bearer": []}]
        note = f"For everyone who is logged in: {route.access.reason}."
    else:
        operation["security"] = []
        note = f"Public: {route.access.reason}."
    operation["description"] = "\n\n".join(filter(None, (route.description, note)))
    if parameters := _parameters(route, schemas):
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = _request_body(route.body, schemas)
    operation["responses"] = _responses(route, schemas)
    return operation


def _operation_id(route: Route) -> str:
    words = re.sub(r"^/api/v1", "", route.template)
    return "_".join(filter(None, [route.method.lower(), *re.split(r"[^A-Za-z0-9]+", words)]))


def _parameters(route: Route, schemas: _Schemas) -> list[Json]:
    parameters: list[Json] = []
    for model, where in ((route.params, "path"), (route.query, "query")):
        if not isinstance(model, type):
            continue
        properties, required = schemas.properties(model)
        for name, schema in properties.items():
            parameter: Json = {"name": name, "in": where, "required": where == "path" or name in required, "schema": schema}
            if description := schema.get("description"):
                parameter["description"] = description
            parameters.append(parameter)
    if route.idempotent:
        schema = {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[ -~]+$"}
        parameters.append({"name": "Idempotency-Key", "in": "header", "required": False, "schema": schema})
    return parameters


def _request_body(body: type[BaseModel] | RawBody, schemas: _Schemas) -> Json:
    if isinstance(body, RawBody):
        content: Json = {media_type: {} for media_type in body.media_types}
        return {
            "required": body.required,
            "content": content,
            **({"description": body.description} if body.description else {}),
        }
    return {"required": True, "content": {JSON_TYPE: {"schema": schemas.ref(body, "validation")}}}


def _responses(route: Route, schemas: _Schemas) -> Json:
    if route.response is not None:
        success: Json = {
            "description": "Done.",
            "content": {route.media_type: {"schema": schemas.ref(route.response, "serialization")}},
        }
    elif route.media_type != JSON_TYPE:
        success = {"description": "Done.", "content": {route.media_type: {}}}
    else:
        success = {"description": "Done."}
    responses: Json = {str(status): success for status in (route.status, *route.also)}
    problem: Json = {PROBLEM_TYPE: {"schema": schemas.ref(Problem, "serialization")}}
    for status, codes in sorted(titles(possible_problems(route)).items()):
        responses.setdefault(str(status), {"description": "Problem: " + ", ".join(f"`{c}`" for c in codes), "content": problem})
    return responses


def possible_problems(route: Route) -> list[type[TocsinError]]:
    """What a route can answer: its own problems, and those that follow from what it takes."""
    kinds: list[type[TocsinError]] = [*route.problems, Defect, Unavailable, Invalid, Malformed]
    if not isinstance(route.access, Public):
        kinds += [Unauthenticated, Forbidden]
    if route.parameters:
        kinds.append(NotFound)
    if route.body is not None:
        kinds += [RequestTimeout, TooLarge, UnsupportedMedia]
    if route.idempotent:
        kinds.append(Conflict)
    return kinds


def _unused_removed(paths: Mapping[str, Json], definitions: Mapping[str, Json]) -> dict[str, Json]:
    """Definitions that something refers to: query and path models were taken apart."""
    kept: dict[str, Json] = {}
    waiting = list(_references(paths))
    while waiting:
        name = waiting.pop()
        if name not in kept and name in definitions:
            kept[name] = definitions[name]
            waiting += _references(definitions[name])
    return dict(sorted(kept.items()))


def _references(value: object) -> Iterable[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key == "$ref" and isinstance(inner, str):
                yield inner.rpartition("/")[2]
            else:
                yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def merged(documents: Mapping[str, Json], *, title: str, version: str) -> Json:
    """Several services' documents as one; schemas are prefixed with the service's name, so that equal names do not clash.

    Args:
        documents: By service name. Paths that two of them have (``/openapi.json``) are taken from the first.
        title: Of the whole.
        version: Of the whole.
    """
    paths: Json = {}
    schemas: Json = {}
    security: Json = {}
    for service, part in documents.items():
        components = part.get("components", {})
        own = components.get("schemas", {}) if isinstance(components, dict) else {}
        names = {name: f"{service}.{name}" for name in own}
        for path, item in _members(part.get("paths", {})):
            paths.setdefault(path, _renamed(item, names))
        for name, schema in _members(own):
            schemas[names[name]] = _renamed(schema, names)
        if isinstance(components, dict):
            security.update(dict(_members(components.get("securitySchemes", {}))))
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": schemas, "securitySchemes": security},
    }


def _members(value: object) -> Iterable[tuple[str, object]]:
    return value.items() if isinstance(value, dict) else ()


def _renamed(value: object, names: Mapping[str, str]) -> object:
    if isinstance(value, dict):
        return {key: _renamed_ref(inner, names) if key == "$ref" else _renamed(inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        return [_renamed(inner, names) for inner in value]
    return value


def _renamed_ref(reference: object, names: Mapping[str, str]) -> object:
    if isinstance(reference, str):
        prefix, _, name = reference.rpartition("/")
        return f"{prefix}/{names.get(name, name)}"
    return reference
