"""What can go wrong with an expression: at compile time, at run time, and where it may run.

The texts never contain the data that was evaluated beyond what libjq itself quotes, which is cut short, since data may be
secret.
"""

from typing import ClassVar

from tocsin.errors import Invalid, Rejected


class ExpressionInvalid(Invalid):
    """The expression does not compile.

    Args:
        detail: What is wrong, one sentence.
        line: 1-based line inside the expression's text.
        column: 1-based column inside that line.
        hint: What to do about it.
    """

    code: ClassVar[str] = "expression_invalid"

    def __init__(self, detail: str, *, line: int = 1, column: int = 1, hint: str | None = None) -> None:
        """Keep the position apart from the text, so that a definition file can add its own."""
        super().__init__(detail, hint=hint, line=line, column=column)
        self.line = line
        self.column = column


class ExpressionFailed(Rejected):
    """The expression cannot be evaluated on this value."""

    code = "expression_failed"


class EvaluateElsewhere(Rejected):
    """The value is too large for this expression to be evaluated inside a step; the sandbox may."""

    code = "expression_elsewhere"
