"""What is evaluated elsewhere, done here: for rehearsals and tests, where nothing is killed and large values are at hand."""

import hashlib

import orjson

from tocsin.expressions import compile_expression, compile_template
from tocsin_executor.domain.effects import Evaluate
from tocsin_executor.domain.large import APART, Large
from tocsin_executor.domain.schemas import compile_schema
from tocsin_executor.domain.values import Json


class Shelf:
    """Large values in memory, and answers that use them."""

    def __init__(self) -> None:
        """An empty one."""
        self.bodies: dict[str, bytes] = {}

    def keep(self, value: Json, *, always: bool = False) -> Json:
        """The value, or a reference to it if it is large."""
        raw = orjson.dumps(value)
        if len(raw) <= APART and not always:
            return value
        digest = hashlib.sha256(raw).hexdigest()
        self.bodies[digest] = raw
        return Large(digest, len(raw))

    def load(self, value: Json) -> Json:
        """The value with everything in its place."""
        if isinstance(value, Large):
            found: Json = orjson.loads(self.bodies[value.digest])
            return found
        if isinstance(value, dict):
            return {name: self.load(part) for name, part in value.items()}
        return [self.load(part) for part in value] if isinstance(value, list) else value

    def answer(self, asked: Evaluate) -> Json:
        """What an effect asks for.

        Raises:
            ExpressionFailed: The expression does not work on these values.
        """
        names = frozenset(asked.variables)
        given = self.load(asked.value)
        variables = {name: self.load(value) for name, value in asked.variables.items()}
        if asked.schema is not None:
            return compile_schema(asked.schema).complaint(given)
        if asked.template:
            value = compile_template(asked.expression, names).evaluate_anyway(given, variables)
        else:
            value = compile_expression(str(asked.expression), names).evaluate_anyway(given, variables)
        if asked.apart is not None and isinstance(value, dict) and asked.apart in value:
            return {**value, asked.apart: self.keep(value[asked.apart])}
        return self.keep(value, always=asked.always)
