"""CloudEvents SQL: conditions over the attributes of events, for triggers and subscriptions.

Total by design: an expression that parses gives a value for every event, and beside it the list of what went wrong. A filter
holds when the value is true and nothing went wrong.

Source:
    CloudEvents SQL Expression Language 1.0.
"""

from tocsin.cesql.expression import CesqlInvalid, Evaluation, Filter, parse
from tocsin.cesql.values import Fault, FaultKind, Value

__all__ = ["CesqlInvalid", "Evaluation", "Fault", "FaultKind", "Filter", "Value", "parse"]
