"""Components running in a test's own process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tocsin_kit.chassis import Component


@asynccontextmanager
async def running(*components: Component) -> AsyncIterator[None]:
    """Start in order, serve, stop in reverse, as the chassis does."""
    begun: list[tuple[Component, asyncio.Task[None]]] = []
    async with asyncio.TaskGroup() as group:
        try:
            for component in components:
                await component.start()
                begun.append((component, group.create_task(component.serve())))
            yield
        finally:
            for component, serving in reversed(begun):
                await component.stop()
                serving.cancel()
                await asyncio.wait([serving])
