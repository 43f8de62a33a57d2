"""What comes from outside, made fit for JSON: half a character is none, and one such text must not end the worker."""

from collections.abc import Mapping

import orjson

from tocsin_executor.domain.values import Json


def writable(value: Json) -> Json:
    """The value itself where it can be written; else a copy in which what is no character is replaced (U+FFFD).

    Raises:
        TypeError: It is no JSON all the same.
    """
    try:
        orjson.dumps(value)
    except TypeError as error:
        if "ecursion" in str(error):
            return value  # who keeps it says so
        value = _replaced(value)
        orjson.dumps(value)
    return value


def whole(text: str) -> str:
    """A text of whole characters."""
    return text.encode("utf-8", "replace").decode() if not text.isascii() else text


def _replaced(value: Json) -> Json:
    if isinstance(value, str):
        return whole(value)
    if type(value) is dict:
        return {whole(str(name)): _replaced(held) for name, held in value.items()}
    if isinstance(value, Mapping):
        return value  # a reference to what is stored apart
    return [_replaced(held) for held in value] if isinstance(value, list) else value
