"""What an HTTP server measures: requests, latency and what is in hand, by route template (never by path: that is unbounded)."""

from collections.abc import Iterable
from typing import Final

from tocsin_kit.telemetry import Metrics

UNMATCHED: Final = "unmatched"
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_CODES: Final = 100  # different problem codes of one service


class HttpMeasures:
    """Instruments of one server.

    Args:
        metrics: Of the service.
        templates: Of its routes.
    """

    def __init__(self, metrics: Metrics, templates: Iterable[str]) -> None:
        routes = (UNMATCHED, *templates)
        statuses = tuple(str(status) for status in range(100, 600))
        self.requests = metrics.counter("http_requests", "Requests answered.", method=_METHODS, route=routes, status=statuses)
        self.seconds = metrics.histogram("http_request_seconds", "Time to the last byte.", method=_METHODS, route=routes)
        self.in_hand = metrics.gauge("http_requests_in_hand", "Requests being worked on.").labels()
        self.problems = metrics.counter("http_problems", "Requests answered with a problem.", code=_CODES)
