"""What runners of calls need, on this machine."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tocsin.expressions.sandbox import Sandbox
from tocsin_executor.worker.parts import Runners, runners_for
from tocsin_executor.worker.settings import WorkerSettings
from tocsin_executor.worker.tasks import Task
from tocsin_kit.clock import SystemClock


def free_port() -> int:
    """A port that nobody has now."""
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        port: int = opened.getsockname()[1]
        return port


def task_of(runner: str, spec: Any, **fields: Any) -> Task:
    """A task as it comes to a runner."""
    return Task("r", "h:1#1", runner, "t", "/do/0/t", "n", spec, None, {}, None, None, "s", **fields)


@asynccontextmanager
async def runners(folder: Path | None = None, docker: str | None = None) -> AsyncIterator[Runners]:
    """All of them."""
    async with Sandbox(1) as sandbox:
        opened = runners_for(SystemClock(), sandbox, WorkerSettings(allow_private=True, resources=folder, docker=docker))
        try:
            yield opened
        finally:
            await opened.close()
