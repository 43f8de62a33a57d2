"""Which service answers a path.

The path is the same on the gateway and on the service, so that a client can talk to either, and a reader of a log never has to
translate. Tokens and permissions are the service's business: the gateway only passes them through.
"""

from collections.abc import Mapping
from types import MappingProxyType

SERVICES = ("auth", "trigger", "scheduler", "executor", "lineage", "case", "observer")

# First segment below /api/v1 -> the service that owns the resource.
OWNERS: Mapping[str, str] = MappingProxyType(
    {
        "auth": "auth",
        "users": "auth",
        "roles": "auth",
        "api-keys": "auth",
        "tokens": "auth",
        "secrets": "auth",
        "groups": "auth",
        "triggers": "trigger",
        "events": "trigger",
        "schedules": "scheduler",
        "backfills": "scheduler",
        "workflows": "executor",
        "runs": "executor",
        "pools": "executor",
        "proposals": "executor",
        "approvals": "executor",
        "tasks": "executor",
        "workers": "executor",
        "assets": "lineage",
        "lineage": "lineage",
        "cases": "case",
        "signals": "observer",
        "audit": "observer",
        "webhooks": "observer",
        "alerts": "observer",
        "analytics": "observer",
        "health": "observer",
        "alert-rules": "observer",
        "channels": "observer",
    }
)

# Headers that belong to one connection (RFC 9110, 7.6.1) and so never travel through a proxy.
HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


def owner(path: str) -> str | None:
    """The service that answers ``path``, or ``None`` when nobody does.

    Args:
        path: Absolute path as it arrived, still percent-encoded, without the query.
    """
    segments = path.split("/", 5)
    match segments[1:]:
        case ["api", "v1", "dead-letters", service, *_]:  # each service has its own
            return service if service in SERVICES else None
        case ["hooks", _, *_]:
            return "trigger"
        case [".well-known", "jwks.json"]:
            return "auth"
        case ["api", "v1", segment, *_]:
            return OWNERS.get(segment)
    return None


def forwarded(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that may travel on: everything but the connection's own, and those that ``Connection`` names."""
    named = {name.strip().lower() for name in headers.get("Connection", "").split(",")}
    return {name: value for name, value in headers.items() if name.lower() not in HOP_BY_HOP | named}
