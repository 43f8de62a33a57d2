"""From bytes to validated parts: path, query and body, each refused early and by name."""

import difflib
from collections.abc import Mapping
from typing import get_args, get_origin

import orjson
from pydantic import BaseModel, ValidationError

from tocsin.errors import Invalid, TooLarge, UnsupportedMedia, Violation
from tocsin.signals.nesting import DEEPEST_MESSAGE, too_deep
from tocsin_kit.web.problems import Malformed, as_invalid
from tocsin_kit.web.replies import JSON_TYPE


class QueryReader:
    """Reads the query of one route; knows which parameters may repeat."""

    def __init__(self, model: type[BaseModel] | None) -> None:
        """Look at the model once, not on every request."""
        self._model = model
        self._names: dict[str, bool] = {}
        for name, info in (model.model_fields if model else {}).items():
            self._names[info.alias or name] = _is_list(info.annotation)

    def read(self, pairs: list[tuple[str, str]]) -> BaseModel | None:
        """Validate the parameters.

        Raises:
            Invalid: One is unknown (with the nearest name), comes twice without being a list, or does not fit.
        """
        values: dict[str, str | list[str]] = {}
        violations = []
        for name, value in pairs:
            repeats = self._names.get(name)
            if repeats is None:
                violations.append(Violation(name, "unknown parameter", hint=self._nearest(name)))
            elif repeats:
                held = values.setdefault(name, [])
                assert isinstance(held, list)
                held.append(value)
            elif name in values:
                violations.append(Violation(name, "given more than once"))
            else:
                values[name] = value
        if violations:
            first = violations[0]
            raise Invalid(f"query parameter {first.pointer!r}: {first.detail}", hint=first.hint, violations=violations)
        return None if self._model is None else validated(self._model, values, where="query")

    def _nearest(self, name: str) -> str:
        near = difflib.get_close_matches(name, self._names, n=1)
        if near:
            return f"did you mean {near[0]}?"
        return f"known here: {', '.join(self._names)}" if self._names else "no parameter is known here"


def _is_list(annotation: object) -> bool:
    if get_origin(annotation) in {list, tuple, set, frozenset}:
        return True
    return any(_is_list(argument) for argument in get_args(annotation))


def validated(model: type[BaseModel], values: object, *, where: str) -> BaseModel:
    """``values`` as a ``model``.

    Raises:
        Invalid: They do not fit; one violation for each thing wrong.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise as_invalid(error, where=where) from error


def check_media_type(content_type: str, accepted: tuple[str, ...]) -> None:
    """Refuse a body in a format nobody here reads.

    Raises:
        UnsupportedMedia: With what would be read.
    """
    given = content_type.partition(";")[0].strip().lower()
    json_like = given.startswith("application/") and given.endswith("+json")
    if "*/*" in accepted or given in accepted or (json_like and JSON_TYPE in accepted):
        return
    expected = ", ".join(accepted)
    raise UnsupportedMedia(
        f"a body of type {given or 'nothing stated'} is not understood here", hint=f"send Content-Type: {expected}"
    )


def json_body(raw: bytes) -> object:
    """The JSON value in ``raw``.

    Raises:
        Malformed: It is no JSON: with line and column; or it is nested so deep that nobody could write it again.
    """
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        violation = Violation("", error.msg, line=error.lineno, column=error.colno)
        raise Malformed(
            f"the body is not JSON: {error.msg} (line {error.lineno}, column {error.colno})", violations=[violation]
        ) from error
    if too_deep(value, raw, limit=DEEPEST_MESSAGE):
        raise Malformed(f"the body is nested deeper than {DEEPEST_MESSAGE} levels", hint="send flatter data")
    return value


def too_large(limit: int, size: int | None) -> TooLarge:
    """The refusal of a body above ``limit`` bytes; ``size`` is what the sender announced, if it did."""
    told = f"{size} bytes are" if size is not None else "the body is"
    return TooLarge(
        f"{told} above the limit of {limit} bytes", hint="send less, or refer to the data by URL", limit=limit, size=size
    )


def name_of(parts: Mapping[str, BaseModel]) -> str | None:
    """What the request is about by name: a ``name`` in path or body, else a ``workflow``; ``None`` where nothing is named."""
    for field in ("name", "workflow"):
        for part in parts.values():
            name = getattr(part, field, None)
            if isinstance(name, str):
                return name
    return None


def namespace_of(parts: Mapping[str, BaseModel]) -> str | None:
    """The namespace that path, query or body names; ``None`` when none does."""
    for part in parts.values():
        namespace = getattr(part, "namespace", None)
        if isinstance(namespace, str):
            return namespace
    return None
