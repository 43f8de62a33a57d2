"""Opening cases: by people, from templates, by alerts from outside, by splitting."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from tocsin.errors import NotFound
from tocsin_case.application.ledger import By, Decision, Ledger
from tocsin_case.application.starting import attempted, playbook_of
from tocsin_case.domain.cases import Case, Link
from tocsin_case.domain.counted import Counted
from tocsin_case.domain.flow import promise_of, with_promise
from tocsin_case.domain.tasks import CaseTask
from tocsin_case.domain.templates import CaseTemplate
from tocsin_case.domain.types import CaseType, FieldValue, Priority, Stage, Targets, check_fields
from tocsin_case.ports import Configuration
from tocsin_kit.chance import Chance, new_id
from tocsin_kit.store import Entry, Outgoing


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What somebody says when opening a case; ``None`` leaves it to the template and the type."""

    namespace: str
    title: str
    kind: str | None = None
    template: str | None = None
    description: str | None = None
    priority: Priority | None = None
    severity: int | None = None
    owner: str | None = None
    team: str | None = None
    queue: str | None = None
    tags: tuple[str, ...] = ()
    fields: Mapping[str, FieldValue] = field(default_factory=dict)
    links: tuple[Link, ...] = ()
    restricted: bool = False
    members: tuple[str, ...] = ()
    promise: Targets = field(default_factory=Targets)


class Openings:
    """Opens cases.

    Args:
        ledger: Changes cases.
        configuration: For templates.
        chance: For ids.
    """

    def __init__(self, ledger: Ledger, configuration: Configuration, *, chance: Chance) -> None:
        self._ledger = ledger
        self._configuration = configuration
        self._chance = chance

    async def open(self, opening: Opening, *, by: By, case_id: str | None = None) -> Entry[Case]:
        """Open a case.

        Raises:
            NotFound: There is no such template.
            Invalid: Fields that the type does not take.
        """
        now = self._ledger.clock.now()
        template = await self._template(opening.namespace, opening.template)
        kind = await self._ledger.desk.kind(opening.namespace, opening.kind or template.kind)
        case = blank(opening, template, kind, case_id=case_id or new_id(now, self._chance), by=by, now=now)
        own = opening.promise if opening.promise != Targets() else template.promise
        return await self.complete(case, template, own, by=by, now=now, why="opened")

    async def complete(
        self,
        case: Case,
        template: CaseTemplate,
        own: Targets,
        *,
        by: By,
        now: datetime,
        why: str,
        counted: Sequence[Counted] = (),
    ) -> Entry[Case]:
        """Store a new case with its clocks, the tasks and the playbooks of its template, and what it was opened by."""
        guide = await self._ledger.desk.guide(case)
        kind = guide.kind
        case = replace(case, fields=check_fields(kind, case.fields, opening=True))
        case = with_promise(case, promise_of(kind, case, own), now, guide.hours)
        tasks = self._tasks(case, template, now)
        case = replace(case, tasks=len(tasks))
        commands: list[Outgoing] = []
        for name in template.start:
            playbook = playbook_of(kind, name)
            case, leaving = attempted(case, playbook, mark="template", now=now, actor=by.actor, cause=by.cause)
            commands += leaving
        entry = await self._ledger.store.load(case.id)
        return await self._ledger.commit(
            entry, Decision(case, (), [*tasks, *counted], commands), guide, by=by, why=why, now=now
        )

    async def _template(self, namespace: str, name: str | None) -> CaseTemplate:
        if name is None:
            return CaseTemplate(namespace=namespace, name="")
        template = (await self._configuration.load(CaseTemplate, namespace, name)).value
        if template is None:
            raise NotFound(f"there is no case template {name} in namespace {namespace}", template=name)
        return template

    async def template(self, namespace: str, name: str | None) -> CaseTemplate:
        """A template; an empty one where there is none of that name any more."""
        try:
            return await self._template(namespace, name)
        except NotFound:
            return CaseTemplate(namespace=namespace, name="")

    def _tasks(self, case: Case, template: CaseTemplate, now: datetime) -> list[CaseTask]:
        ids = sorted(new_id(now, self._chance) for _ in template.tasks)
        return [
            CaseTask(
                id=own,
                case=case.id,
                namespace=case.namespace,
                title=task.title,
                description=task.description,
                owner=task.owner,
                due=None if task.due_in is None else now + task.due_in,
                after=tuple(ids[number - 1] for number in task.after),
                playbook=task.playbook,
                created_at=now,
            )
            for own, task in zip(ids, template.tasks, strict=True)
        ]


def blank(opening: Opening, template: CaseTemplate, kind: CaseType, *, case_id: str, by: By, now: datetime) -> Case:
    """A new case without its clocks: what was said, then what the template says, then what the type says."""
    initial = kind.status(kind.initial)
    return Case(
        id=case_id,
        namespace=opening.namespace,
        kind=kind.name,
        title=template.title.replace("{title}", opening.title)[:200],
        description=template.description if opening.description is None else opening.description,
        status=kind.initial,
        stage=initial.stage if initial else Stage.NEW,
        priority=opening.priority or template.priority or Priority.NORMAL,
        severity=opening.severity or template.severity or 3,
        owner=opening.owner or template.owner,
        team=opening.team or template.team or kind.team,
        queue=opening.queue or template.queue or kind.queue,
        tags=tuple(dict.fromkeys((*template.tags, *opening.tags))),
        fields={**template.fields, **opening.fields},
        links=opening.links,
        restricted=opening.restricted or template.restricted,
        members=opening.members,
        opened_at=now,
        opened_by=by.actor,
        updated_at=now,
        template=opening.template,
    )
