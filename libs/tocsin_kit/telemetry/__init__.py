"""What a running process says about itself: health, logs, metrics and traces."""

from tocsin_kit.telemetry.health import Health
from tocsin_kit.telemetry.metrics import Metrics
from tocsin_kit.telemetry.tracing import (
    current_traceparent,
    lasting,
    new_traceparent,
    parse_traceparent,
    recording,
    span,
    tell_lasting,
)

__all__ = [
    "Health",
    "Metrics",
    "current_traceparent",
    "lasting",
    "new_traceparent",
    "parse_traceparent",
    "recording",
    "span",
    "tell_lasting",
]
