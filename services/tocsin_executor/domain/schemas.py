"""JSON schemas of inputs, outputs and the context, compiled once with the program.

Patterns use a linear-time matcher and nothing is fetched, so that validation always ends and folding it again gives the same.
"""

from dataclasses import dataclass

import jsonschema_rs

from tocsin_executor.domain.values import Json


class BadSchema(ValueError):
    """The document is not a valid JSON schema, or refers to something outside itself."""


@dataclass(frozen=True, slots=True)
class Schema:
    """A compiled schema."""

    validator: jsonschema_rs.Validator

    def complaint(self, value: Json) -> str | None:
        """What is wrong with a value, one sentence with where it is; ``None`` if it is valid."""
        if self.validator.is_valid(value):
            return None
        error = next(self.validator.iter_errors(value), None)
        if error is None:
            return None
        where = "/".join(str(part) for part in error.instance_path)
        return f"{error.message[:500]} (at /{where})"


def compile_schema(document: Json) -> Schema:
    """Compile an inline schema (draft 2020-12 unless ``$schema`` says otherwise).

    Raises:
        BadSchema: It does not compile.
    """
    if not isinstance(document, dict | bool):
        raise BadSchema("a schema is an object")
    try:
        return Schema(jsonschema_rs.validator_for(document, pattern_options=jsonschema_rs.RegexOptions(), retriever=_refuse))
    except (ValueError, jsonschema_rs.ReferencingError) as exc:
        raise BadSchema(str(exc)[:500]) from exc


def _refuse(uri: str) -> dict[str, Json]:
    raise BadSchema(f"'{uri}' is outside the definition; only inline schemas are offered")
