"""Results of data quality checks in OpenLineage facets."""

from collections.abc import Mapping
from dataclasses import dataclass

from tocsin.signals import Json

LIMIT = 100


@dataclass(frozen=True, slots=True)
class Assertion:
    """One assertion; ``name`` has the column, if it is about one."""

    name: str
    passed: bool
    is_error: bool


def assertions_of(facets: Mapping[str, Json]) -> list[Assertion]:
    """The assertions of the ``dataQualityAssertions`` facet; what cannot be understood is passed over."""
    facet = facets.get("dataQualityAssertions")
    listed = facet.get("assertions") if isinstance(facet, dict) else None
    found = []
    for one in listed[:LIMIT] if isinstance(listed, list) else ():
        if not isinstance(one, dict) or not isinstance(one.get("success"), bool):
            continue
        name, column = one.get("assertion"), one.get("column")
        if isinstance(name, str) and name:
            whole = f"{name}({column})" if isinstance(column, str) and column else name
            found.append(Assertion(whole[:256], one["success"] is True, one.get("severity") != "warn"))
    return found
