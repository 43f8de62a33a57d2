"""JSON schemas of inputs, outputs and the context, compiled once with the program.

Patterns use a linear-time matcher and nothing is fetched, so that validation always ends and folding it again gives the same.
"""

from dataclasses import dataclass

import jsonschema_rs

from tocsin_executor.domain.values import Json

_TOLD = 500  # characters of a complaint, which quotes the value: its beginning and the end, where the reason is


class BadSchema(ValueError):
    """The document is not a valid JSON schema, or refers to something outside itself."""


@dataclass(frozen=True, slots=True)
class Schema:
    """A compiled schema, and the document it was compiled from."""

    validator: jsonschema_rs.Validator
    document: Json

    def complaint(self, value: Json) -> str | None:
        """What is wrong with a value, one sentence with where it is; ``None`` if it is valid."""
        if self.validator.is_valid(value):
            return None
        error = next(self.validator.iter_errors(value), None)
        if error is None:
            return None
        where = "/".join(str(part) for part in error.instance_path)
        told, half = error.message, _TOLD // 2
        if len(told) > _TOLD:
            told = f"{told[:half]} … {told[-half:]}"
        return f"{told} (at /{where})"


def compile_schema(document: Json) -> Schema:
    """Compile an inline schema (draft 2020-12 unless ``$schema`` says otherwise).

    Raises:
        BadSchema: It does not compile.
    """
    if not isinstance(document, dict | bool):
        raise BadSchema("a schema is an object")
    try:
        validator = jsonschema_rs.validator_for(document, pattern_options=jsonschema_rs.RegexOptions(), retriever=_refuse)
    except jsonschema_rs.ValidationError as exc:
        where = "/".join(str(part) for part in exc.instance_path)
        raise BadSchema(f"this is no JSON schema: {exc.message[:_TOLD]} (at /{where})") from exc
    except (ValueError, jsonschema_rs.ReferencingError) as exc:
        raise BadSchema(str(exc)[:_TOLD]) from exc
    return Schema(validator, document)


def _refuse(uri: str) -> dict[str, Json]:
    raise BadSchema(f"'{uri}' is outside the definition; only inline schemas are offered")
