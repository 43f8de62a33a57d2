"""``call: a2a``: one JSON-RPC request to an agent; what streams comes back as a list."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urljoin, urlsplit
from uuid import NAMESPACE_URL, uuid5

from tocsin_executor.domain.values import ErrorKind, Json
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
        peer = await self._peer(task, spec)
        parameters: Mapping[str, Json] = as_mapping(spec.get("parameters"), "parameters")
        if method in _SENDS:
            given = parameters.get("message")
            message = given if isinstance(given, Mapping) else {}
            # From the attempt, so that an agent can tell a repeated delivery from a new message.
            identity = str(uuid5(NAMESPACE_URL, f"tocsin:{task.run}/{task.attempt}"))
            defaults: dict[str, Json] = {"messageId": identity, "role": "user", "kind": "message"}
            parameters = {**parameters, "message": {**defaults, **message}}
        request: dict[str, Json] = {"jsonrpc": "2.0", "id": task.attempt, "method": method, "params": dict(parameters)}
        streams = method in _STREAMS
        results, _ = await self._rpc.results(task, peer, request, stream=streams)
        return Outcome(results if streams else results[-1])

    async def _peer(self, task: Task, spec: Mapping[str, Json]) -> Peer:
        card = spec.get("agentCard")
        if card is None:
            endpoint = spec.get("server")
            url = endpoint.get("uri") if isinstance(endpoint, Mapping) else endpoint
            if not isinstance(url, str):
                raise Failed(ErrorKind.CONFIGURATION, "A call of an agent needs an agentCard or a server.")
            given = endpoint.get("authentication") if isinstance(endpoint, Mapping) else None
            return Peer(url, read_policy(task, given))
        uri, found = await self._resources.document(task, card)
        url = _address(found, uri)
        endpoint = card.get("endpoint") if isinstance(card, Mapping) else None
        given = endpoint.get("authentication") if isinstance(endpoint, Mapping) else None
        # What opens the card opens the agent, if both are in the same place; it is never carried elsewhere.
        same = urlsplit(url).netloc == urlsplit(uri).netloc
        return Peer(url, read_policy(task, given) if same else None)


def _address(card: Json, uri: str) -> str:
    """Where the agent speaks JSON-RPC."""
    if isinstance(card, Mapping):
        for section in ("supportedInterfaces", "additionalInterfaces"):
            listed = card.get(section)
            for one in listed if isinstance(listed, list) else []:
                binding = (one.get("protocolBinding") or one.get("transport")) if isinstance(one, Mapping) else None
                if isinstance(one, Mapping) and binding == "JSONRPC" and isinstance(one.get("url"), str):
                    return urljoin(uri, str(one["url"]))
        if isinstance(card.get("url"), str) and card.get("preferredTransport", "JSONRPC") == "JSONRPC":
            return urljoin(uri, str(card["url"]))
    raise Failed(ErrorKind.CONFIGURATION, "The agent card names no address at which the agent speaks JSON-RPC.")
