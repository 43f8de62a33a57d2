"""The operations port of a process: is it alive, can it work, what does it measure. Open, so not for the public network.

``/livez`` answers as long as the loop turns; it never looks at dependencies, or an outage of the database would restart
everything. ``/readyz`` is 503 with the reasons while any component cannot work. ``/metrics`` is the Prometheus text format.
"""

import errno
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import orjson
from aiohttp import web
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.exposition import choose_encoder

from tocsin.errors import Unavailable
from tocsin_kit.telemetry.health import Health


class Reporting(Protocol):
    """What can say how it is: every component."""

    @property
    def name(self) -> str:
        """Unique in the process."""
        ...

    def health(self) -> Health:
        """Whether it can do its work now."""
        ...


class OpsServer:
    """Serves ``/livez``, ``/readyz`` and ``/metrics`` of one process.

    Args:
        host: Address to bind.
        port: Port to bind; 0 for a free one, see :attr:`url`.
        components: Asked on every ``/readyz``, so that it may grow while the process starts.
        ready: Whether the process as a whole takes work (false while it starts and drains).
        registry: Where the metrics are.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        components: Callable[[], Iterable[Reporting]],
        ready: Callable[[], bool] = lambda: True,
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        """Nothing is bound yet."""
        self.name = "ops"
        self._host, self._port = host, port
        self._components, self._ready, self._registry = components, ready, registry
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Bind and listen.

        Raises:
            Unavailable: The port is taken or not ours to bind.
        """
        app = web.Application(client_max_size=1)
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as error:
            await self._runner.cleanup()
            self._runner = None
            why = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be bound ({error.strerror})"
            hint = "end what listens there, or set another one with TOCSIN_OPS_PORT"
            raise Unavailable(f"port {self._port} on {self._host}, for operations, {why}", hint=hint) from error
        self._port = self._runner.addresses[0][1]

    async def serve(self) -> None:
        """Nothing to do: connections live on the loop."""

    async def stop(self) -> None:
        """Close; it is the last component to stop, so that probes see the drain."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def health(self) -> Health:
        """Ready while it listens."""
        listening = self._runner is not None
        return Health(ready=listening, detail=f"listening on {self._host}:{self._port}" if listening else "not listening")

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"http://{self._host}:{self._port}"

    async def _livez(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def _readyz(self, _: web.Request) -> web.Response:
        states: Mapping[str, Health] = {component.name: component.health() for component in self._components()}
        ready = self._ready() and all(state.ready for state in states.values())
        body = {
            "status": "ready" if ready else "not ready",
            "components": {
                name: {"ready": state.ready, "detail": state.detail, "facts": dict(state.facts)}
                for name, state in states.items()
            },
        }
        return web.Response(body=orjson.dumps(body), status=200 if ready else 503, content_type="application/json")

    async def _metrics(self, request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(self._registry), headers={"Content-Type": content_type})
