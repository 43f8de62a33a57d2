"""``call: http``: one request, its answer as the task's output, its failures as errors of the language.

Connection failures and statuses outside what the call accepts are ``communication`` errors with the status; what was asked in a
wrong way is a ``configuration`` error. Nothing of a credential is in an error's text.
"""

import base64
from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson
from yarl import URL

from tocsin_executor.domain.values import ErrorKind, Json
from tocsin_executor.worker.tasks import VALUE_LIMIT, Failed, Outcome, Task
from tocsin_kit.telemetry import current_traceparent
from tocsin_kit.web.outgoing import OutgoingGuard, OutgoingRefused, open_session

_TIMEOUT = aiohttp.ClientTimeout(total=300, connect=10)  # the task's own timeout is the engine's; this only bounds a mistake
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class HttpRunner:
    """Sends requests with one pool of connections.

    Args:
        guard: Says where it may call.
    """

    def __init__(self, guard: OutgoingGuard) -> None:
        self._guard = guard
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def run(self, task: Task) -> Outcome:
        """One request."""
        spec = task.spec
        if not isinstance(spec, dict):
            raise Failed(ErrorKind.CONFIGURATION, "The arguments of an HTTP call must be an object.")
        url, authorization = _endpoint(spec.get("endpoint"))
        headers = {str(name): _text(value) for name, value in _mapping(spec.get("headers"), "headers").items()}
        if authorization is not None:
            headers["Authorization"] = authorization
        traceparent = current_traceparent()
        if traceparent is not None:
            headers.setdefault("traceparent", traceparent)
        method = str(spec.get("method", "GET")).upper()
        if method not in _METHODS:
            raise Failed(ErrorKind.CONFIGURATION, f"{method[:20]} is not an HTTP method.")
        body = _body(spec.get("body"), headers)
        query = _query(spec.get("query"))
        session = self._open()
        try:
            self._guard.check(URL(url).host)
            async with session.request(
                method, url, params=query, headers=headers, data=body, allow_redirects=False, timeout=_TIMEOUT
            ) as response:
                content = await response.content.read(VALUE_LIMIT + 1) if method != "HEAD" else b""
                while len(content) <= VALUE_LIMIT and not response.content.at_eof():
                    content += await response.content.read(VALUE_LIMIT + 1 - len(content))
                return _outcome(task, spec, response, content)
        except OutgoingRefused as error:
            raise Failed(ErrorKind.AUTHORIZATION, error.detail, status=error.status) from error
        except (aiohttp.InvalidURL, ValueError) as error:
            raise Failed(ErrorKind.CONFIGURATION, f"{url[:200]!r} is not a URL that can be called.") from error
        except TimeoutError as error:
            raise Failed(ErrorKind.TIMEOUT, f"No answer from {_where(url)} within {_TIMEOUT.total:g} s.") from error
        except (aiohttp.ClientError, OSError) as error:
            detail = f"{_where(url)} cannot be reached: {type(error).__name__}."
            raise Failed(ErrorKind.COMMUNICATION, detail, status=503) from error

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = open_session(self._guard, connections=200, timeout=_TIMEOUT)
        return self._session


def _outcome(task: Task, spec: dict[str, Json], response: aiohttp.ClientResponse, content: bytes) -> Outcome:
    accepted = 400 if spec.get("redirect") else 300
    if len(content) > VALUE_LIMIT:
        detail = f"The answer of {_where(str(response.url))} is above the limit of {VALUE_LIMIT} bytes."
        raise Failed(ErrorKind.COMMUNICATION, detail, status=413)
    if not 200 <= response.status < accepted:
        task.say("stderr", f"{response.method} {_where(str(response.url))} answered {response.status}")
        detail = (
            f"{response.method} {_where(str(response.url))} answered {response.status} {response.reason or ''}".rstrip() + "."
        )
        raise Failed(ErrorKind.COMMUNICATION, detail, status=response.status)
    form = spec.get("output") or "content"
    if form == "raw":
        return Outcome(base64.b64encode(content).decode())
    parsed = _parsed(response.headers.get("Content-Type", ""), content)
    if form != "response":
        return Outcome(parsed)
    request: dict[str, Json] = {
        "method": response.request_info.method,
        "uri": str(response.request_info.url),
        "headers": {n: v for n, v in response.request_info.headers.items() if n.lower() not in {"authorization", "cookie"}},
    }
    headers: dict[str, Json] = {name: value for name, value in response.headers.items() if name.lower() != "set-cookie"}
    answer: dict[str, Json] = {"request": request, "statusCode": response.status, "headers": headers, "content": parsed}
    return Outcome(answer)


def _parsed(content_type: str, content: bytes) -> Json:
    media = content_type.partition(";")[0].strip().lower()
    if not content:
        return None
    if media == "application/json" or media.endswith("+json"):
        try:
            value: Json = orjson.loads(content)
        except orjson.JSONDecodeError as error:
            raise Failed(ErrorKind.COMMUNICATION, "The answer says it is JSON and is not.", status=502) from error
        return value
    try:
        return content.decode()
    except UnicodeDecodeError:
        return base64.b64encode(content).decode()


def _endpoint(endpoint: Json) -> tuple[str, str | None]:
    if isinstance(endpoint, str):
        return endpoint, None
    if isinstance(endpoint, Mapping) and isinstance(endpoint.get("uri"), str):
        return str(endpoint["uri"]), _authorization(endpoint.get("authentication"))
    raise Failed(ErrorKind.CONFIGURATION, "An HTTP call needs an endpoint with a URI.")


def _authorization(policy: Json) -> str | None:
    if policy is None:
        return None
    if isinstance(policy, Mapping):
        basic, bearer = policy.get("basic"), policy.get("bearer")
        if isinstance(basic, Mapping) and "username" in basic:
            pair = f"{basic['username']}:{basic.get('password', '')}".encode()
            return "Basic " + base64.b64encode(pair).decode()
        if isinstance(bearer, Mapping) and "token" in bearer:
            return f"Bearer {bearer['token']}"
    raise Failed(ErrorKind.AUTHENTICATION, "This kind of authentication is not offered yet.")


def _body(body: Json, headers: dict[str, str]) -> bytes | None:
    if body is None:
        return None
    known = {name.lower() for name in headers}
    if isinstance(body, str):
        if "content-type" not in known:
            headers["Content-Type"] = "text/plain; charset=utf-8"
        return body.encode()
    if "content-type" not in known:
        headers["Content-Type"] = "application/json"
    return orjson.dumps(body)


def _query(query: Json) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for name, value in _mapping(query, "query").items():
        values: list[Any] = value if isinstance(value, list) else [value]
        pairs += [(str(name), _text(item)) for item in values if item is not None]
    return pairs


def _mapping(value: Json, what: str) -> Mapping[str, Json]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise Failed(ErrorKind.CONFIGURATION, f"The {what} of an HTTP call must be an object.")
    return value


def _text(value: Json) -> str:
    if isinstance(value, str):
        return value
    return orjson.dumps(value).decode()


def _where(url: str) -> str:
    """A URL without what may be secret in it: user, query, fragment."""
    scheme, _, rest = url.partition("://")
    host = rest.partition("?")[0].partition("#")[0].rpartition("@")[2]
    return f"{scheme}://{host}"
