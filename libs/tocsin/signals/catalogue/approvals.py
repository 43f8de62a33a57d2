"""Signals of the executor about questions of runs to people."""

from pydantic import Field

from tocsin.signals.kinds import AwareDatetime, LifecyclePayload, Severity, Shelf

SHELF = Shelf("executor")


class _Approval(LifecyclePayload):
    workflow: str = Field(description="Qualified name of the run: `<workflow>-<run id>.<namespace>`.")
    task: str = Field(description="JSON pointer to the task in the definition.")
    approval: str = Field(description="Id of the question; answer it under `/api/v1/approvals/<id>/answer`.")


class ApprovalRequested(_Approval):
    """Data of `approval.requested`."""

    requested_at: AwareDatetime
    title: str = Field(max_length=500)
    assignees: list[str] = Field(default_factory=list, description="Who may answer, by name.")
    roles: list[str] = Field(default_factory=list, description="Who may answer, by a permission `approve:<role>`.")
    approvals: int | None = Field(None, description="How many approvals are wanted; null where the first answer counts.")
    deadline: AwareDatetime | None = None


class ApprovalReminded(_Approval):
    """Data of `approval.reminded`."""

    reminded_at: AwareDatetime
    reminders: int = Field(description="How many there were by now.")


class ApprovalDelegated(_Approval):
    """Data of `approval.delegated`; who did it is the event's `authid`."""

    delegated_at: AwareDatetime
    delegator: str = Field(max_length=256, description="Who was asked.")
    delegate: str = Field(max_length=256, description="Who is asked instead.")
    reason: str | None = Field(None, max_length=2048)


class ApprovalCounted(_Approval):
    """Data of `approval.counted`; who answered is the event's `authid`."""

    counted_at: AwareDatetime
    approved: bool
    answers: int = Field(description="How many there are by now.")


class ApprovalAnswered(_Approval):
    """Data of `approval.answered`; who answered, or gave the last of several answers, is the event's `authid`."""

    answered_at: AwareDatetime
    approved: bool | None = Field(None, description="What several answers amount to; null where the first answer counts.")
    answers: int | None = Field(None, description="How many there are, where several were wanted.")


class ApprovalExpired(_Approval):
    """Data of `approval.expired`."""

    expired_at: AwareDatetime
    defaulted: bool = Field(description="Whether there is a default answer; without one the task faults.")


class ApprovalWithdrawn(_Approval):
    """Data of `approval.withdrawn`."""

    withdrawn_at: AwareDatetime


APPROVAL_REQUESTED = SHELF.add("approval", "requested", ApprovalRequested, "A run asks people.", collection="runs")
APPROVAL_REMINDED = SHELF.add(
    "approval", "reminded", ApprovalReminded, "A question has not been answered for a while.", collection="runs"
)
APPROVAL_DELEGATED = SHELF.add(
    "approval", "delegated", ApprovalDelegated, "A question was handed over to somebody else.", collection="runs"
)
APPROVAL_COUNTED = SHELF.add(
    "approval", "counted", ApprovalCounted, "One of several answers was given, and more are wanted.", collection="runs"
)
APPROVAL_ANSWERED = SHELF.add("approval", "answered", ApprovalAnswered, "Somebody has answered a run.", collection="runs")
APPROVAL_EXPIRED = SHELF.add(
    "approval",
    "expired",
    ApprovalExpired,
    "Nobody has answered a run before the deadline.",
    collection="runs",
    severity=Severity.WARN,
)
APPROVAL_WITHDRAWN = SHELF.add(
    "approval", "withdrawn", ApprovalWithdrawn, "A question need not be answered any more.", collection="runs"
)
