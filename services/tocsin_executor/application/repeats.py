"""Starts that are asked for again with the same idempotency key: the same run, if the same is asked for."""

from tocsin.errors import Conflict, NotFound
from tocsin_executor.application.apart import Apart
from tocsin_executor.application.runs import Runs, StartOrder
from tocsin_executor.application.views import RunView
from tocsin_executor.domain.large import Large


class KeyReused(Conflict):
    """An idempotency key was used before for something else."""

    code = "idempotency_key_reused"


class Repeats:
    """Starts with a key.

    Args:
        runs: Use cases of runs.
        apart: Where large inputs are.
    """

    def __init__(self, runs: Runs, apart: Apart) -> None:
        self._runs = runs
        self._apart = apart

    async def known(self, run: str, order: StartOrder) -> RunView | None:
        """The run that was started with a key before; ``None`` if there is none.

        Raises:
            KeyReused: It is another workflow, another version than is named, has another input, or runs another run again.
        """
        try:
            found = await self._runs.get(run)
        except NotFound:
            return None
        given = order.input if isinstance(order.input, Large) else await self._apart.keep(order.input)
        began = (order.trigger or {}).get("name")
        differs = [
            name
            for name, same in (
                ("workflow", found.workflow == order.workflow),
                ("version", order.version in {None, "latest", found.version}),
                ("task to begin from", order.origin is None or (found.trigger or {}).get("name") == began),
                ("input", found.input == given),
            )
            if not same
        ]
        if differs:
            raise KeyReused(
                f"This idempotency key has started run {run}, with another {' and another '.join(differs)}.",
                hint="Use a key of its own for each start; repeat one only to ask for the same again.",
                run=run,
            )
        return found

    async def start(self, run: str, order: StartOrder) -> RunView:
        """Start it, unless that was done; of two that come at once with one key the first counts.

        Raises:
            KeyReused: As :meth:`known`; and what a start raises.
        """
        found = await self.known(run, order)
        if found is not None:
            return found
        started = await self._runs.start(order, run=run)
        return await self.known(run, order) or started
