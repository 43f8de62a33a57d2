"""Signals of cases: what people do when something needs them."""

from pydantic import Field

from tocsin.signals.changes import Changed
from tocsin.signals.kinds import AwareDatetime, Name, Payload, Reason, Severity, Shelf

SHELF = Shelf("case")


class CaseOpened(Payload):
    """Data of `case.opened`."""

    title: Reason = Field(description="Of a restricted case only that it is restricted.")
    kind: str | None = None
    run: str | None = Field(None, description="Id of the run that it is about.")
    priority: str | None = None
    severity: int | None = None
    rule: str | None = Field(None, description="The rule that opened it.")
    cause: str | None = Field(None, description="What caused it, as `<kind>:<target>`.")
    owner: Name | None = None
    team: Name | None = None


class CaseUpdated(Changed):
    """Data of `case.updated`."""

    fields: list[str] = Field(description="Names of the fields that changed.")


class CaseAssigned(Changed):
    """Data of `case.assigned`."""

    assignee: Name | None = Field(None, description="Absent when nobody has it any more.")


class CaseCommented(Changed):
    """Data of `case.commented`."""

    comment: str = Field(description="Id of the comment.")
    edited: bool = False
    mentions: list[Name] = Field(default_factory=list, description="Who is mentioned.")
    visibility: str = "public"


class CaseClosed(Changed):
    """Data of `case.closed`."""

    resolution: Reason | None = None


class CaseTransitioned(Changed):
    """Data of `case.transitioned`."""

    before: Name
    after: Name
    stage: str | None = Field(None, description="What the new status means: new, active, paused, resolved, closed.")
    resolution: Reason | None = None


class CaseRecurred(Changed):
    """Data of `case.recurred`."""

    occurrences: int
    run: str | None = Field(None, description="Id of the run in which it happened again.")


class CaseClock(Changed):
    """Data of the signals about one clock of a case."""

    clock: Name = Field(description="`response`, `update` or `resolution`.")
    due: AwareDatetime | None = Field(None, description="The instant that is promised; absent while the clock is held.")


class CaseClockChanged(CaseClock):
    """Data of `case.clock-changed`."""

    change: str = Field(description="started, paused, resumed, reset, promised, met or dropped.")


class CaseEscalated(Payload):
    """Data of `case.escalated`."""

    policy: Name
    level: int = Field(description="From 1.")
    turn: int = Field(description="How often the chain had begun anew.")
    due: AwareDatetime
    actions: list[str] = Field(description="What was done.")


class CaseEscalationEnded(Changed):
    """Data of `case.escalation-ended`."""

    policy: Name
    reason: str = Field(description="acknowledged, resolved, stopped or exhausted.")


class CaseNotified(Payload):
    """Data of `case.notified`."""

    recipients: list[Name] = Field(description="Who is told: `user:<name>`.")
    message: Reason
    level: int | None = None


class CaseLinked(Changed):
    """Data of `case.linked` and `case.unlinked`."""

    kind: Name
    target: str
    role: Name


class CaseMerged(Changed):
    """Data of `case.merged` and `case.unmerged`, said by both cases."""

    into: str = Field(description="Id of the case that stays.")
    sources: list[str] = Field(description="Ids of the others.")


class CaseSplit(Changed):
    """Data of `case.split`."""

    into: str = Field(description="Id of the new case.")


class CaseTaskChanged(Changed):
    """Data of `case.task-changed` and `case.task-overdue`."""

    task: str = Field(description="Id of the task.")
    title: Reason
    status: str
    owner: Name | None = None
    due: AwareDatetime | None = None


class CaseAttached(Changed):
    """Data of `case.attached`."""

    attachment: str
    name: Reason
    sha256: str
    size: int
    evidence: bool = False


class CaseDetached(Changed):
    """Data of `case.detached`."""

    attachment: str
    sha256: str = Field(description="Of the content that is gone.")
    reason: Reason


class CaseObserved(Changed):
    """Data of `case.observed`."""

    observable: str
    kind: Name = Field(description="ip, domain, url, hash ...")
    cases: int = Field(description="In how many cases it was seen.")


class CasePlaybook(Changed):
    """Data of `case.playbook-started` and `case.playbook-ended`."""

    playbook: Name
    workflow: Name
    run: str
    status: str
    detail: Reason | None = None


class CaseRuleChanged(Changed):
    """Data of `case-rule.changed` and `case-rule.deleted`."""

    name: Name


class CaseSettingChanged(Changed):
    """Data of `case-setting.changed` and `case-setting.deleted`."""

    kind: Name = Field(description="type, calendar, policy, rotation, team, template or view.")
    name: Name


class CaseReopened(Changed):
    """Data of `case.reopened`."""

    reason: Reason | None = None


CASE_OPENED = SHELF.add("case", "opened", CaseOpened, "A case was opened.", severity=Severity.WARN)
CASE_UPDATED = SHELF.add("case", "updated", CaseUpdated, "A case was changed.")
CASE_ASSIGNED = SHELF.add("case", "assigned", CaseAssigned, "A case was given to somebody, or to nobody.")
CASE_COMMENTED = SHELF.add("case", "commented", CaseCommented, "Somebody commented on a case, or changed a comment.")
CASE_CLOSED = SHELF.add("case", "closed", CaseClosed, "A case was closed.")
CASE_REOPENED = SHELF.add("case", "reopened", CaseReopened, "A closed case was opened again.", severity=Severity.WARN)
CASE_TRANSITIONED = SHELF.add("case", "transitioned", CaseTransitioned, "A case took a step in its life.")
CASE_RECURRED = SHELF.add("case", "recurred", CaseRecurred, "What a case is about happened again.", severity=Severity.WARN)
CASE_WARNED = SHELF.add("case", "warned", CaseClock, "A promised time of a case will soon have passed.", severity=Severity.WARN)
CASE_BREACHED = SHELF.add(
    "case", "breached", CaseClock, "A promised time of a case has passed without its goal.", severity=Severity.ERROR
)
CASE_CLOCK_CHANGED = SHELF.add(
    "case", "clock-changed", CaseClockChanged, "A clock of a case was started, held, continued, reset or met."
)
CASE_ESCALATED = SHELF.add(
    "case", "escalated", CaseEscalated, "A case has reached the next level of its escalation.", severity=Severity.WARN
)
CASE_ESCALATION_ENDED = SHELF.add("case", "escalation-ended", CaseEscalationEnded, "A case escalates no further.")
CASE_NOTIFIED = SHELF.add(
    "case", "notified", CaseNotified, "Somebody should know about a case; subscribe a webhook to it.", severity=Severity.WARN
)
CASE_LINKED = SHELF.add("case", "linked", CaseLinked, "A case is about one more thing.")
CASE_UNLINKED = SHELF.add("case", "unlinked", CaseLinked, "A case is not about something any more.")
CASE_MERGED = SHELF.add("case", "merged", CaseMerged, "Cases turned out to be one.")
CASE_UNMERGED = SHELF.add("case", "unmerged", CaseMerged, "A merged case was taken out again.")
CASE_SPLIT = SHELF.add("case", "split", CaseSplit, "A part of a case became a case of its own.")
CASE_TASK_CHANGED = SHELF.add("case", "task-changed", CaseTaskChanged, "A task of a case was made or changed.")
CASE_TASK_OVERDUE = SHELF.add("case", "task-overdue", CaseTaskChanged, "A task of a case is late.", severity=Severity.WARN)
CASE_ATTACHED = SHELF.add("case", "attached", CaseAttached, "A file was put to a case.")
CASE_DETACHED = SHELF.add(
    "case", "detached", CaseDetached, "The content of a file of a case was deleted; its chain of custody stays."
)
CASE_OBSERVED = SHELF.add("case", "observed", CaseObserved, "Something was seen in a case.")
CASE_PLAYBOOK_STARTED = SHELF.add("case", "playbook-started", CasePlaybook, "A workflow was started from a case.")
CASE_PLAYBOOK_ENDED = SHELF.add("case", "playbook-ended", CasePlaybook, "A workflow that was started from a case has ended.")
CASE_RULE_CHANGED = SHELF.add("case-rule", "changed", CaseRuleChanged, "A rule that opens cases was made or changed.")
CASE_RULE_DELETED = SHELF.add("case-rule", "deleted", CaseRuleChanged, "A rule that opens cases was deleted.")
CASE_SETTING_CHANGED = SHELF.add(
    "case-setting", "changed", CaseSettingChanged, "A type, calendar, policy, rotation, team, template or view was changed."
)
CASE_SETTING_DELETED = SHELF.add(
    "case-setting", "deleted", CaseSettingChanged, "A type, calendar, policy, rotation, team, template or view was deleted."
)
