"""What goes over the wire."""

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, Field

from tocsin_case.domain.cases import Case, Link, Priority, Promise, Status
from tocsin_case.domain.clocks import SlaClock
from tocsin_case.domain.rules import Rule
from tocsin_case.ports import Comment
from tocsin_kit.store import Entry
from tocsin_kit.web import Input, PageQuery

Namespace = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length=63)]
Slug = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", max_length=128)]
Tag = Annotated[str, Field(min_length=1, max_length=64)]
Within = Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(days=3650), description="ISO 8601 duration, or seconds.")]


class CaseId(BaseModel):
    """Path of a case."""

    case: str = Field(min_length=26, max_length=26)


class RulePath(BaseModel):
    """Path of a rule."""

    namespace: Namespace
    name: Slug


class LinkBody(Input):
    """Something a case is about."""

    kind: Tag = Field(description="`run`, `asset`, `schedule`, `case` ...")
    target: str = Field(min_length=1, max_length=256)


class PromiseBody(Input):
    """What is promised."""

    response: Within | None = None
    resolution: Within | None = None


class CaseBody(Input):
    """A new case."""

    namespace: Namespace = "default"
    title: str = Field(min_length=1, max_length=200)
    kind: Tag = "incident"
    description: str = Field(default="", max_length=64_000, description="Markdown.")
    priority: Priority = Priority.NORMAL
    severity: int = Field(default=3, ge=1, le=5, description="1 is the worst.")
    owner: str | None = Field(default=None, max_length=256)
    tags: tuple[Tag, ...] = Field(default=(), max_length=50)
    links: tuple[LinkBody, ...] = Field(default=(), max_length=50)
    promise: PromiseBody = Field(default_factory=PromiseBody)


class CasePatch(Input):
    """What can be changed; only the members that are sent are."""

    title: str = Field(default="", min_length=1, max_length=200)
    description: str = Field(default="", max_length=64_000)
    priority: Priority = Priority.NORMAL
    severity: int = Field(default=3, ge=1, le=5)
    owner: str | None = Field(default=None, max_length=256)
    tags: tuple[Tag, ...] = Field(default=(), max_length=50)


class TransitionBody(Input):
    """Where to take a case."""

    status: Status
    resolution: str | None = Field(default=None, min_length=1, max_length=4000, description="How it ended.")


class CommentBody(Input):
    """Something to say."""

    text: str = Field(min_length=1, max_length=64_000, description="Markdown.")


class CaseQuery(PageQuery):
    """Filters over cases; all of them must hold."""

    namespace: Namespace | None = None
    status: Status | None = None
    priority: Priority | None = None
    owner: str | None = Field(default=None, max_length=256)
    tag: Tag | None = None
    link: str | None = Field(default=None, max_length=256, description="Target of a link, such as a run's id.")
    text: str | None = Field(default=None, min_length=1, max_length=256, description="Words in title and description.")


class RuleBody(Input):
    """A rule that opens cases."""

    workflow: str = Field(default="*", min_length=1, max_length=128, description="Shell pattern over workflow names.")
    kind: Tag = "incident"
    priority: Priority = Priority.NORMAL
    severity: int = Field(default=3, ge=1, le=5)
    owner: str | None = Field(default=None, max_length=256)
    tags: tuple[Tag, ...] = Field(default=(), max_length=50)
    auto_resolve: bool = Field(default=True, description="Resolve the case when the workflow completes again.")
    promise: PromiseBody = Field(default_factory=PromiseBody)
    enabled: bool = True


class ClockView(BaseModel):
    """One promise."""

    due: datetime | None
    held_with_s: float | None = Field(description="Seconds that were left when it was held.")
    met: datetime | None
    breached: datetime | None

    @classmethod
    def of(cls, clock: SlaClock | None) -> "ClockView | None":
        """The view of a clock."""
        if clock is None:
            return None
        left = None if clock.left is None else clock.left.total_seconds()
        return cls(due=clock.due, held_with_s=left, met=clock.met, breached=clock.breached)


class CaseView(BaseModel):
    """A case."""

    id: str
    namespace: str
    kind: str
    title: str
    description: str
    status: Status
    priority: Priority
    severity: int
    owner: str | None
    tags: tuple[str, ...]
    links: list[LinkBody]
    opened_at: datetime
    opened_by: str
    updated_at: datetime
    resolution: str | None
    rule: str | None
    occurrences: int
    comments: int
    response: ClockView | None
    resolving: ClockView | None

    @classmethod
    def of(cls, case: Case) -> "CaseView":
        """The view of a case."""
        return cls(
            id=case.id,
            namespace=case.namespace,
            kind=case.kind,
            title=case.title,
            description=case.description,
            status=case.status,
            priority=case.priority,
            severity=case.severity,
            owner=case.owner,
            tags=case.tags,
            links=[LinkBody(kind=link.kind, target=link.target) for link in case.links],
            opened_at=case.opened_at,
            opened_by=case.opened_by,
            updated_at=case.updated_at,
            resolution=case.resolution,
            rule=case.rule,
            occurrences=case.occurrences,
            comments=case.comments,
            response=ClockView.of(case.response),
            resolving=ClockView.of(case.resolving),
        )


class CommentView(BaseModel):
    """A comment."""

    id: str
    author: str
    text: str
    at: datetime

    @classmethod
    def of(cls, comment: Comment) -> "CommentView":
        """The view of a comment."""
        return cls(id=comment.id, author=comment.author, text=comment.text, at=comment.at)


class RuleView(RuleBody):
    """A rule with its name."""

    namespace: str
    name: str

    @classmethod
    def of(cls, rule: Rule) -> "RuleView":
        """The view of a rule."""
        return cls(
            namespace=rule.namespace,
            name=rule.name,
            workflow=rule.workflow,
            kind=rule.kind,
            priority=rule.priority,
            severity=rule.severity,
            owner=rule.owner,
            tags=rule.tags,
            auto_resolve=rule.auto_resolve,
            promise=PromiseBody(response=rule.promise.response, resolution=rule.promise.resolution),
            enabled=rule.enabled,
        )


def rule_of(path: RulePath, body: RuleBody) -> Rule:
    """The rule that a request describes."""
    return Rule(
        namespace=path.namespace,
        name=path.name,
        workflow=body.workflow,
        kind=body.kind,
        priority=body.priority,
        severity=body.severity,
        owner=body.owner,
        tags=body.tags,
        auto_resolve=body.auto_resolve,
        promise=promise_of(body.promise),
        enabled=body.enabled,
    )


def promise_of(body: PromiseBody) -> Promise:
    """The promise that a request describes."""
    return Promise(response=body.response, resolution=body.resolution)


def links_of(bodies: tuple[LinkBody, ...]) -> tuple[Link, ...]:
    """The links that a request describes."""
    return tuple(Link(body.kind, body.target) for body in bodies)


def value_of(entry: Entry[Case]) -> Case:
    """The case of an entry that has one, because it was just stored."""
    if entry.value is None:
        raise LookupError(entry.key)
    return entry.value
