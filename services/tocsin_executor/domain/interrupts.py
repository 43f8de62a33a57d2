"""What stops a phase before anything has changed: an error of the workflow, or an answer that is not there yet."""

from tocsin_executor.domain.values import Problem


class Raised(Exception):
    """An error of the workflow, raised while a phase is evaluated."""

    def __init__(self, error: Problem) -> None:
        """Carry the problem to the machine."""
        super().__init__(error.get("detail"))
        self.problem = error


class Postponed(Exception):
    """The phase needs an answer from the killable process first; the token waits for it."""
