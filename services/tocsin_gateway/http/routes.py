"""All routes of the gateway."""

from collections.abc import Sequence

from tocsin_gateway.application import Gateway
from tocsin_gateway.http.console import console_routes
from tocsin_gateway.http.documents import document_routes
from tocsin_gateway.http.examples import example_routes
from tocsin_gateway.http.proxy import proxy_routes
from tocsin_gateway.http.status import status_routes
from tocsin_kit.web import Route


def routes(gateway: Gateway, *, examples: bool, body_limit: int) -> Sequence[Route]:
    """What the gateway serves.

    Args:
        gateway: The use cases.
        examples: Whether the services that the example workflows call run here too.
        body_limit: Largest body that is passed on, in bytes.
    """
    own = (*status_routes(gateway), *(example_routes() if examples else ()))
    return (
        *console_routes(),
        *document_routes(gateway, own),
        *own,
        *proxy_routes(gateway, body_limit=body_limit),
    )
