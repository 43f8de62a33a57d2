"""Signals of cases: what people do when something needs them."""

from pydantic import Field

from tocsin.signals.kinds import AwareDatetime, Name, Payload, Reason, Severity, Shelf

SHELF = Shelf("case")


class CaseOpened(Payload):
    """Data of `case.opened`."""

    title: Reason
    kind: str | None = None
    run: str | None = Field(None, description="Id of the run that it is about.")
    priority: str | None = None


class CaseUpdated(Payload):
    """Data of `case.updated`."""

    fields: list[str] = Field(description="Names of the fields that changed.")


class CaseAssigned(Payload):
    """Data of `case.assigned`."""

    assignee: Name | None = Field(None, description="Absent when nobody has it any more.")


class CaseCommented(Payload):
    """Data of `case.commented`."""

    comment: str = Field(description="Id of the comment.")


class CaseClosed(Payload):
    """Data of `case.closed`."""

    resolution: Reason | None = None


class CaseTransitioned(Payload):
    """Data of `case.transitioned`."""

    before: Name
    after: Name


class CaseRecurred(Payload):
    """Data of `case.recurred`."""

    occurrences: int
    run: str | None = Field(None, description="Id of the run in which it happened again.")


class CaseBreached(Payload):
    """Data of `case.breached`."""

    clock: Name = Field(description="`response` or `resolution`.")
    due: AwareDatetime


class CaseRuleChanged(Payload):
    """Data of `case-rule.changed` and `case-rule.deleted`."""

    name: Name


class CaseReopened(Payload):
    """Data of `case.reopened`."""

    reason: Reason | None = None


CASE_OPENED = SHELF.add("case", "opened", CaseOpened, "A case was opened.", severity=Severity.WARN)
CASE_UPDATED = SHELF.add("case", "updated", CaseUpdated, "A case was changed.")
CASE_ASSIGNED = SHELF.add("case", "assigned", CaseAssigned, "A case was given to somebody, or to nobody.")
CASE_COMMENTED = SHELF.add("case", "commented", CaseCommented, "Somebody commented on a case.")
CASE_CLOSED = SHELF.add("case", "closed", CaseClosed, "A case was closed.")
CASE_REOPENED = SHELF.add("case", "reopened", CaseReopened, "A closed case was opened again.", severity=Severity.WARN)
CASE_TRANSITIONED = SHELF.add("case", "transitioned", CaseTransitioned, "A case took a step in its life.")
CASE_RECURRED = SHELF.add("case", "recurred", CaseRecurred, "What a case is about happened again.", severity=Severity.WARN)
CASE_BREACHED = SHELF.add(
    "case", "breached", CaseBreached, "A promised time of a case has passed without its goal.", severity=Severity.ERROR
)
CASE_RULE_CHANGED = SHELF.add("case-rule", "changed", CaseRuleChanged, "A rule that opens cases was made or changed.")
CASE_RULE_DELETED = SHELF.add("case-rule", "deleted", CaseRuleChanged, "A rule that opens cases was deleted.")
