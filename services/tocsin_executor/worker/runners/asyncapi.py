"""``call: asyncapi``: publishes a message, or consumes messages until there are enough; over NATS and HTTP.

What is published is the output of a publication: a broker has no answer. A subscription's output is the list of the messages it
took, in their order; where the run goes through them as they come, each is sent to it instead. A message that the filter
refuses counts for nothing. Over HTTP a subscription reads what the channel's address streams (server-sent events or lines of
JSON), and asks again while an answer that is no stream ends.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from typing import Final

import aiohttp
import orjson

from tocsin.errors import TocsinError, Unavailable
from tocsin.expressions import truthy
from tocsin.expressions.durations import DurationInvalid, parse_duration
from tocsin.expressions.sandbox import Sandbox
from tocsin_executor.domain.requests import at_place
from tocsin_executor.domain.values import ErrorKind, Json
from tocsin_executor.worker.calling import Caller, Request, told, where
from tocsin_executor.worker.channels import Channel, channel_of
from tocsin_executor.worker.policies import Basic, Policy, read_policy
from tocsin_executor.worker.resources import Resources
from tocsin_executor.worker.rpc import events, lines
from tocsin_executor.worker.runners.http import as_mapping, headers_of
from tocsin_executor.worker.tasks import VALUE_LIMIT, Failed, Outcome, Task
from tocsin_kit.bus.foreign import Foreign, foreign_server
from tocsin_kit.clock import Clock

_EVALUATION: Final = timedelta(seconds=5)
_AGAIN: Final = 1.0  # seconds between questions to an address that does not stream
_LINES: Final = frozenset({"application/x-ndjson", "application/jsonl", "application/json-seq"})
_CORRELATION: Final = "correlationid"


class _Taken:
    """The messages so far, with their size, which is counted as they come: to measure all at each would take ever longer."""

    def __init__(self) -> None:
        self.found: list[Json] = []
        self._size = 0

    def keep(self, held: Json) -> None:
        """Add one."""
        self.found.append(held)
        self._size += len(orjson.dumps(held)) + 1
        if self._size > VALUE_LIMIT:
            raise Failed(ErrorKind.VALIDATION, f"The messages are above the limit of {VALUE_LIMIT} bytes.", status=413)


class MessageRunner:
    """Publishes and consumes.

    Args:
        caller: Its connections.
        resources: Where documents come from.
        sandbox: Evaluates conditions over messages.
        clock: Time.
    """

    def __init__(self, caller: Caller, resources: Resources, sandbox: Sandbox, clock: Clock) -> None:
        self._caller = caller
        self._resources = resources
        self._sandbox = sandbox
        self._clock = clock

    async def run(self, task: Task) -> Outcome:
        """One publication, or one subscription to its end."""
        spec = task.spec
        if not isinstance(spec, Mapping):
            raise Failed(ErrorKind.CONFIGURATION, "An AsyncAPI call needs an object.")
        _, document = await self._resources.document(task, spec.get("document"))
        channel, policy = channel_of(document, spec), read_policy(task, spec.get("authentication"))
        if channel.protocol not in {"nats", "http"}:
            detail = f"The protocol {channel.protocol[:20]!r} is not offered; nats and http are."
            raise Failed(ErrorKind.CONFIGURATION, detail)
        if spec.get("message") is not None:
            message = as_mapping(spec["message"], "message")
            await self._publish(task, channel, policy, message)
            return Outcome(dict(message))
        return Outcome(await self._subscribe(task, channel, policy, as_mapping(spec.get("subscription"), "subscription")))

    async def _publish(self, task: Task, channel: Channel, policy: Policy | None, message: Mapping[str, Json]) -> None:
        headers = headers_of(message.get("headers"))
        payload = orjson.dumps(message["payload"]) if "payload" in message else b""
        if channel.protocol == "nats":
            with _translated():
                async with self._server(task, channel, policy) as server:
                    await server.publish(channel.address, payload, headers)
            return
        if payload and "content-type" not in map(str.lower, headers):
            headers["Content-Type"] = "application/json"
        request = Request(channel.method or "POST", channel.url, headers, body=payload)
        answer = await self._caller.send(task, request, policy)
        if not 200 <= answer.status < 300:
            detail = f"{where(channel.url)} answered {answer.status} {answer.reason}".rstrip() + "."
            raise Failed(ErrorKind.COMMUNICATION, detail, status=answer.status)

    async def _subscribe(
        self, task: Task, channel: Channel, policy: Policy | None, subscription: Mapping[str, Json]
    ) -> list[Json]:
        consume = as_mapping(subscription.get("consume"), "consume")
        amount = consume.get("amount")
        if amount is not None and (isinstance(amount, bool) or not isinstance(amount, int) or amount < 1):
            raise Failed(ErrorKind.CONFIGURATION, "consume.amount is a number of messages, one or more.")
        taken = _Taken()
        count = 0
        source = self._over_nats if channel.protocol == "nats" else self._over_http
        try:
            within = parse_duration(consume["for"]).total_seconds() if consume.get("for") is not None else None
            async with asyncio.timeout(within) as limit, aclosing(source(task, channel, policy)) as messages:
                async for message in messages:
                    if "filter" in task.later and not truthy(await self._evaluated(task, "filter", message)):
                        continue
                    count += 1
                    if subscription.get("streams") is True and task.send is not None:
                        await task.send(message)
                    elif await self._take(task, message, taken):
                        break
                    if amount is not None and count >= amount:
                        break
        except DurationInvalid as error:
            raise Failed(ErrorKind.CONFIGURATION, f"consume.for: {error.detail}.") from error
        except TimeoutError:
            if not limit.expired():
                raise
        return taken.found

    async def _take(self, task: Task, message: Json, taken: _Taken) -> bool:
        """Keep a message; whether it was the last one."""
        found, held = taken.found, message
        if "as" in task.later:
            each = as_mapping(at_place(task.spec, ("subscription", "foreach")), "foreach")
            names = str(each.get("item", "item")), str(each.get("at", "index"))
            held = await self._evaluated(task, "as", message, {names[0]: message, names[1]: len(found)})
        taken.keep(held)
        if "while" in task.later and not truthy(await self._evaluated(task, "while", found)):
            return True
        return "until" in task.later and truthy(await self._evaluated(task, "until", found))

    async def _evaluated(self, task: Task, name: str, value: Json, more: Mapping[str, Json] | None = None) -> Json:
        variables = {**(task.variables or {}), **(more or {})}
        try:
            return await self._sandbox.evaluate_open(task.later[name], value, variables, _EVALUATION)
        except TocsinError as error:
            raise Failed(ErrorKind.EXPRESSION, f"{name}: {error.detail}") from error

    async def _over_nats(self, task: Task, channel: Channel, policy: Policy | None) -> AsyncGenerator[Json, None]:
        with _translated():
            async with self._server(task, channel, policy) as server:
                task.say("stderr", f"subscribed to {channel.address}")
                async for message in server.messages(channel.address):
                    yield _message(message.payload, message.headers)

    async def _over_http(self, task: Task, channel: Channel, policy: Policy | None) -> AsyncGenerator[Json, None]:
        headers = {"Accept": "text/event-stream, application/x-ndjson, application/json"}
        while True:
            request = Request(channel.method or "GET", channel.url, dict(headers), streams=True)
            async with self._caller.open(task, request, policy) as response:
                if not 200 <= response.status < 300:
                    detail = f"{where(channel.url)} answered {response.status}."
                    raise Failed(ErrorKind.COMMUNICATION, detail, status=response.status)
                with told(channel.url):
                    async for payload in _payloads(response):
                        yield _message(payload, {})
            await self._clock.sleep(_AGAIN)

    @asynccontextmanager
    async def _server(self, task: Task, channel: Channel, policy: Policy | None) -> AsyncIterator[Foreign]:
        """A connection to somebody else's broker, through the guard."""
        user = password = token = None
        if isinstance(policy, Basic):
            user, password = policy.username, policy.password
            task.redaction.hide(password)
        elif policy is not None:
            token = (await self._caller.authorization(task, policy)).removeprefix("Bearer ")
        address = await self._caller.address(channel.host, channel.port)
        async with foreign_server(
            address, channel.port, host=channel.host, tls=channel.secure, user=user, password=password, token=token
        ) as server:
            yield server


class _translated:  # noqa: N801  # reads as a phrase
    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, TocsinError):
            status = 503 if isinstance(error, Unavailable) else 400
            raise Failed(ErrorKind.COMMUNICATION, error.detail, status=status) from error


def _message(payload: bytes, headers: Mapping[str, str]) -> Json:
    """An inbound message as the reference describes it."""
    try:
        held: Json = orjson.loads(payload)
    except orjson.JSONDecodeError:
        held = payload.decode("utf-8", "replace")
    message: dict[str, Json] = {"payload": held}
    if headers:
        message["headers"] = dict(headers)
    correlation = next((value for name, value in headers.items() if name.lower().replace("-", "") == _CORRELATION), None)
    return message if correlation is None else {**message, "correlationId": correlation}


async def _payloads(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    if response.content_type == "text/event-stream":
        async for _, data in events(response):
            yield data
    elif response.content_type in _LINES:
        async for line in lines(response):
            if line.strip(b"\x1e "):
                yield line.strip(b"\x1e ")
    else:
        content = bytearray()
        async for piece in response.content.iter_any():
            content += piece
            if len(content) > VALUE_LIMIT:
                raise Failed(ErrorKind.COMMUNICATION, f"The answer is above the limit of {VALUE_LIMIT} bytes.", status=413)
        try:
            held = orjson.loads(content) if content else []
        except orjson.JSONDecodeError as error:
            raise Failed(ErrorKind.COMMUNICATION, "What the channel answers is not JSON.", status=502) from error
        for item in held if isinstance(held, list) else [held]:
            yield orjson.dumps(item)
