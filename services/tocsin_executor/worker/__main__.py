"""``python -m tocsin_executor.worker``: a worker as a process of its own."""

import os
import socket
from collections.abc import Sequence

from tocsin.expressions.sandbox import Sandbox
from tocsin_executor.worker.hands import Queue
from tocsin_executor.worker.parts import WorkerPart, apart_of, leaves_in, runners_for
from tocsin_executor.worker.settings import WorkerSettings
from tocsin_kit.chassis import Component, ServiceContext, ServiceDefinition, service_main


def build(context: ServiceContext[WorkerSettings]) -> Sequence[Component]:
    """The components of a worker."""
    settings, sandbox = context.settings, Sandbox()
    apart = apart_of(settings, context.bus, context.clock)
    worker = WorkerPart(
        context.bus,
        name=settings.name or f"{socket.gethostname()}-{os.getpid()}",
        queues=[Queue(name, settings.slots) for name in settings.queues],
        runners=runners_for(context.clock, sandbox, settings, apart),
        sandbox=sandbox,
        clock=context.clock,
        settings=settings,
        apart=apart,
        url=context.platform.services.gateway_url,
        metrics=context.metrics,
    )
    return (worker,)


WORKER = ServiceDefinition(name="worker", settings=WorkerSettings, build=build, uses_database=False, leaves_in=leaves_in)

if __name__ == "__main__":
    service_main(WORKER)
