"""``call: a2a``: one JSON-RPC request to an agent; what streams comes back as a list."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, uuid5

from tocsin_executor.domain.values import ErrorKind, Json
from tocsin_executor.worker.agents import Interface, in_words_of, interface_of
from tocsin_executor.worker.policies import read_policy
from tocsin_executor.worker.resources import Resources
from tocsin_executor.worker.rpc import Peer, Rpc
from tocsin_executor.worker.runners.http import as_mapping
from tocsin_executor.worker.tasks import Failed, Outcome, Task

_SENDS: Final = frozenset({"message/send", "message/stream"})
_STREAMS: Final = frozenset({"message/stream", "tasks/resubscribe"})


class AgentRunner:
    """Asks agents.

    Args:
        rpc: Asks.
        resources: Where agent cards come from.
    """

    def __init__(self, rpc: Rpc, resources: Resources) -> None:
        self._rpc = rpc
        self._resources = resources

    async def run(self, task: Task) -> Outcome:
        """One request."""
        spec = task.spec
        if not isinstance(spec, Mapping) or not isinstance(spec.get("method"), str):
            raise Failed(ErrorKind.CONFIGURATION, "A call of an agent needs a method.")
        method = str(spec["method"])
        peer, interface = await self._peer(task, spec)
        parameters: Mapping[str, Json] = as_mapping(spec.get("parameters"), "parameters")
        if method in _SENDS:
            said = parameters.get("message")
            message = said if isinstance(said, Mapping) else {}
            # From the attempt, so that an agent can tell a repeated delivery from a new message.
            identity = str(uuid5(NAMESPACE_URL, f"tocsin:{task.run}/{task.attempt}"))
            defaults: dict[str, Json] = {"messageId": identity, "role": "user", "kind": "message"}
            parameters = {**parameters, "message": {**defaults, **message}}
        streams = method in _STREAMS
        if interface.newer:
            peer.headers["A2A-Version"] = ".".join(interface.version.split(".")[:2])
        method, given = in_words_of(interface, method, parameters)
        request: dict[str, Json] = {"jsonrpc": "2.0", "id": task.attempt, "method": method, "params": given}
        results, _ = await self._rpc.results(task, peer, request, stream=streams)
        return Outcome(results if streams else results[-1])

    async def _peer(self, task: Task, spec: Mapping[str, Json]) -> tuple[Peer, Interface]:
        card = spec.get("agentCard")
        if card is None:
            endpoint = spec.get("server")
            url = endpoint.get("uri") if isinstance(endpoint, Mapping) else endpoint
            if not isinstance(url, str):
                raise Failed(ErrorKind.CONFIGURATION, "A call of an agent needs an agentCard or a server.")
            given = endpoint.get("authentication") if isinstance(endpoint, Mapping) else None
            return Peer(url, read_policy(task, given)), Interface(url)
        uri, found = await self._resources.document(task, card)
        interface = interface_of(found, uri)
        endpoint = card.get("endpoint") if isinstance(card, Mapping) else None
        given = endpoint.get("authentication") if isinstance(endpoint, Mapping) else None
        # What opens the card opens the agent, if both are in the same place; it is never carried elsewhere.
        same = urlsplit(interface.url)[:2] == urlsplit(uri)[:2]
        return Peer(interface.url, read_policy(task, given) if same else None), interface
