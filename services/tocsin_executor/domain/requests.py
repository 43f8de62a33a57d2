"""What a runner reads, made from a task's template: by the engine, or by the worker where secrets are involved."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tocsin_executor.domain.program import UriTemplate
from tocsin_executor.domain.values import Json

_NAME = re.compile(r"\{([^{}]+)\}")
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")

_DOTS: Final = (".", "..")  # HTTP clients take such a segment for a step within the path
_ENDS: Final = ("", "/", "?", "#")

_ENDPOINTS: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "http": (("endpoint",),),
    "openapi": (("document", "endpoint"),),
    "asyncapi": (("document", "endpoint"),),
    "grpc": (("proto", "endpoint"),),
    "a2a": (("server",), ("agentCard", "endpoint")),
    "mcp": (("transport", "http", "endpoint"),),
    "script": (("source", "endpoint"),),
}
_POLICIES: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "openapi": (("authentication",),),
    "asyncapi": (("authentication",),),
    "grpc": (("service", "authentication"),),
}


class UriUnresolved(ValueError):
    """A name of a URI template stands for what cannot be part of a URI: an array or object, or a step to another path."""


def policy_places(runner: str) -> tuple[tuple[str, ...], ...]:
    """Where an authentication policy may stand in what a runner reads."""
    endpoints = tuple((*place, "authentication") for place in _ENDPOINTS.get(runner, ()))
    return (*endpoints, *_POLICIES.get(runner, ()))


def at_place(source: Json, place: Sequence[str]) -> Json:
    """What stands at a path of names, or ``None``."""
    for name in place:
        if not isinstance(source, Mapping):
            return None
        source = source.get(name)
    return source


def with_place(source: Json, place: Sequence[str], value: Json) -> Json:
    """A copy with another value at a path of names that is there."""
    if not place:
        return value
    if not isinstance(source, Mapping):
        return source
    return {**source, place[0]: with_place(source.get(place[0]), place[1:], value)}


def uri_templates(runner: str, source: Json) -> tuple[UriTemplate, ...]:
    """Where what a runner reads has literal URIs with ``{names}``; expressions (``${ }``) are not templates."""
    places: list[tuple[str, ...]] = []
    for place in _ENDPOINTS.get(runner, ()):
        places += (place, (*place, "uri"))
    for place in policy_places(runner):
        policy = at_place(source, place)
        for scheme in ("oauth2", "oidc"):
            places.append((*place, scheme, "authority"))
            endpoints = at_place(policy, (scheme, "endpoints"))
            if isinstance(endpoints, Mapping):
                places += ((*place, scheme, "endpoints", str(name)) for name in endpoints)
    found = []
    for place in places:
        text = at_place(source, place)
        if isinstance(text, str) and "${" not in text and _NAME.search(text) is not None:
            found.append(UriTemplate(place, text))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Deferred:
    """What a dispatch carries when the worker evaluates: nothing in it is a secret, only names of secrets.

    Attributes:
        template: What the runner reads, with expressions inside.
        given: The task's ``input.from``, where that names secrets: evaluated first, its result is the task's input.
        secrets: Names of the secrets to ask for.
        uris: URI templates in it, expanded last.
        later: Expressions that the runner itself evaluates, by name (conditions over messages).
        workflow: Name of the workflow, for the record of who used a secret.
        authorization: Where the policy is that ``$authorization`` describes, if an expression names it.
    """

    template: Json
    given: Json = None
    secrets: tuple[str, ...] = ()
    uris: tuple[UriTemplate, ...] = ()
    later: Mapping[str, str] = field(default_factory=dict)
    workflow: str = ""
    authorization: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Json]:
        """For the dispatch."""
        document: dict[str, Json] = {"template": self.template, "workflow": self.workflow}
        if self.given is not None:
            document["from"] = self.given
        if self.secrets:
            document["secrets"] = list(self.secrets)
        if self.uris:
            document["uris"] = [{"path": list(uri.path), "text": uri.text} for uri in self.uris]
        if self.authorization:
            document["authorization"] = list(self.authorization)
        if self.later:
            document["later"] = dict(self.later)
        return document


def read_deferred(document: Json) -> Deferred:
    """What :meth:`Deferred.as_json` wrote."""
    held: Any = document  # the codec's edge
    return Deferred(
        held["template"],
        held.get("from"),
        tuple(held.get("secrets", ())),
        tuple(UriTemplate(tuple(uri["path"]), uri["text"]) for uri in held.get("uris", ())),
        held.get("later", {}),
        held.get("workflow", ""),
        tuple(held.get("authorization", ())),
    )


def expand(text: str, value: Json) -> str:
    """RFC 6570 simple string expansion with the top-level fields of a value; a missing field is an empty string.

    Raises:
        UriUnresolved: A field is an array or object, or a segment of the path that is no name (``..``).
    """
    fields = value if isinstance(value, Mapping) else {}

    def one(match: re.Match[str]) -> str:
        found = fields.get(match[1])
        if found is None:
            return ""
        if isinstance(found, bool):
            return "true" if found else "false"
        if found in _DOTS and text[match.start() - 1 : match.start()] == "/" and text[match.end() : match.end() + 1] in _ENDS:
            raise UriUnresolved(f"'{{{match[1]}}}' of the URI is {found!r}, which would lead to another path")
        if isinstance(found, str | int | float):
            return _quote(str(int(found)) if isinstance(found, float) and found.is_integer() else str(found))
        raise UriUnresolved(
            f"'{{{match[1]}}}' of the URI stands for an array or object; only simple values can be part of a URI"
        )

    return _NAME.sub(one, text)


def members(text: str) -> str:
    """A jq expression for just the fields that a template names."""
    names = dict.fromkeys(json.dumps(name) for name in _NAME.findall(text))
    return "{" + ", ".join(f"{name}: .[{name}]?" for name in names) + "}"


def _quote(text: str) -> str:
    return "".join(chr(b) if chr(b) in _PLAIN else f"%{b:02X}" for b in text.encode())


def with_uri(spec: Json, template: UriTemplate, value: Json) -> Json:
    """A copy of a call's ``with`` with its URI expanded; the original is shared and stays as it is.

    Raises:
        UriUnresolved: See ``expand``.
    """
    return with_place(spec, template.path, expand(template.text, value))
