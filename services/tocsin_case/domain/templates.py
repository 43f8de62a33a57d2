"""Templates of cases, and searches that people keep."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from tocsin.errors import Invalid, Violation
from tocsin_case.domain.types import FieldValue, Priority, Targets


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskTemplate:
    """A task of a template.

    Attributes:
        title: One line.
        description: Markdown.
        owner: Who does it.
        due_in: Time from the opening.
        after: Numbers of tasks of the template, from 1, that have to be over first.
        playbook: Name of the playbook that does it.
    """

    title: str
    description: str = ""
    owner: str | None = None
    due_in: timedelta | None = None
    after: tuple[int, ...] = ()
    playbook: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseTemplate:
    """What a new case looks like; what whoever opens it says comes first.

    Attributes:
        namespace: Where it is.
        name: Its name there.
        kind: Type of the case.
        title: One line; ``{title}`` stands for what was said.
        description: Markdown.
        priority: Of the case.
        severity: Of the case.
        owner: Of the case.
        team: Of the case.
        queue: Of the case.
        tags: Of the case.
        fields: Custom fields of the case.
        promise: What is promised, instead of what the type promises.
        tasks: Tasks of the case.
        start: Playbooks that are started when it opens.
        restricted: Whether the case is.
    """

    namespace: str
    name: str
    kind: str = "incident"
    title: str = "{title}"
    description: str = ""
    priority: Priority | None = None
    severity: int | None = None
    owner: str | None = None
    team: str | None = None
    queue: str | None = None
    tags: tuple[str, ...] = ()
    fields: Mapping[str, FieldValue] = field(default_factory=dict)
    promise: Targets = field(default_factory=Targets)
    tasks: tuple[TaskTemplate, ...] = ()
    start: tuple[str, ...] = ()
    restricted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedView:
    """A search with a name.

    Attributes:
        namespace: Where it is.
        name: Its name there.
        title: For people.
        query: Parameters of the list of cases.
        columns: What to show.
    """

    namespace: str
    name: str
    title: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    columns: tuple[str, ...] = ()


def checked_template(template: CaseTemplate) -> CaseTemplate:
    """A template as it may be stored.

    Raises:
        Invalid: A task waits for one that does not come before it.
    """
    for number, task in enumerate(template.tasks, start=1):
        wrong = [other for other in task.after if not 0 < other < number]
        if wrong:
            place = Violation(f"/tasks/{number - 1}/after", f"there is no task {wrong[0]} before this one")
            raise Invalid(f"task {number} of template {template.name} cannot begin", violations=[place])
    return template
