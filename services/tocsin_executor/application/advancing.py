"""One input and one run: folded by its program, or moved to another one."""

from tocsin.errors import NotFound
from tocsin_executor.application.live import Live
from tocsin_executor.domain.effects import Effect
from tocsin_executor.domain.inputs import Control, Input, Verb
from tocsin_executor.domain.migration import migrate
from tocsin_executor.domain.step import step
from tocsin_executor.ports import Programs


def advance(live: Live, message: Input, programs: Programs) -> list[Effect]:
    """What an input does to a run in memory.

    Raises:
        NotFound: The version to move to is not loaded.
        Defect: An invariant is broken.
    """
    if not isinstance(message, Control) or message.verb is not Verb.MIGRATE:
        return step(live.program, live.state, message)
    named = message.output.get("digest") if isinstance(message.output, dict) else None
    program = programs.cached(str(named))
    if program is None:
        raise NotFound(f"There is no definition {named}.")
    made = migrate(live.state, live.program, program, message)
    if live.state.head is not None and live.state.head.digest == program.digest:
        live.program = program
    return made
