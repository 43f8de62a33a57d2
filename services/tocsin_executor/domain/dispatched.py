"""Which tasks of a run are with the workers, as far as its state knows: for whoever looks whether they are still there."""

from tocsin_executor.domain.ops.work import attempt_of
from tocsin_executor.domain.state import Hold, RunState


def dispatched(state: RunState) -> list[str]:
    """Attempts that were given to a queue and have not ended: those in hand, and those asked to stop that did not confirm."""
    if state.head is None:
        return []
    tokens = [token for cell in state.cells.values() for token in cell.tokens.values()]
    sent = [attempt_of(token) for token in tokens if token.hold is Hold.SENT]
    return sent + [attempt for attempt, revocation in state.head.revoking.items() if not revocation.child]
