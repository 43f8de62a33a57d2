"""What lies beside cases, over the wire: comments, tasks, files, observables, playbooks."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, JsonValue

from tocsin_case.domain.evidence import Attachment, Custody, Observable, Sighting
from tocsin_case.domain.talk import Comment, Visibility
from tocsin_case.domain.tasks import CaseTask, TaskStatus
from tocsin_case.http.markdown import as_html
from tocsin_case.http.schemas import CaseKey, PlaybookRunView, Title
from tocsin_case.http.setting_schemas import Namespace, Person, Slug, Text
from tocsin_kit.web import Input, PageQuery

FileName = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^/\\\x00-\x1f\x7f\"]+$")]


class CommentId(BaseModel):
    """Path of a comment."""

    case: CaseKey
    comment: CaseKey


class TaskId(BaseModel):
    """Path of a task."""

    case: CaseKey
    task: CaseKey


class AttachmentId(BaseModel):
    """Path of a file."""

    case: CaseKey
    attachment: CaseKey


class ObservableId(BaseModel):
    """Path of something that was seen in a case."""

    case: CaseKey
    observable: CaseKey


class AnyObservable(BaseModel):
    """Path of something that was seen anywhere."""

    observable: CaseKey


class PlaybookName(BaseModel):
    """Path of a playbook of a case."""

    case: CaseKey
    playbook: Slug


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("a comment says something")
    return text


Words = Annotated[str, Field(min_length=1, max_length=64_000), AfterValidator(_said)]


class CommentBody(Input):
    """Something to say."""

    text: Annotated[Words, Field(description="Markdown; `@name` mentions somebody.")]
    visibility: Visibility = Field(default=Visibility.PUBLIC, description="`internal`: for those who may work on the case.")
    parent: CaseKey | None = Field(default=None, description="The comment that it answers.")


class CommentEdit(Input):
    """Another text."""

    text: Words


class EditView(BaseModel):
    """What a comment said before."""

    text: str
    until: datetime


class CommentView(BaseModel):
    """A comment."""

    id: str
    case: str
    author: str
    text: str
    html: str = Field(description="The text as HTML that is safe to show.")
    at: datetime
    visibility: Visibility
    parent: str | None
    mentions: list[str]
    edited_at: datetime | None
    edits: list[EditView]

    @classmethod
    def of(cls, comment: Comment) -> "CommentView":
        """The view of a comment."""
        return cls(
            id=comment.id,
            case=comment.case,
            author=comment.author,
            text=comment.text,
            html=as_html(comment.text),
            at=comment.at,
            visibility=comment.visibility,
            parent=comment.parent,
            mentions=list(comment.mentions),
            edited_at=comment.edited_at,
            edits=[EditView(text=edit.text, until=edit.until) for edit in comment.edits],
        )


class TaskBody(Input):
    """A new task."""

    title: Title
    description: Text = ""
    owner: Person | None = None
    due: AwareDatetime | None = None
    after: tuple[CaseKey, ...] = Field(default=(), max_length=50, description="Tasks that have to be over first.")
    playbook: Slug | None = Field(default=None, description="The playbook that does it.")


class TaskPatch(Input):
    """What can be changed; only the members that are sent are."""

    title: Title = "."
    description: Text = ""
    owner: Person | None = None
    due: AwareDatetime | None = None
    after: tuple[CaseKey, ...] = Field(default=(), max_length=50)
    playbook: Slug | None = None
    status: TaskStatus = TaskStatus.TODO


class TaskView(BaseModel):
    """A task."""

    id: str
    case: str
    title: str
    description: str
    status: TaskStatus
    owner: str | None
    due: datetime | None
    after: list[str]
    playbook: str | None
    run: str | None
    created_at: datetime
    ended_at: datetime | None
    overdue: datetime | None

    @classmethod
    def of(cls, task: CaseTask) -> "TaskView":
        """The view of a task."""
        return cls.model_validate(task, from_attributes=True)


class AttachmentQuery(Input):
    """About a file that is sent."""

    name: FileName
    evidence: bool = False
    note: str = Field(default="", max_length=1000, description="Where it comes from.")


class AttachmentView(BaseModel):
    """A file."""

    id: str
    case: str
    name: str
    media_type: str
    size: int
    sha256: str
    added_at: datetime
    added_by: str
    evidence: bool
    note: str
    deleted_at: datetime | None = Field(description="When its content was deleted; name, hash and chain stay.")

    @classmethod
    def of(cls, attachment: Attachment) -> "AttachmentView":
        """The view of a file."""
        return cls.model_validate(attachment, from_attributes=True)


class DeletionQuery(Input):
    """Why a file goes."""

    reason: str = Field(min_length=1, max_length=1000)


class CustodyBody(Input):
    """What was done with a file."""

    note: str = Field(min_length=1, max_length=1000, description="To whom it was given, or what was done to it.")


class CustodyEntry(BaseModel):
    """One entry of a chain."""

    number: int
    at: datetime
    actor: str
    action: str
    sha256: str
    note: str
    previous: str
    hash: str

    @classmethod
    def of(cls, entry: Custody) -> "CustodyEntry":
        """The view of an entry."""
        return cls.model_validate(entry, from_attributes=True)


class CustodyView(BaseModel):
    """The chain of a file."""

    unbroken: bool = Field(description="No entry was changed, taken out or put in.")
    intact: bool = Field(description="The content is what was stored, or was deleted as the chain says.")
    items: list[CustodyEntry]


class ObservableBody(Input):
    """Something that was seen."""

    type: Slug = Field(description="ip, domain, url, email, hash, file, user, host, other.")
    value: str = Field(min_length=1, max_length=2000)
    note: str = Field(default="", max_length=1000)


class ObservableView(BaseModel):
    """Something that was seen, in however many cases."""

    id: str
    namespace: str
    type: str
    value: str
    first_seen: datetime
    last_seen: datetime
    cases: int

    @classmethod
    def of(cls, observable: Observable) -> "ObservableView":
        """The view of it."""
        return cls.model_validate(observable, from_attributes=True)


class SightingView(BaseModel):
    """That it was seen in a case."""

    observable: str
    case: str
    type: str
    value: str
    at: datetime
    by: str
    note: str
    times: int

    @classmethod
    def of(cls, sighting: Sighting) -> "SightingView":
        """The view of it."""
        return cls.model_validate(sighting, from_attributes=True)


class SeenView(ObservableView):
    """Something that was seen, and where."""

    sightings: list[SightingView]


class ObservableQuery(PageQuery):
    """Which things."""

    namespace: Namespace = "default"
    value: str | None = Field(default=None, max_length=256, description="How it begins.")


class PlaybookStart(Input):
    """How to start a playbook."""

    input: dict[str, JsonValue] = Field(default_factory=dict, max_length=100, description="Beside what is filled in.")
    task: CaseKey | None = Field(default=None, description="The task that it does.")


class PlaybookView(BaseModel):
    """A playbook that can be started."""

    name: str
    workflow: str
    version: str | None
    on: list[str]
    summary: str
    input: JsonValue = Field(description="As it would be, filled in from the case.")


class PlaybooksView(BaseModel):
    """What can be started from a case, and what was."""

    playbooks: list[PlaybookView]
    runs: list[PlaybookRunView]
