"""HTTP for services: routes as data, who may call them, problems, pages, streams, OpenAPI, tokens, and the operations port.

A service writes :class:`Route` values with handlers and gives them to an :class:`HttpServer`; nothing else in it knows
aiohttp's server.
"""

from tocsin_kit.web.access import (
    ANONYMOUS,
    EVERYWHERE,
    Authenticated,
    Grant,
    Namespaces,
    Permission,
    Principal,
    Public,
    meet,
    permits,
)
from tocsin_kit.web.call import Call
from tocsin_kit.web.endpoint import Authenticator, Limits
from tocsin_kit.web.idempotency import IdempotencyRecords, Recorded
from tocsin_kit.web.openapi import document, merged
from tocsin_kit.web.ops import OpsServer
from tocsin_kit.web.outside import RemoteAuthenticator
from tocsin_kit.web.paging import Input, Page, PageQuery
from tocsin_kit.web.problems import Malformed, MethodNotAllowed, Problem, RequestTimeout
from tocsin_kit.web.replies import Answer, EventStream, Reply, ServerEvent, Stream
from tocsin_kit.web.routes import ANY_METHOD, Query, RawBody, Route
from tocsin_kit.web.server import HttpServer

__all__ = [
    "ANONYMOUS",
    "ANY_METHOD",
    "EVERYWHERE",
    "Answer",
    "Authenticated",
    "Authenticator",
    "Call",
    "EventStream",
    "Grant",
    "HttpServer",
    "IdempotencyRecords",
    "Input",
    "Limits",
    "Malformed",
    "MethodNotAllowed",
    "Namespaces",
    "OpsServer",
    "Page",
    "PageQuery",
    "Permission",
    "Principal",
    "Problem",
    "Public",
    "Query",
    "RawBody",
    "Recorded",
    "RemoteAuthenticator",
    "Reply",
    "RequestTimeout",
    "Route",
    "ServerEvent",
    "Stream",
    "document",
    "meet",
    "merged",
    "permits",
]
