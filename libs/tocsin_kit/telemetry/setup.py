"""Turns the telemetry of a process on, from its settings; the one call that main modules make."""

import importlib
from importlib.metadata import PackageNotFoundError, version

from tocsin_kit.config import PlatformSettings
from tocsin_kit.telemetry.logs import configure_logging
from tocsin_kit.telemetry.tracing import Recorder, record_to


def start_telemetry(service: str, settings: PlatformSettings) -> Recorder | None:
    """Configure logs, and traces where an OTLP endpoint is given.

    Args:
        service: Name of the process for traces: ``tocsin-<service>``.
        settings: The shared settings.

    Returns:
        The recorder, to be given to :func:`stop_telemetry`; ``None`` when nothing is recorded.
    """
    configure_logging(settings.log.level, settings.log.format)
    if not settings.otlp.endpoint:
        return None
    # The OpenTelemetry SDK takes a tenth of a second and ten megabytes; only who exports pays for it.
    recorder: Recorder = importlib.import_module("tocsin_kit.telemetry.otlp").OtlpRecorder(
        settings.otlp.endpoint,
        service=service,
        version=tocsin_version(),
        headers={name: value.reveal() for name, value in settings.otlp.headers.items()},
        sample=settings.otlp.sample,
    )
    record_to(recorder)
    return recorder


def stop_telemetry(recorder: Recorder | None) -> None:
    """Send the spans that are left."""
    record_to(None)
    if recorder is not None:
        recorder.stop()


def tocsin_version() -> str:
    """The version of the installed distribution; ``0+source`` when it runs from a bare checkout."""
    try:
        return version("tocsin")
    except PackageNotFoundError:
        return "0+source"
