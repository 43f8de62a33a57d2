"""How OpenAPI writes a parameter's value where it stands: the styles of 3.x, the collection formats of 2.0. Pure."""

import re
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote

import orjson

from tocsin_executor.domain.values import Json
from tocsin_executor.worker.bodies import is_json

Parameter = Mapping[str, Json]
_JOINTS: Final = {"csv": ",", "ssv": " ", "tsv": "\t", "pipes": "|", "spaceDelimited": " ", "pipeDelimited": "|"}
_NO_COOKIE: Final = re.compile(r"[^!#-+\--:<-\[\]-~]")  # RFC 6265


def in_path(parameter: Parameter, name: str, value: Json) -> str:
    """A segment, or a part of one: nothing in a value begins another."""
    style, explode = str(parameter.get("style") or "simple"), parameter.get("explode") is True
    if "content" in parameter:
        return _path_text(_content(parameter, value))
    if style == "matrix":
        return _matrix(name, value, explode=explode)
    lead, apart = (".", "." if explode else ",") if style == "label" else ("", _joint(parameter, ","))
    return lead + _joined(value, _path_text(apart) if apart not in ",." else apart, _path_text, explode=explode)


def in_query(parameter: Parameter, name: str, value: Json) -> list[tuple[str, str]]:
    """Pairs, which are quoted when they are sent."""
    if "content" in parameter:
        return [(name, _content(parameter, value))]
    style = str(parameter.get("style") or parameter.get("collectionFormat") or "form")
    swagger = "type" in parameter  # 2.0: arrays are joined unless `multi` is said
    explode = parameter.get("explode", style in {"form", "multi"} and not (swagger and style == "form"))
    if isinstance(value, Mapping) and style == "deepObject":
        return _deep(name, value)
    if isinstance(value, list) and explode:
        return [(name, _text(item)) for item in value]
    if isinstance(value, Mapping) and explode:
        return [(str(key), _text(held)) for key, held in value.items()]
    return [(name, _joined(value, _JOINTS.get(style, ","), _text, explode=False))]


def in_header(parameter: Parameter, value: Json) -> str:
    """The value of a header."""
    if "content" in parameter:
        return _content(parameter, value)
    return _joined(value, _joint(parameter, ","), _text, explode=parameter.get("explode") is True)


def in_cookie(parameter: Parameter, value: Json) -> str:
    """The value of a cookie: what would end it, and begin another, is quoted."""
    text = _content(parameter, value) if "content" in parameter else _joined(value, ",", _text, explode=False)
    return _NO_COOKIE.sub(lambda found: quote(found[0], safe=""), text)


def _deep(name: str, value: Json) -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        return [pair for key, held in value.items() for pair in _deep(f"{name}[{key}]", held)]
    if isinstance(value, list):
        return [pair for held in value for pair in _deep(name, held)]
    return [(name, _text(value))]


def _matrix(name: str, value: Json, *, explode: bool) -> str:
    if isinstance(value, Mapping) and explode:
        return "".join(f";{_path_text(key)}={_path_text(held)}" for key, held in value.items())
    if isinstance(value, list) and explode:
        return "".join(f";{name}={_path_text(item)}" for item in value)
    text = _joined(value, ",", _path_text, explode=False)
    return f";{name}={text}" if text else f";{name}"


def _joined(value: Json, joint: str, text: Callable[[Json], str], *, explode: bool) -> str:
    if isinstance(value, list):
        return joint.join(text(item) for item in value)
    if isinstance(value, Mapping):
        between = "=" if explode else joint
        return joint.join(f"{text(key)}{between}{text(held)}" for key, held in value.items())
    return text(value)


def _joint(parameter: Parameter, default: str) -> str:
    return _JOINTS.get(str(parameter.get("collectionFormat")), default)


def _content(parameter: Parameter, value: Json) -> str:
    """A parameter with a media type of its own."""
    content = parameter.get("content")
    media = next(iter(content), "application/json") if isinstance(content, Mapping) else "application/json"
    return orjson.dumps(value).decode() if is_json(str(media)) else _text(value)


def _path_text(value: Json) -> str:
    return quote(_text(value), safe="")


def _text(value: Json) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
