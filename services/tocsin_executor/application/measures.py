"""What the engine measures: transitions of runs and tasks, what it holds, and how far behind it is.

The hot path only adds to plain integers; once a second they become metrics. A restart begins the counters anew, as Prometheus
expects of them.
"""

from datetime import timedelta

from tocsin_executor.application.host import Host
from tocsin_executor.domain.effects import Transition
from tocsin_kit.telemetry import Metrics

MEASURE_EVERY = timedelta(seconds=1)


class Measures:
    """The engine's instruments.

    Args:
        host: What is measured.
        metrics: Where the instruments are made.
    """

    def __init__(self, host: Host, metrics: Metrics) -> None:
        self._host = host
        self._transitions = metrics.counter(
            "executor_transitions", "Transitions of runs and tasks.", transition=[one.value for one in Transition]
        )
        self._inputs = metrics.counter("executor_inputs", "Inputs folded.")
        self._parked = metrics.counter("executor_parked", "Inputs put aside because folding them met a defect.")
        self._partitions = metrics.gauge("executor_partitions", "Partitions this replica owns.")
        self._in_memory = metrics.gauge("executor_runs_in_memory", "Runs held in memory.")
        self._unsaved = metrics.gauge("executor_runs_unsaved", "Runs with changes that are not in the database yet.")
        self._alarms = metrics.gauge("executor_alarms", "Timers that wait.")
        self._backlog = metrics.gauge("executor_backlog", "Messages made and not yet stored.")
        self._counted = (0, 0)

    async def take(self) -> None:
        """Bring the instruments up to date."""
        facts = self._host.facts
        for transition, count in self._host.outbound.take_transitions().items():
            self._transitions.labels(transition=transition.value).inc(count)
        inputs, parked = self._counted
        self._inputs.labels().inc(facts["inputs"] - inputs)
        self._parked.labels().inc(facts["parked"] - parked)
        self._counted = (facts["inputs"], facts["parked"])
        for gauge, fact in (
            (self._partitions, "partitions"),
            (self._in_memory, "runs_in_memory"),
            (self._unsaved, "unsaved"),
            (self._alarms, "alarms"),
            (self._backlog, "backlog"),
        ):
            gauge.labels().set(facts[fact])
