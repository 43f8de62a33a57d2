"""Structured logs on standard error: one JSON object a line, or coloured lines on a terminal.

An entry is a constant event name with fields; identifiers (service, request, run, trace) are bound once at the door and appear
in every entry behind it. What libraries log through the standard library comes out the same way, from warnings upwards.
"""

import logging
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from io import TextIOBase
from typing import Any, Final, Literal, TextIO, cast

import orjson
import structlog
from structlog.typing import Processor

from tocsin_kit.telemetry.redaction import redact
from tocsin_kit.telemetry.tracing import current_trace_id

_LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
# Libraries that complain about what we handle and log ourselves, with better words.
_QUIET: Final = {
    "asyncio": logging.ERROR,
    "aiohttp.access": logging.CRITICAL,
    "nats": logging.CRITICAL,
    "pymongo": logging.ERROR,
    "opentelemetry": logging.CRITICAL,
    "urllib3": logging.ERROR,
}

bind = structlog.contextvars.bind_contextvars
"""Adds fields to every entry of this task and those it starts."""

bound = structlog.contextvars.bound_contextvars
"""The same for a ``with`` block."""


def configure_logging(
    level: Literal["debug", "info", "warning", "error"] = "info",
    shape: Literal["auto", "json", "console"] = "auto",
    stream: TextIO | TextIOBase | None = None,
) -> None:
    """Set up logging for this process; called once, by its main module.

    Args:
        level: Least severity that is written.
        shape: ``auto`` is ``console`` on a terminal and ``json`` elsewhere.
        stream: Where to; standard error by default.
    """
    out = cast(TextIO, _Unfailing(stream or sys.stderr))  # structlog asks for no more than write and flush
    console = shape == "console" or (shape == "auto" and out.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _add_trace,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.StackInfoRenderer(),
    ]
    if not console:
        shared.append(structlog.processors.format_exc_info)
    shared.append(_redact_but_exceptions if console else redact)
    renderer: Processor = structlog.dev.ConsoleRenderer(colors=out.isatty(), timestamp_key="at") if console else _as_json
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=True,
    )
    _bridge(out, shared, renderer)


class _Unfailing:
    """A stream to which nobody may listen any more, on a disk that may be full: neither is a reason to fail."""

    def __init__(self, stream: TextIO | TextIOBase) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, if possible."""
        with suppress(OSError, ValueError):  # ValueError: it is closed
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, if possible."""
        with suppress(OSError, ValueError):
            self._stream.flush()

    def isatty(self) -> bool:
        """Whether a person reads it."""
        return self._stream.isatty()


def _bridge(out: TextIO, shared: list[Processor], renderer: Processor) -> None:
    """Give the standard library's loggers the same shape."""
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name, severity in _QUIET.items():
        logging.getLogger(name).setLevel(severity)


def _add_trace(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if trace := current_trace_id():
        event.setdefault("trace", trace)
    return event


def _redact_but_exceptions(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The console renders exceptions itself, last, and needs them as they are."""
    error = event.pop("exc_info", None)
    event = redact(logger, method, event)
    if error is not None:
        event["exc_info"] = error
    return event


def _as_json(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    ordered = {"at": event.pop("at", None), "level": event.pop("level", None), "event": event.pop("event", None), **event}
    return orjson.dumps(ordered, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
