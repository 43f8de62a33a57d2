"""Namespaces that somebody may see, as a condition of a query."""

from tocsin_executor.application.reading import Scope
from tocsin_kit.store import Filter


def within(scope: Scope) -> Filter:
    """What lies in one of these namespaces."""
    if scope.exact is None:
        return Filter()
    groups = [Filter().one_of("namespace", sorted(scope.exact))]
    return Filter().any_of(*groups, *(Filter().prefix("namespace", prefix) for prefix in scope.prefixes))
