"""What an HTTP server measures: requests, latency and what is in hand, by route template (never by path: that is unbounded)."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

# From a warm cache hit to the longest handler; the floors of `bench latency` (6 and 25 ms) are bucket borders.
_SECONDS: Final = (0.001, 0.0025, 0.006, 0.012, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class HttpMeasures:
    """Instruments of all HTTP servers of a process; labels are the service, method, route template and status."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register them in ``registry``; once a process."""
        labels = ("service", "method", "route")
        self.requests = Counter("tocsin_http_requests", "Requests answered.", (*labels, "status"), registry=registry)
        self.seconds = Histogram(
            "tocsin_http_request_seconds", "Time to the last byte.", labels, registry=registry, buckets=_SECONDS
        )
        self.in_hand = Gauge("tocsin_http_requests_in_hand", "Requests being worked on.", ("service",), registry=registry)
        self.refused = Counter(
            "tocsin_http_refused", "Requests refused before a handler saw them.", ("service", "code"), registry=registry
        )
