"""What pydantic complains of, in words that a person is told."""

from pydantic_core import ErrorDetails


def in_words(problem: ErrorDetails) -> str:
    """The complaint without pydantic's name for a check of ours: that is a sentence already."""
    return problem["msg"].removeprefix("Value error, ")
