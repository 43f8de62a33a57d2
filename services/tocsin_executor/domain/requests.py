"""What a runner reads, made from a task's template: by the engine, or by the runner itself where secrets are involved."""

import re
from collections.abc import Mapping

from tocsin_executor.domain.program import UriTemplate
from tocsin_executor.domain.values import Json

_NAME = re.compile(r"\{([^{}]+)\}")
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


class UriUnresolved(ValueError):
    """A name of a URI template stands for an array or object, which cannot be part of a URI."""


def uri_template(runner: str, source: Json) -> UriTemplate | None:
    """Where a call's ``with`` has a literal URI with ``{names}``, if it has; expressions (``${ }``) are not templates."""
    if runner != "http" or not isinstance(source, Mapping):
        return None
    endpoint = source.get("endpoint")
    path: tuple[str, ...] = ("endpoint",)
    if isinstance(endpoint, str):
        text = endpoint
    elif isinstance(endpoint, Mapping) and isinstance(endpoint.get("uri"), str):
        path, text = ("endpoint", "uri"), str(endpoint["uri"])
    else:
        return None
    if "${" in text or _NAME.search(text) is None:
        return None
    return UriTemplate(path, text)


def expand(text: str, value: Json) -> str:
    """RFC 6570 simple string expansion with the top-level fields of a value; a missing field is an empty string.

    Raises:
        UriUnresolved: A field is an array or object.
    """
    fields = value if isinstance(value, Mapping) else {}

    def one(match: re.Match[str]) -> str:
        found = fields.get(match[1])
        if found is None:
            return ""
        if isinstance(found, bool):
            return "true" if found else "false"
        if isinstance(found, str | int | float):
            return _quote(str(int(found)) if isinstance(found, float) and found.is_integer() else str(found))
        raise UriUnresolved(
            f"'{{{match[1]}}}' of the URI stands for an array or object; only simple values can be part of a URI"
        )

    return _NAME.sub(one, text)


def _quote(text: str) -> str:
    return "".join(chr(b) if chr(b) in _PLAIN else f"%{b:02X}" for b in text.encode())


def with_uri(spec: Json, template: UriTemplate, value: Json) -> Json:
    """A copy of a call's ``with`` with its URI expanded; the original is shared and stays as it is.

    Raises:
        UriUnresolved: See ``expand``.
    """
    uri = expand(template.text, value)
    if not isinstance(spec, Mapping):
        return spec
    if len(template.path) == 1:
        return {**spec, "endpoint": uri}
    endpoint = spec["endpoint"]
    return {**spec, "endpoint": {**endpoint, "uri": uri}} if isinstance(endpoint, Mapping) else spec
