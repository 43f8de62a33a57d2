"""What can be wrong with a timetable."""

from typing import ClassVar

from tocsin.errors import Invalid


class TimetableInvalid(Invalid):
    """The timetable is not valid.

    Args:
        detail: What is wrong, one sentence.
        position: 1-based character in the expression; ``None`` where it is not the expression that is wrong, but the zone.
        hint: What to do about it.
    """

    code: ClassVar[str] = "timetable_invalid"

    def __init__(self, detail: str, *, position: int | None = 1, hint: str | None = None) -> None:
        """Keep the position apart from the text."""
        super().__init__(detail, hint=hint)
        if position is not None:
            self.fields["position"] = position
        self.position = position


class NeverFires(Invalid):
    """No instant matches the timetable in the years it can name."""

    code: ClassVar[str] = "timetable_never_fires"
