"""What a running process says about itself: health, logs, metrics and traces."""

from tocsin_kit.telemetry.health import Health
from tocsin_kit.telemetry.metrics import Metrics
from tocsin_kit.telemetry.tracing import current_traceparent, new_traceparent, parse_traceparent, span

__all__ = ["Health", "Metrics", "current_traceparent", "new_traceparent", "parse_traceparent", "span"]
