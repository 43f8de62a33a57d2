"""Logs without secrets, bounded labels, traces that stay whole."""

import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import structlog
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from tocsin_kit.config import Secret
from tocsin_kit.telemetry import Metrics, current_traceparent, lasting, parse_traceparent, span, tell_lasting
from tocsin_kit.telemetry.logs import configure_logging
from tocsin_kit.telemetry.otlp import OtlpRecorder
from tocsin_kit.telemetry.tracing import record_to

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged, as JSON lines."""
    root, before = logging.getLogger(), logging.getLogger().handlers[:]
    out = io.StringIO()
    configure_logging("info", "json", out)
    structlog.configure(cache_logger_on_first_use=False)
    yield out
    structlog.reset_defaults()
    root.handlers[:] = before


def test_a_log_that_nobody_reads_is_no_reason_to_fail(lines: io.StringIO) -> None:
    """The terminal is closed, the disk is full: the work goes on."""
    lines.close()
    structlog.get_logger().error("unheard")
    logging.getLogger("somebody").error("unheard")


def test_a_log_entry_is_one_json_object_with_the_bound_identifiers(lines: io.StringIO) -> None:
    """Also what the standard library's loggers say."""
    with structlog.contextvars.bound_contextvars(service="demo", request_id="r1"), span("work", parent=PARENT):
        structlog.get_logger().info("run.started", run="01x")
        structlog.get_logger().debug("too.small")
        logging.getLogger("somebody").warning("old style %s", "text")
    first, second = map(json.loads, lines.getvalue().splitlines())
    assert list(first)[:3] == ["at", "level", "event"]
    trace = "0af7651916cd43dd8448eb211c80319c"
    del first["at"]
    assert first == {
        "level": "info",
        "event": "run.started",
        "run": "01x",
        "service": "demo",
        "request_id": "r1",
        "trace": trace,
    }
    assert (second["event"], second["level"], second["service"]) == ("old style text", "warning", "demo")


def test_no_log_entry_shows_a_secret(lines: io.StringIO) -> None:
    """By type, by name, by shape; nested and in exceptions too."""
    log = structlog.get_logger()
    log.info("a", value=Secret("hunter2"), password="hunter2", Authorization="Bearer hunter2hunter2", tokens=3)
    log.info("b", headers={"X-Api-Key": "hunter2", "deep": [{"session_token": "hunter2"}]}, items={Secret("hunter2")})
    log.info("c", url="mongodb://me:hunter2@db:1/x", text="sent Bearer hunter2hunter2 to", key="tcn_01hzx000aa_hunter2hunter2")
    log.info("d", jwt="eyJhbGciOiJub25l.aHVudGVyMg.hunter2")
    try:
        raise ValueError("mongodb://me:hunter2@db:1/x did not answer")
    except ValueError:
        log.exception("e")
    assert "hunter2" not in lines.getvalue()
    assert json.loads(lines.getvalue().splitlines()[0])["tokens"] == 3


def test_labels_are_bounded() -> None:
    """Values outside the declared set, and beyond the cap, count as other."""
    registry = CollectorRegistry()
    counter = Metrics("demo", registry).counter("things", "Things.", kind=("a", "b"), name=2)
    for kind, name in [("a", "x"), ("evil", "x"), ("b", "y"), ("a", "z"), ("a", "x")]:
        counter.labels(kind=kind, name=name).inc()

    def value(kind: str, name: str) -> float | None:
        return registry.get_sample_value("tocsin_things_total", {"service": "demo", "kind": kind, "name": name})

    assert (value("a", "x"), value("other", "x"), value("b", "y"), value("a", "other")) == (2, 1, 1, 1)
    assert value("a", "z") is None
    again = Metrics("second", registry).counter("things", "Things.", kind=("a", "b"), name=2)
    again.labels(kind="a", name="x").inc()
    with pytest.raises(ValueError, match="already a Counter"):
        Metrics("demo", registry).gauge("things", "Things.")


def test_a_trace_passes_through_whole_when_nothing_is_recorded() -> None:
    """And one begins where none came in."""
    assert current_traceparent() is None
    with span("outer", parent=PARENT), span("inner") as inner:
        assert inner.traceparent == current_traceparent() == PARENT
    with span("outer", parent="00-broken") as outer, span("inner") as inner:
        assert parse_traceparent(outer.traceparent)
        assert inner.traceparent == outer.traceparent
    assert current_traceparent() is None


@pytest.mark.parametrize("text", ["", "x", PARENT.upper(), PARENT + "-x", "ff" + PARENT[2:], f"00-{'0' * 32}-{'1' * 16}-01"])
def test_a_broken_traceparent_is_no_parent(text: str) -> None:
    """W3C Trace Context, section 3.2.2."""
    assert parse_traceparent(text) is None


def test_recorded_spans_form_a_tree_under_the_callers_trace() -> None:
    """With the kind of error, but never its text."""
    exporter = InMemorySpanExporter()
    recorder = OtlpRecorder("http://unused", service="tocsin-demo", version="1", exporter=exporter)
    record_to(recorder)
    try:
        with pytest.raises(ValueError, match="secret"), span("outer", parent=PARENT, kind="server", run="01x"), span("inner"):
            raise ValueError("secret")
    finally:
        record_to(None)
        recorder.stop()
    inner, outer = exporter.get_finished_spans()
    assert outer.context is not None
    assert inner.parent is not None
    assert f"{outer.context.trace_id:032x}" == "0af7651916cd43dd8448eb211c80319c"
    assert inner.parent.span_id == outer.context.span_id
    assert "secret" not in inner.to_json() + outer.to_json()


def test_what_outlives_processes_is_a_span_that_its_children_know_before_it_is_told() -> None:
    """Two processes agree on its id; where nothing is recorded, or the caller records nothing, nobody names it as a parent."""
    assert lasting(PARENT, "run-1") == PARENT, "nobody will tell it"
    exporter = InMemorySpanExporter()
    recorder = OtlpRecorder("http://unused", service="tocsin-demo", version="1", exporter=exporter)
    record_to(recorder)
    began, ended = datetime(2026, 3, 1, 12, tzinfo=UTC), datetime(2026, 3, 1, 12, 0, 2, 500_000, tzinfo=UTC)
    unsampled = f"{PARENT[:-2]}00"
    try:
        with span("child", parent=lasting(PARENT, "run-1")):
            pass
        assert lasting(unsampled, "run-1") == unsampled
        assert lasting(None, "run-1") is None
        assert lasting(PARENT, "run-2") != lasting(PARENT, "run-1")
        for given in (PARENT, unsampled, None):
            tell_lasting("run", given, "run-1", began=began, ended=ended, attributes={"run": "run-1"}, error="timeout")
    finally:
        record_to(None)
        recorder.stop()
    child, whole = exporter.get_finished_spans()
    assert child.parent is not None
    assert whole.context is not None
    assert whole.parent is not None
    assert child.parent.span_id == whole.context.span_id
    assert f"{whole.parent.span_id:016x}" == PARENT[36:52]
    assert (whole.end_time or 0) - (whole.start_time or 0) == 2_500_000_000
    assert dict(whole.attributes or {}) == {"run": "run-1", "error.type": "timeout"}
    assert not whole.status.is_ok
    assert whole.resource.attributes["service.name"] == "tocsin-demo"
