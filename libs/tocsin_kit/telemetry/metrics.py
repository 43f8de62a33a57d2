"""Prometheus metrics whose labels are bounded by construction.

A label is declared with the values it may have, or with a cap on how many it may get; anything beyond becomes ``other``. So no
input from outside can grow the memory of a process or of Prometheus. Every metric starts with ``tocsin_`` and has the label
``service``, because several services may share a process and its registry.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Generic, TypeVar
from weakref import WeakKeyDictionary

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client import Counter as PrometheusCounter
from prometheus_client import Gauge as PrometheusGauge
from prometheus_client import Histogram as PrometheusHistogram
from prometheus_client.metrics import MetricWrapperBase

Bound = Sequence[str] | int
"""The values a label may have, or how many different ones."""

OTHER: Final = "other"
# Seconds. From half a millisecond (a step) to a minute (a slow call), about three a decade.
SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

Instrument = TypeVar("Instrument", bound=MetricWrapperBase)
_families: WeakKeyDictionary[CollectorRegistry, dict[str, object]] = WeakKeyDictionary()


class Family(Generic[Instrument]):
    """One metric of one service; keep what :meth:`labels` returns on hot paths."""

    def __init__(self, inner: Instrument, service: str, bounds: Mapping[str, Bound]) -> None:
        self._inner = inner
        self._service = service
        self._bounds = {name: bound if isinstance(bound, int) else frozenset(bound) for name, bound in bounds.items()}
        self._seen: dict[str, set[str]] = {name: set() for name, bound in self._bounds.items() if isinstance(bound, int)}

    def labels(self, **values: str) -> Instrument:
        """The series with these label values; all declared labels must be given."""
        if values.keys() != self._bounds.keys():
            raise ValueError(f"labels are {sorted(self._bounds)}, not {sorted(values)}")
        bounded = {name: self._bounded(name, value) for name, value in values.items()}
        return self._inner.labels(service=self._service, **bounded)

    def _bounded(self, name: str, value: str) -> str:
        bound = self._bounds[name]
        if isinstance(bound, frozenset):
            return value if value in bound else OTHER
        seen = self._seen[name]
        if value in seen:
            return value
        if len(seen) >= bound:
            return OTHER
        seen.add(value)
        return value


class Metrics:
    """Makes the metrics of one service.

    Args:
        service: Value of the label ``service``.
        registry: Where they are registered; the process's by default.
    """

    def __init__(self, service: str, registry: CollectorRegistry = REGISTRY) -> None:
        self.service = service
        self.registry = registry

    def counter(self, name: str, about: str, /, **labels: Bound) -> Family[PrometheusCounter]:
        """Something that happened so many times; ``name`` without ``tocsin_`` and ``_total``."""
        full = f"tocsin_{name}"
        inner = self._known(full, PrometheusCounter) or PrometheusCounter(
            full, about, self._names(labels), registry=self.registry
        )
        return Family(self._keep(full, inner), self.service, labels)

    def gauge(self, name: str, about: str, /, **labels: Bound) -> Family[PrometheusGauge]:
        """Something that is so many now; ``name`` without ``tocsin_``, with its unit."""
        full = f"tocsin_{name}"
        inner = self._known(full, PrometheusGauge) or PrometheusGauge(full, about, self._names(labels), registry=self.registry)
        return Family(self._keep(full, inner), self.service, labels)

    def histogram(
        self, name: str, about: str, /, buckets: Sequence[float] = SECONDS, **labels: Bound
    ) -> Family[PrometheusHistogram]:
        """How something is distributed; ``name`` without ``tocsin_``, with its unit (``_seconds``)."""
        full = f"tocsin_{name}"
        inner = self._known(full, PrometheusHistogram) or PrometheusHistogram(
            full, about, self._names(labels), registry=self.registry, buckets=tuple(buckets)
        )
        return Family(self._keep(full, inner), self.service, labels)

    def _names(self, labels: Mapping[str, Bound]) -> list[str]:
        return ["service", *labels]

    def _known(self, full: str, kind: type[Instrument]) -> Instrument | None:
        found = _families.setdefault(self.registry, {}).get(full)
        if found is not None and not isinstance(found, kind):
            raise ValueError(f"{full} is already a {type(found).__name__}")
        return found

    def _keep(self, full: str, inner: Instrument) -> Instrument:
        _families.setdefault(self.registry, {})[full] = inner
        return inner
