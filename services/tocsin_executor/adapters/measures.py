"""The engine's numbers as metrics, sampled: nothing on the hot path touches a metric."""

from tocsin_executor.application.host import Host
from tocsin_executor.domain.state import TERMINAL
from tocsin_kit.telemetry import Metrics

EVERY = 5.0  # seconds between samples


class EngineMeasures:
    """Copies the host's numbers.

    Args:
        metrics: Makes the metrics.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._gauges = {
            "partitions": metrics.gauge("engine_partitions", "Partitions that this replica owns.").labels(),
            "runs_in_memory": metrics.gauge("engine_runs_in_memory", "Runs that the engine holds in memory.").labels(),
            "unsaved": metrics.gauge("engine_unsaved_runs", "Runs that changed since the last save.").labels(),
            "alarms": metrics.gauge("engine_alarms", "Runs that wait for an alarm.").labels(),
            "backlog": metrics.gauge("engine_backlog_messages", "Messages that are not stored yet.").labels(),
        }
        self._inputs = metrics.counter("engine_inputs", "Inputs folded.").labels()
        self._parked = metrics.counter("engine_parked_inputs", "Inputs put aside because they met a defect.").labels()
        statuses = tuple(status.value for status in TERMINAL)
        self._ended = metrics.counter("runs_ended", "Runs that ended, by how.", status=statuses)
        self._seen: dict[str, int] = {}

    def sample(self, host: Host) -> None:
        """Copy what is now."""
        facts = host.facts
        for name, gauge in self._gauges.items():
            gauge.set(facts[name])
        self._inputs.inc(self._more("inputs", facts["inputs"]))
        self._parked.inc(self._more("parked", facts["parked"]))
        for status, count in host.ended.items():
            self._ended.labels(status=status).inc(self._more(f"ended.{status}", count))

    def _more(self, name: str, count: int) -> int:
        before = self._seen.get(name, 0)
        self._seen[name] = count
        return count - before
