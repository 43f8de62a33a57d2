"""A route as data: what it needs, takes, answers and can refuse. The server, the OpenAPI document and the tests all read this.

There is no default for ``access``: a route that does not say which permission it needs cannot be built.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from pydantic import BaseModel

from tocsin.errors import TocsinError
from tocsin_kit.web.access import Access, Authenticated, Permission, Public
from tocsin_kit.web.call import Call
from tocsin_kit.web.replies import JSON_TYPE, Answer

Handler = Callable[[Call], Awaitable[Answer]]

METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
ANY_METHOD: Final = "*"
_PARAMETER = re.compile(r"\{([a-z_]+)(:path)?\}")


class Query(Enum):
    """Instead of a model of the query."""

    ANY = "any"
    """Whatever comes is let through unread (proxies); see ``call.query_string``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawBody:
    """A body that the handler reads itself from ``call.raw`` (webhooks: signatures are over bytes).

    Attributes:
        media_types: Accepted; ``*/*`` for any.
        description: For the OpenAPI document.
        streamed: Not read beforehand: the handler iterates ``call.content`` (proxies, uploads).
        required: Whether an empty body is refused.
    """

    media_types: tuple[str, ...] = (JSON_TYPE,)
    description: str = ""
    streamed: bool = False
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method of one path.

    Attributes:
        method: ``GET``, ``POST``, ``PUT``, ``PATCH``, ``DELETE``, or ``*`` for all (proxies only). HEAD comes with GET.
        path: ``/api/v1/runs/{run}``; ``{key:path}`` matches slashes too.
        access: :class:`Permission`, :class:`Authenticated` or :class:`Public`.
        summary: One line for people.
        handler: ``async def handler(call: Call) -> model | Reply | Stream | EventStream | None``.
        tags: Groups in the OpenAPI document.
        description: More than a line, Markdown.
        params: Model of the path parameters; every parameter of the path is a field of it.
        query: Model of the query; parameters it does not know are refused. ``None``: no parameter is known.
        body: Model of the JSON body, :class:`RawBody`, or ``None``.
        response: Model of the answer, for the OpenAPI document; ``None`` for no body or one not made of JSON.
        media_type: Of the answer.
        status: Of a successful answer.
        also: Other statuses of success with the same body (a PUT that may create: 201).
        problems: Errors this route can answer beside those that every route can.
        body_limit: Bytes; ``None`` for the server's limit.
        gzip: Take bodies with ``Content-Encoding: gzip``, unpacked up to the limit.
        idempotent: Honour ``Idempotency-Key`` (POST): the first answer is kept and repeated.
        seconds: The handler must answer within; ``None`` for no limit (streams, long polls).
    """

    method: str
    path: str
    access: Access
    summary: str
    handler: Handler
    tags: tuple[str, ...] = ()
    description: str = ""
    params: type[BaseModel] | None = None
    query: type[BaseModel] | Query | None = None
    body: type[BaseModel] | RawBody | None = None
    response: type[BaseModel] | None = None
    media_type: str = JSON_TYPE
    status: int = 200
    also: tuple[int, ...] = ()
    problems: tuple[type[TocsinError], ...] = ()
    body_limit: int | None = None
    gzip: bool = False
    idempotent: bool = False
    seconds: float | None = 30.0

    def __post_init__(self) -> None:
        """Refuse what would only fail, or worse not fail, on the first request."""
        where = f"{self.method} {self.path}"
        if not isinstance(self.access, Permission | Authenticated | Public):
            raise TypeError(f"{where}: access is a Permission, Authenticated or Public; there is no default")
        if self.method not in METHODS and self.method != ANY_METHOD:
            raise ValueError(f"{where}: unknown method")
        if not self.path.startswith("/") or not self.summary:
            raise ValueError(f"{where}: a route has a path that starts with / and a summary")
        if self.body is not None and self.method == "GET":
            raise ValueError(f"{where}: a GET has no body")
        fields = set(self.params.model_fields) if self.params else set()
        if set(self.parameters) != fields:
            raise ValueError(f"{where}: path parameters {sorted(self.parameters)} and params model {sorted(fields)} differ")

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the path parameters."""
        return tuple(match[1] for match in _PARAMETER.finditer(self.path))

    @property
    def template(self) -> str:
        """The path with plain ``{name}`` parameters, as OpenAPI writes it and as metrics are labelled."""
        return _PARAMETER.sub(r"{\1}", self.path)

    @property
    def pattern(self) -> str:
        """The path in the syntax of aiohttp's dispatcher."""
        return _PARAMETER.sub(lambda match: f"{{{match[1]}:.+}}" if match[2] else f"{{{match[1]}}}", self.path)
