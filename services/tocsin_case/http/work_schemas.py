"""What is done with many cases, or with the whole of one, over the wire: bulks, merges, alerts, numbers, histories."""

from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime, BaseModel, Field, JsonValue

from tocsin_case.domain.measures import Measures
from tocsin_case.domain.types import Priority
from tocsin_case.http.schemas import CaseKey, CasePatch, LinkBody, Severity, Title
from tocsin_case.http.setting_schemas import Namespace, Slug, Tag
from tocsin_kit.web import Input


class BulkBody(Input):
    """The same for many cases."""

    cases: tuple[CaseKey, ...] = Field(min_length=1, max_length=500)
    change: CasePatch | None = None
    status: Slug | None = None
    resolution: str | None = Field(default=None, min_length=1, max_length=4000)


class BulkResult(BaseModel):
    """What became of one case."""

    case: str
    status: str | None = None
    error: str | None = Field(default=None, description="Code of the refusal.")
    detail: str | None = None


class BulkView(BaseModel):
    """What became of all."""

    done: int
    refused: int
    results: list[BulkResult]


class CasesBody(Input):
    """Other cases."""

    cases: tuple[CaseKey, ...] = Field(min_length=1, max_length=100)


class SplitBody(Input):
    """What becomes a case of its own."""

    title: Title
    links: tuple[LinkBody, ...] = Field(default=(), max_length=200)
    tasks: tuple[CaseKey, ...] = Field(default=(), max_length=200)
    comments: tuple[CaseKey, ...] = Field(default=(), max_length=500)
    observables: tuple[CaseKey, ...] = Field(default=(), max_length=200)
    files: tuple[CaseKey, ...] = Field(default=(), max_length=100)
    tags: tuple[Tag, ...] = Field(default=(), max_length=50)


class AlertBody(Input):
    """An alert from outside; the same key again is the same case."""

    namespace: Namespace = "default"
    key: str = Field(min_length=1, max_length=200)
    state: Literal["firing", "resolved"] = "firing"
    title: Title | None = None
    detail: str = Field(default="", max_length=2000)
    kind: Slug = "incident"
    priority: Priority = Priority.NORMAL
    severity: Severity = 3
    tags: tuple[Tag, ...] = Field(default=(), max_length=50)


class AlertView(BaseModel):
    """The cases that an alert is about."""

    cases: list[str]


class FacetsView(BaseModel):
    """How many of the cases found have which value."""

    facets: dict[str, dict[str, int]]
    counted: int = Field(description="How many cases were looked at.")
    complete: bool = Field(description="Whether these are all that were found; otherwise they are the most recent ones.")


class MeasuresView(BaseModel):
    """Numbers about cases: of those opened in a window of time, and the backlog."""

    since: datetime = Field(description="Beginning of the window: `opened_after`, or 90 days before its end.")
    until: datetime = Field(description="End of the window: `opened_before`, or now.")
    opened: int = Field(description="Cases opened in the window; merged ones count where they were merged into.")
    resolved: int = Field(description="Of those, ended.")
    active: int = Field(description="Of those, not ended.")
    mtta_s: float | None = Field(description="Mean time until somebody answered.")
    mttr_s: float | None = Field(description="Mean time until it was solved.")
    clocks: int = Field(description="Promises made.")
    breached: int = Field(description="Of those, broken.")
    breach_rate: float | None
    backlog: dict[str, int] = Field(description="All active cases by age, also those opened before the window.")
    oldest: datetime | None = Field(description="When the oldest active case was opened.")

    @classmethod
    def of(cls, found: Measures) -> "MeasuresView":
        """The view of numbers."""
        sums = found.opened
        return cls(
            since=found.window.since,
            until=found.window.until,
            opened=sums.opened,
            resolved=sums.opened - sums.active,
            active=sums.active,
            mtta_s=None if sums.mtta is None else sums.mtta.total_seconds(),
            mttr_s=None if sums.mttr is None else sums.mttr.total_seconds(),
            clocks=sums.promised,
            breached=sums.breached,
            breach_rate=sums.breach_rate,
            backlog=dict(found.backlog.ages),
            oldest=found.backlog.oldest,
        )


class ChangeView(BaseModel):
    """One field, before and after."""

    name: str
    before: JsonValue
    after: JsonValue


class RecordView(BaseModel):
    """One change of a case."""

    revision: int
    at: datetime
    actor: str
    why: str
    notes: list[str] = Field(description="What clocks and escalation made of it: `resolution.paused` ...")
    changes: list[ChangeView]


class HistoryView(BaseModel):
    """All changes of a case, oldest first."""

    items: list[RecordView]


class AtQuery(Input):
    """Which instant."""

    at: AwareDatetime


class ReportQuery(Input):
    """In which form."""

    format: Literal["markdown", "json"] = "markdown"
    internal: bool = Field(default=False, description="Internal comments too, for those who may work on the case.")
