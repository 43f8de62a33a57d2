"""Why an asset is not fresh: what is known about those who make it, put in order of how much it explains."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from tocsin_lineage.domain.freshness import State


class Why(Enum):
    """Kinds of causes, from what explains most to what explains least."""

    CODE_CHANGED = "code-changed"
    FAILED_RUN = "failed-run"
    PAUSED_SCHEDULE = "paused-schedule"
    REFUSED_RUN = "refused-run"
    WAITING_SLOT = "waiting-slot"
    LATE_UPSTREAM = "late-upstream"
    RUNNING = "running"
    NO_RUN = "no-run"
    NO_WRITER = "no-writer"


@dataclass(frozen=True, slots=True)
class Reason:
    """One cause, for people and programs.

    Attributes:
        why: Its kind.
        detail: One sentence.
        subject: The run, schedule or asset that it is about; the version of the code.
        limit: The limit or the queue of workers that a run waits at.
        held_by: Runs that hold what it waits for.
    """

    why: Why
    detail: str
    subject: str | None = None
    limit: str | None = None
    held_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """What a run waits for, as the executor explains it.

    Attributes:
        namespace: Of its workflow.
        workflow: The same.
        run: Its id.
        status: ``pending``, ``running``, ``waiting``, ``suspended``.
        waits_for: ``limit``, ``worker``, ``time``, ``event``, ``approval`` ...
        detail: One sentence.
        limit: The limit, or the queue that no worker takes it from.
        held_by: Runs that hold the limit.
    """

    namespace: str
    workflow: str
    run: str
    status: str
    waits_for: str
    detail: str
    limit: str | None = None
    held_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """A workflow that makes the asset, as its signals tell.

    Attributes:
        namespace: Of the workflow.
        name: The same.
        run: The latest run, if there was one.
        status: Its last status: ``pending``, ``running``, ``waiting``, ``faulted``, ``cancelled``, ``completed`` ...
        at: When that was.
        error: What it failed with.
    """

    namespace: str
    name: str
    run: str | None = None
    status: str | None = None
    at: datetime | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Clockwork:
    """A schedule that starts a maker."""

    name: str
    workflow: str
    paused: bool
    reason: str | None = None
    next_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An asset that it is made of."""

    key: str
    state: State
    written: datetime | None


def explain(
    written: datetime | None,
    makers: Sequence[Maker],
    schedules: Sequence[Clockwork],
    sources: Sequence[Source],
    *,
    waits: Sequence[Wait] = (),
    code: tuple[str, str] | None = None,
) -> list[Reason]:
    """All causes that apply, the strongest first; never empty.

    Args:
        written: When the asset was written last.
        makers: Who makes it.
        schedules: Who starts those.
        sources: What it is made of.
        waits: What runs of the makers wait for, as far as the executor was asked.
        code: The version of the code that it was made with, and the one of now, where the two differ.
    """
    found = [_of_wait(wait) for wait in waits]
    told = {wait.run for wait in waits}
    found += [reason for maker in makers if maker.run not in told and (reason := _of_maker(maker, written)) is not None]
    if code is not None:
        detail = f"the code that makes it is version {code[1]} now, and it was made with {code[0]}"
        found.append(Reason(Why.CODE_CHANGED, detail, code[1]))
    found += [
        Reason(Why.PAUSED_SCHEDULE, f"schedule {one.name} is paused" + (f": {one.reason}" if one.reason else ""), one.name)
        for one in schedules
        if one.paused
    ]
    found += [
        Reason(Why.LATE_UPSTREAM, f"upstream {one.key} is {one.state.value}", one.key)
        for one in sources
        if one.state in {State.WARNING, State.STALE}
    ]
    if not found:
        found = [_nothing(makers, schedules, sources, written)]
    order = list(Why)
    return sorted(found, key=lambda reason: order.index(reason.why))


def _of_maker(maker: Maker, written: datetime | None) -> Reason | None:
    who = f"{maker.namespace}/{maker.name}"
    if maker.at is not None and written is not None and maker.at < written and maker.status not in {"running", "pending"}:
        return None  # older than what was written: it explains nothing
    match maker.status:
        case "faulted" | "cancelled":
            because = f": {maker.error}" if maker.error else ""
            return Reason(Why.FAILED_RUN, f"run {maker.run} of {who} has {_ended(maker.status)}{because}", maker.run)
        case "refused":
            return Reason(
                Why.REFUSED_RUN, f"run {maker.run} of {who} was refused: {maker.error or 'no reason given'}", maker.run
            )
        case "pending" | "waiting" | "suspended":
            return Reason(Why.WAITING_SLOT, f"run {maker.run} of {who} is {maker.status}", maker.run)
        case "running":
            return Reason(Why.RUNNING, f"run {maker.run} of {who} is still running", maker.run)
        case _:
            return None


def _of_wait(wait: Wait) -> Reason:
    who = f"run {wait.run} of {wait.namespace}/{wait.workflow}"
    if wait.waits_for not in {"limit", "worker"} or (wait.waits_for == "worker" and wait.limit is None):
        return Reason(Why.RUNNING, f"{who} is {wait.status}: {wait.detail}", wait.run)
    detail = f"{who} is {wait.status}: {wait.detail}"
    if wait.held_by:
        more = f" and {len(wait.held_by) - 3} more" if len(wait.held_by) > 3 else ""
        detail = f"{who} waits at limit '{wait.limit}', which {', '.join(wait.held_by[:3])}{more} hold"
        detail += "s" if len(wait.held_by) == 1 else ""
    return Reason(Why.WAITING_SLOT, detail, wait.run, wait.limit, wait.held_by)


def _ended(status: str) -> str:
    return "failed" if status == "faulted" else "been cancelled"


def _nothing(
    makers: Sequence[Maker], schedules: Sequence[Clockwork], sources: Sequence[Source], written: datetime | None
) -> Reason:
    if not makers:
        return Reason(Why.NO_WRITER, "no workflow is known that writes it, and nobody has reported that it was written")
    names = ", ".join(f"{maker.namespace}/{maker.name}" for maker in makers)
    last = f" since {written.isoformat()}" if written is not None else ""
    coming = min((one.next_at for one in schedules if one.next_at is not None), default=None)
    then = f"; the next is due at {coming.isoformat()}" if coming is not None else ""
    older = [one.key for one in sources if one.written is None or (written is not None and one.written <= written)]
    untouched = f"; {', '.join(older[:3])} has not been written either" if older else ""
    return Reason(Why.NO_RUN, f"no run of {names} has written it{last}{untouched}{then}")
