"""Records spans with the OpenTelemetry SDK and exports them by OTLP over HTTP. Loaded only when ``otlp.endpoint`` is set.

A collector that is away costs nothing but its spans: they are batched in the background and dropped when the queue is full.
"""

from collections.abc import Mapping

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)
from opentelemetry.trace import Span as OtelSpan
from opentelemetry.trace import SpanContext as OtelContext

from tocsin_kit.telemetry.tracing import Attribute, PastSpan, SpanContext
from tocsin_kit.telemetry.tracing import SpanKind as OurKind

_KINDS = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
}


class OtlpRecorder:
    """Spans to a collector.

    Args:
        endpoint: Base URL of the collector; ``/v1/traces`` is added.
        service: ``service.name`` of the resource.
        version: ``service.version``.
        headers: For the collector.
        sample: Share of new traces that are recorded.
        exporter: Another exporter, for tests.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        service: str,
        version: str,
        headers: Mapping[str, str] | None = None,
        sample: float = 1.0,
        exporter: SpanExporter | None = None,
    ) -> None:
        resource = Resource.create({"service.name": service, "service.version": version})
        self._provider = TracerProvider(resource=resource, sampler=ParentBased(TraceIdRatioBased(sample)))
        target = exporter or OTLPSpanExporter(
            endpoint=f"{endpoint.rstrip('/')}/v1/traces", headers=dict(headers or {}), timeout=5
        )
        self._processor = BatchSpanProcessor(target)
        self._provider.add_span_processor(self._processor)
        self._scope = InstrumentationScope("tocsin", version)
        self._tracer = self._provider.get_tracer("tocsin", version)

    def start(self, name: str, kind: OurKind, parent: SpanContext | None, attributes: dict[str, Attribute]) -> "OtlpSpan":
        """Begin a span."""
        context = None
        if parent is not None:
            context = set_span_in_context(NonRecordingSpan(_otel(parent)))
        return OtlpSpan(self._tracer.start_span(name, context=context, kind=_KINDS[kind], attributes=attributes))

    def tell(self, past: PastSpan) -> None:
        """Record something that is over, under the id that its children know."""
        attributes = dict(past.attributes) | ({} if past.error is None else {"error.type": past.error})
        self._processor.on_end(
            ReadableSpan(
                name=past.name,
                context=_otel(past.context, remote=False),
                parent=_otel(past.parent),
                resource=self._provider.resource,
                attributes=attributes,
                kind=SpanKind.INTERNAL,
                instrumentation_scope=self._scope,
                status=Status(StatusCode.UNSET if past.error is None else StatusCode.ERROR),
                start_time=int(past.began.timestamp() * 1e6) * 1000,
                end_time=int(past.ended.timestamp() * 1e6) * 1000,
            )
        )

    def stop(self) -> None:
        """Send what is left, for at most the exporter's timeout."""
        self._provider.shutdown()


def _otel(context: SpanContext, *, remote: bool = True) -> OtelContext:
    flags = TraceFlags(TraceFlags.SAMPLED if context.sampled else TraceFlags.DEFAULT)
    return OtelContext(int(context.trace_id, 16), int(context.span_id, 16), is_remote=remote, trace_flags=flags)


class OtlpSpan:
    """One span of the SDK."""

    __slots__ = ("_span",)

    def __init__(self, inner: OtelSpan) -> None:
        self._span = inner

    @property
    def traceparent(self) -> str:
        """What the next one is given as its parent."""
        context = self._span.get_span_context()
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags) & 1:02x}"

    def set(self, name: str, value: Attribute) -> None:
        """Add an attribute."""
        self._span.set_attribute(name, value)

    def fail(self, error: BaseException) -> None:
        """Mark it as failed; only the kind of error, because its text may hold what traces must not."""
        self._span.set_attribute("error.type", getattr(error, "code", type(error).__name__))
        self._span.set_status(Status(StatusCode.ERROR))

    def end(self) -> None:
        """Finish it."""
        self._span.end()
