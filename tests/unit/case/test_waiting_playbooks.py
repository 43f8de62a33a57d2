"""A case says that its playbook waits for people, until it does not any more."""

from types import SimpleNamespace
from typing import Any, cast

from tocsin_case.application.playbooks import Playbooks


class Ledger:
    """Counts changes of the one case whose playbook is the run."""

    def __init__(self) -> None:
        self.store = self
        self.changes: list[str] = []

    async def with_run(self, run: str) -> list[Any]:
        """The case."""
        return [SimpleNamespace(key="case")]

    async def change(self, key: str, decide: Any, *, by: Any, why: str) -> None:
        """Notes why."""
        self.changes.append(why)


async def test_only_what_opens_or_closes_a_question_changes_the_case() -> None:
    """A reminder, a hand-over and one of several answers leave it waiting."""
    ledger = Ledger()
    playbooks = Playbooks(cast("Any", ledger), cast("Any", None), cast("Any", None), chance=cast("Any", None))
    event = cast("Any", SimpleNamespace(subject="run", payload={}, id="e", correlation_id=None, depth=0, traceparent=None))
    for word in ("requested", "reminded", "delegated", "counted", "answered", "expired", "withdrawn"):
        await playbooks.approval(event, word)
    assert ledger.changes == [f"approval {word}" for word in ("requested", "answered", "expired", "withdrawn")]
