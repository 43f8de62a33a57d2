"""Playbooks of cases: started by people, their ends and their approvals written back."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from tocsin.errors import Invalid, TocsinError
from tocsin.signals import CloudEvent, Json, follow
from tocsin.signals.catalogue import case as words
from tocsin_case.application.announcing import Said, of_task
from tocsin_case.application.guiding import Guide
from tocsin_case.application.ledger import By, Decision, Ledger
from tocsin_case.application.starting import playbook_of, started
from tocsin_case.domain.cases import PLATFORM, Case, PlaybookRun
from tocsin_case.domain.flow import transition
from tocsin_case.domain.talk import Comment, mentioned
from tocsin_case.domain.tasks import TaskStatus
from tocsin_case.domain.types import check_fields
from tocsin_case.ports import Beside, BesideStore, Runs, Unreadable
from tocsin_kit.chance import Chance, new_id
from tocsin_kit.store import Entry

TEXT = 4000  # characters of a result that is written back
_ENDS: Final = frozenset({"answered", "expired", "withdrawn"})  # after any other word the run waits for its answer as before


@dataclass(frozen=True, slots=True)
class _End:
    """How a run ended."""

    run: str
    status: str
    detail: str
    output: Json


class Playbooks:
    """Starts workflows from cases, and writes back what became of them.

    Args:
        ledger: Changes cases.
        besides: For tasks that a playbook does.
        runs: What became of runs.
        chance: For ids.
    """

    def __init__(self, ledger: Ledger, besides: BesideStore, runs: Runs, *, chance: Chance) -> None:
        self._ledger = ledger
        self._besides = besides
        self._runs = runs
        self._chance = chance

    async def start(
        self, case_id: str, name: str, more: Mapping[str, Json], *, by: By, task: str | None = None, mark: str
    ) -> tuple[Entry[Case], PlaybookRun]:
        """Start a playbook.

        Args:
            case_id: Of which case.
            name: Of the playbook.
            more: Members of its input beside those that are filled in.
            by: Who.
            task: The task that it does.
            mark: Makes a repeat of the same request the same run.

        Raises:
            PlaybookNotFound: The type of the case has none of that name.
            Invalid: Its input cannot be filled in.
        """

        async def decide(case: Case, guide: Guide, now: datetime) -> Decision:
            playbook = playbook_of(guide.kind, name)
            after, command = started(
                case, playbook, mark=mark, now=now, actor=by.actor, cause=by.cause, task=task, more=dict(more)
            )
            beside: list[Beside] = []
            if task is not None:
                found = next((one for one in await self._besides.tasks(case_id) if one.id == task), None)
                if found is None:
                    raise Invalid(f"the case has no task {task}")
                beside.append(replace(found, run=after.playbooks[-1].run, status=TaskStatus.DOING))
            return Decision(after, (), beside, [command])

        entry = await self._ledger.change(case_id, decide, by=by, why=f"playbook {name} started")
        assert entry.value is not None, "just stored"
        return entry, entry.value.playbooks[-1]

    async def ended(self, run: str, transition_: str, event: CloudEvent) -> None:
        """A run has ended: if a case has started it, its result is written back."""
        for known in await self._ledger.store.with_run(run):
            if known.value is None or not any(one.run == run and one.status == "started" for one in known.value.playbooks):
                continue
            payload = event.payload if isinstance(event.payload, dict) else {}
            output: Json = None
            try:
                output = await self._runs.output(run) if transition_ == "completed" else None
                detail = _detail(payload, output, transition_)
            except Unreadable as error:
                detail = error.detail
            end = _End(run, transition_, detail, output)

            async def decide(case: Case, guide: Guide, now: datetime, end: _End = end) -> Decision:
                return await self._written(case, guide, end, now)

            why = f"playbook {transition_}"
            await self._ledger.change(known.key, decide, by=By(PLATFORM, follow(event)), why=why)

    async def approval(self, event: CloudEvent, transition_: str) -> None:
        """A run waits for an approval, or does not any more: shown on the case that has started it."""
        if transition_ not in {"requested", *_ENDS} or event.subject is None:
            return
        data = event.payload if isinstance(event.payload, dict) else {}
        run, title, question = event.subject, data.get("title"), data.get("approval")
        waits = f"{title} ({question})" if transition_ == "requested" else None
        for known in await self._ledger.store.with_run(run):

            async def decide(case: Case, _guide: Guide, _now: datetime) -> Decision:
                shown = tuple(replace(one, waits_for=waits) if one.run == run else one for one in case.playbooks)
                return Decision(replace(case, playbooks=shown))

            await self._ledger.change(known.key, decide, by=By(PLATFORM, follow(event)), why=f"approval {transition_}")

    async def _written(self, case: Case, guide: Guide, end: "_End", now: datetime) -> Decision:
        """The case with the end of a run; what the output says under ``case`` is done to the case."""
        run, detail, output = end.run, end.detail, end.output
        known = next((one for one in case.playbooks if one.run == run and one.status == "started"), None)
        if known is None:
            return Decision(case)
        ended = replace(known, status=end.status, detail=detail[:200], waits_for=None)
        after = replace(case, playbooks=tuple(ended if one.run == run else one for one in case.playbooks))
        beside: list[Beside] = []
        said: list[Said] = []
        wishes = output.get("case") if isinstance(output, dict) else None
        if isinstance(wishes, dict):
            after, detail = _wished(after, guide, wishes, detail, now)
        text = f"Playbook **{known.name}** {end.status} (run `{run}`).\n\n{detail}"[:TEXT]
        comment = Comment(
            id=new_id(now, self._chance), case=case.id, author=PLATFORM, text=text, at=now, mentions=mentioned(detail)
        )
        beside.append(comment)
        said.append((words.CASE_COMMENTED, words.CaseCommented(comment=comment.id)))
        after = replace(after, comments=after.comments + 1)
        task = await self._besides.task_of_run(run)
        if task is not None and not task.status.is_over:
            over = end.status == "completed"
            status = TaskStatus.DONE if over else TaskStatus.TODO
            done = replace(task, status=status, ended_at=now if over else None)
            beside.append(done)
            after = replace(after, tasks_done=after.tasks_done + (1 if over else 0))
            said.append(of_task(words.CASE_TASK_CHANGED, case, done))
        return Decision(after, said, beside)


def _detail(payload: Mapping[str, Json], output: Json, transition_: str) -> str:
    """What became of a run, for people."""
    error = payload.get("error")
    if isinstance(error, dict):
        return str(error.get("title") or error.get("detail") or error.get("type") or transition_)
    reason = payload.get("detail") or payload.get("reason")
    if isinstance(reason, str):
        return reason
    if isinstance(output, dict) and isinstance(output.get("summary"), str):
        return str(output["summary"])
    return "" if output is None else f"```json\n{json.dumps(output, ensure_ascii=False, indent=2)[:2000]}\n```"


def _wished(case: Case, guide: Guide, wishes: Mapping[str, Json], detail: str, now: datetime) -> tuple[Case, str]:
    """Do what the output of a playbook asks for; what cannot be done is said instead."""
    try:
        fields = wishes.get("fields")
        if isinstance(fields, dict):
            plain = {name: value for name, value in fields.items() if not isinstance(value, dict | list)}
            case = replace(case, fields=check_fields(guide.kind, {**case.fields, **plain}, opening=False))
        tags = wishes.get("tags")
        if isinstance(tags, list):
            case = replace(case, tags=tuple(dict.fromkeys((*case.tags, *(str(tag)[:64] for tag in tags))))[:50])
        comment = wishes.get("comment")
        if isinstance(comment, str):
            detail = comment
        status, how = wishes.get("status"), wishes.get("resolution")
        if isinstance(status, str) and status != case.status:
            resolution = how if isinstance(how, str) else None
            case = transition(case, guide.kind, status, now=now, hours=guide.hours, resolution=resolution)
    except TocsinError as error:
        return case, f"{detail}\n\nNot done: {error.detail}"
    return case, detail
