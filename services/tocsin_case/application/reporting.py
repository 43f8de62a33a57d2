"""A case as a report, for people who have no login and for archives: Markdown or JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tocsin.signals import Json
from tocsin_case.application.cases import Cases
from tocsin_case.application.evidence import Evidence
from tocsin_case.application.talking import Talk
from tocsin_case.application.tasks import Tasks
from tocsin_case.domain.cases import CLOCKS, Case
from tocsin_case.domain.evidence import Attachment, Sighting
from tocsin_case.domain.history import FieldChange, Record
from tocsin_case.domain.showing import as_json, case_json
from tocsin_case.domain.talk import Comment
from tocsin_case.domain.tasks import CaseTask
from tocsin_kit.clock import Clock

COMMENTS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything about a case."""

    case: Case
    made_at: datetime
    history: Sequence[tuple[Record, tuple[FieldChange, ...]]]
    comments: Sequence[Comment]
    tasks: Sequence[CaseTask]
    attachments: Sequence[Attachment]
    sightings: Sequence[Sighting]


class Reports:
    """Makes reports.

    Args:
        cases: Cases and their history.
        talk: What was said.
        tasks: What was done.
        evidence: What was found.
        clock: Time.
    """

    def __init__(self, cases: Cases, talk: Talk, tasks: Tasks, evidence: Evidence, *, clock: Clock) -> None:
        self._cases, self._talk, self._tasks, self._evidence, self._clock = cases, talk, tasks, evidence, clock

    async def of(self, case: Case, *, internal: bool) -> Report:
        """The report of a case."""
        own = (case.id, *(merged.case for merged in case.merges))
        said = await self._talk.of(own, internal=internal, limit=COMMENTS, cursor=None)
        return Report(
            case=case,
            made_at=self._clock.now(),
            history=await self._cases.history(case.id),
            comments=said.items,
            tasks=await self._tasks.of(case.id),
            attachments=await self._evidence.attachments(case.id),
            sightings=await self._evidence.sightings(case.id),
        )


def report_json(report: Report) -> dict[str, Json]:
    """The report as JSON."""
    history: list[Json] = [
        {
            "revision": record.revision,
            "at": as_json(record.at),
            "actor": record.actor,
            "why": record.why,
            "notes": as_json(record.notes),
            "changes": [{"name": c.name, "before": as_json(c.before), "after": as_json(c.after)} for c in fields],
        }
        for record, fields in report.history
    ]
    return {
        "made_at": as_json(report.made_at),
        "case": dict(case_json(report.case)),
        "comments": as_json(list(report.comments)),
        "tasks": as_json(list(report.tasks)),
        "attachments": as_json(list(report.attachments)),
        "observables": as_json(list(report.sightings)),
        "history": history,
    }


def report_markdown(report: Report) -> str:
    """The report as Markdown; what people wrote is quoted, so that it cannot pass for the report's own words."""
    case = report.case
    facts = [
        ("Case", case.id),
        ("Namespace", case.namespace),
        ("Type", case.kind),
        ("Status", f"{case.status} ({case.stage.value})"),
        ("Priority", f"{case.priority.value}, severity {case.severity}"),
        ("Owner", case.owner or "nobody"),
        ("Team", case.team or "none"),
        ("Opened", f"{_time(case.opened_at)} by {case.opened_by}"),
        ("Answered", _time(case.answered_at)),
        ("Resolved", _time(case.resolved_at)),
        ("Occurrences", str(case.occurrences)),
    ]
    parts = [f"# {_line(case.title)}", "| | |\n| --- | --- |\n" + "\n".join(f"| {k} | {_line(v)} |" for k, v in facts)]
    if case.description:
        parts += ["## Description", _quoted(case.description)]
    if case.resolution:
        parts += ["## Resolution", _quoted(case.resolution)]
    if case.links:
        parts += ["## Links", "\n".join(f"- {_line(one.role)}: {_line(one.kind)} `{_line(one.target)}`" for one in case.links)]
    parts += _promises(case)
    if report.tasks:
        lines = (
            f"- [{'x' if t.status.is_over else ' '}] {_line(t.title)} ({t.status.value}, {t.owner or 'nobody'})"
            for t in report.tasks
        )
        parts += ["## Tasks", "\n".join(lines)]
    if report.sightings:
        parts += ["## Observables", "\n".join(f"- {s.type}: `{_line(s.value)}`" for s in report.sightings)]
    if report.attachments:
        lines = (f"- {_line(a.name)}, {a.size} bytes, SHA-256 `{a.sha256}`" for a in report.attachments)
        parts += ["## Files", "\n".join(lines)]
    if report.comments:
        said = (f"**{c.author}**, {_time(c.at)} ({c.visibility.value})\n\n{_quoted(c.text)}" for c in report.comments)
        parts += ["## Comments", "\n\n".join(said)]
    parts += ["## Timeline", "\n".join(_entry(record, fields) for record, fields in report.history)]
    return "\n\n".join([*parts, f"Made at {_time(report.made_at)}."]) + "\n"


def _promises(case: Case) -> list[str]:
    rows = [
        f"| {name} | {clock.target} | {_time(clock.due)} | {_time(clock.met)} | {clock.breaches} |"
        for name in CLOCKS
        if (clock := case.clocks.get(name)) is not None
    ]
    head = "| clock | promised | due | met | breaches |\n| --- | --- | --- | --- | --- |\n"
    return ["## Promises", head + "\n".join(rows)] if rows else []


def _entry(record: Record, fields: tuple[FieldChange, ...]) -> str:
    names = [f.name for f in fields if f.name in {"status", "owner", "priority", "severity", "title", "team"}]
    changed = ", ".join(f"{f.name}: {_line(str(f.before))} → {_line(str(f.after))}" for f in fields if f.name in names)
    told = f" ({changed})" if changed and record.revision > 1 else ""
    notes = f" [{', '.join(record.notes)}]" if record.notes else ""
    return f"- {_time(record.at)} {record.actor}: {record.why}{told}{notes}"


def _time(instant: datetime | None) -> str:
    return "-" if instant is None else instant.strftime("%Y-%m-%d %H:%M:%S UTC")


def _line(text: str) -> str:
    """One line that cannot break out of a table or a heading."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("`", "'")


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}" for line in text.replace("<", "&lt;").splitlines())
