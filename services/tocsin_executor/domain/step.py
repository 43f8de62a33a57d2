"""The one door to the engine's core: fold an input into a run, get the effects."""

from tocsin_executor.domain.effects import Effect
from tocsin_executor.domain.inputs import Input
from tocsin_executor.domain.program import Program
from tocsin_executor.domain.state import RunState


def step(program: Program, run: RunState, message: Input) -> list[Effect]:
    """Fold one input, in log order, into the run's state.

    The state is changed in place and ``run.changed`` has the keys of cells to save. Deterministic: the same state and input give
    the same effects, with the same ids. An input that does not apply changes nothing and gives a ``Decision``.

    Args:
        program: The program of the run's digest (for ``Start``: of ``message.digest``).
        run: The run's loaded cells; a fresh ``RunState(run_id)`` for a run that does not exist.
        message: What happened.

    Returns:
        Effects in order of their making; dispatches may be published first.

    Raises:
        Defect: An invariant is broken; drop the run's cells, fold again from the last save, and park the input.
    """
    raise NotImplementedError(program, run, message)
