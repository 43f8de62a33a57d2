"""Admission as a component: makes its indexes, then looks until it is stopped."""

from tocsin_executor.adapters.admission import MongoQueue
from tocsin_executor.application.admission import Admission
from tocsin_kit.chassis.components import Part


class AdmissionPart(Part):
    """Lets admission look, as a component; makes its indexes first.

    Args:
        admission: Use cases.
        queue: Where runs wait.
    """

    def __init__(self, admission: Admission, queue: MongoQueue) -> None:
        super().__init__("executor.admission")
        self._admission = admission
        self._queue = queue

    async def start(self) -> None:
        """Make the indexes."""
        await self._queue.ensure_indexes()

    async def serve(self) -> None:
        """Look until cancelled."""
        await self._admission.serve()
