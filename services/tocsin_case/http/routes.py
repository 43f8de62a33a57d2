"""All routes of the case service."""

from collections.abc import Sequence

from tocsin_case.application import Cases, Evidence, Openings, Settings
from tocsin_case.http.asking import Door
from tocsin_case.http.beside_routes import Beside, beside_routes
from tocsin_case.http.case_routes import CaseHandlers, case_routes
from tocsin_case.http.evidence_routes import evidence_routes, observable_routes
from tocsin_case.http.setting_routes import setting_routes
from tocsin_case.http.work_routes import Work, alert_routes, work_routes
from tocsin_kit.web import Route


def routes(  # noqa: PLR0917 - one of each
    cases: Cases, openings: Openings, settings: Settings, work: Work, beside: Beside, evidence: Evidence
) -> Sequence[Route]:
    """What the case service serves. What has a word for a path stands first: it would be read as the id of a case."""
    door = Door(cases, settings)
    return (
        *setting_routes(settings),
        *observable_routes(evidence, door),
        *alert_routes(work, door),
        *case_routes(CaseHandlers(cases, openings, settings, door)),
        *work_routes(work, door),
        *beside_routes(beside, door),
        *evidence_routes(evidence, door),
    )
