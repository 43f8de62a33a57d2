"""All routes of the case service."""

from collections.abc import Sequence

from tocsin_case.application import Cases, Rules
from tocsin_case.http.case_routes import case_routes
from tocsin_case.http.rule_routes import rule_routes
from tocsin_kit.web import Route


def routes(cases: Cases, rules: Rules) -> Sequence[Route]:
    """What the case service serves. Rules stand first: their path would otherwise be read as that of a case."""
    return (*rule_routes(rules), *case_routes(cases))
