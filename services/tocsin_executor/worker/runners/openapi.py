"""``call: openapi``: an operation by its id, from a document that is fetched."""

from collections.abc import Mapping

from tocsin_executor.domain.values import ErrorKind
from tocsin_executor.worker.calling import Caller, Request
from tocsin_executor.worker.operations import prepare
from tocsin_executor.worker.policies import read_policy
from tocsin_executor.worker.resources import Resources
from tocsin_executor.worker.runners.http import as_mapping, body_of, output_of
from tocsin_executor.worker.tasks import Failed, Outcome, Task


class OpenApiRunner:
    """Calls operations.

    Args:
        caller: Its connections.
        resources: Where documents come from.
    """

    def __init__(self, caller: Caller, resources: Resources) -> None:
        self._caller = caller
        self._resources = resources

    async def run(self, task: Task) -> Outcome:
        """One request."""
        spec = task.spec
        if not isinstance(spec, Mapping) or not isinstance(spec.get("operationId"), str):
            raise Failed(ErrorKind.CONFIGURATION, "An OpenAPI call needs a document and an operationId.")
        uri, document = await self._resources.document(task, spec.get("document"))
        values = as_mapping(spec.get("parameters"), "parameters")
        prepared = prepare(document, uri, str(spec["operationId"]), values)
        headers = {"Accept": "application/json, */*;q=0.5", **prepared.headers}
        if prepared.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in prepared.cookies.items())
        if prepared.media is not None:
            headers["Content-Type"] = prepared.media
        body = body_of(prepared.body, headers)
        request = Request(prepared.method, prepared.url, headers, prepared.query, body)
        answer = await self._caller.send(task, request, read_policy(task, spec.get("authentication")))
        return Outcome(output_of(task, spec, prepared.method, answer))
