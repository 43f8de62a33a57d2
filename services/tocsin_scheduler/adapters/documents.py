"""Schedules as documents, and back. What older versions wrote must stay readable here."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

import orjson

from tocsin.schedules import Exclusions, Gap, Overlap
from tocsin.signals import Cause
from tocsin_kit.store import Document
from tocsin_scheduler.domain.schedules import (
    CatchUp,
    Concurrency,
    Going,
    Lateness,
    Pending,
    Policy,
    Retry,
    Retrying,
    Schedule,
    Start,
    Status,
)
from tocsin_scheduler.domain.timetables import Follows, When
from tocsin_scheduler.domain.wishes import Wish


def schedule_document(schedule: Schedule) -> Document:
    """A schedule as a document. The input is kept as JSON text: its keys may hold what MongoDB gives a meaning."""
    return {
        "namespace": schedule.namespace,
        "name": schedule.name,
        "generation": schedule.generation,
        "edition": schedule.edition,
        "description": schedule.description,
        "when": _when_document(schedule.when),
        "start": start_document(schedule.start),
        "policy": _policy_document(schedule.policy),
        "status": schedule.status.value,
        "reason": schedule.reason,
        "settled": exact(schedule.settled),
        "next_at": schedule.next_at,
        "going": [{"run": g.run, "since": g.since, "at": g.at, "attempt": g.attempt} for g in schedule.going],
        "waiting": list(schedule.waiting),
        "retries": [{"due": retry.due, "at": retry.at, "attempt": retry.attempt} for retry in schedule.retries],
        "pending": [_pending_document(pending) for pending in schedule.pending],
        "heard": list(schedule.heard),
        "failures": schedule.failures,
        "managed_by": schedule.managed_by,
        "fired": schedule.fired,
        "last_at": schedule.last_at,
        "last_run": schedule.last_run,
        "created_at": schedule.created_at,
        "updated_at": schedule.updated_at,
        "actor": schedule.actor,
    }


def start_document(start: Start) -> Document:
    """What is started, as a document."""
    return {
        "workflow": start.workflow,
        "version": start.version,
        "input": orjson.dumps(start.input).decode(),
        "labels": [[key, value] for key, value in start.labels.items()],
        "priority": start.priority,
    }


def read_start(start: Mapping[str, Any]) -> Start:
    """The reverse of :func:`start_document`."""
    return Start(
        workflow=start["workflow"],
        version=start["version"],
        input=orjson.loads(start["input"]),
        labels=dict(start["labels"]),
        priority=start.get("priority", 0),
    )


def _when_document(when: When) -> Document:
    return {
        "expression": when.expression,
        "also": list(when.also),
        "timezone": when.timezone,
        "anchor": when.anchor,
        "gap": when.gap.value,
        "overlap": when.overlap.value,
        "starts_at": when.starts_at,
        "ends_at": when.ends_at,
        "after_end": when.after_end,
        **({} if when.follows is None else {"follows": _follows_document(when.follows)}),
        "exclusions": {
            "dates": sorted(day.isoformat() for day in when.exclusions.dates),
            "yearly": sorted([month, day] for month, day in when.exclusions.yearly),
            "weekdays": sorted(when.exclusions.weekdays),
        },
    }


def _policy_document(policy: Policy) -> Document:
    return {
        "catch_up": policy.catch_up.value,
        "window_s": policy.window.total_seconds(),
        "on_time_s": policy.on_time.total_seconds(),
        "concurrency": policy.concurrency.value,
        "jitter_s": policy.jitter.total_seconds(),
        "max_runs": policy.max_runs,
        "late_after_s": None if policy.late_after is None else policy.late_after.total_seconds(),
        "lateness": policy.lateness.value,
        "failures": policy.failures,
        "condition": policy.condition,
        "retry": None if policy.retry is None else _retrying_document(policy.retry),
    }


def _retrying_document(retry: Retrying) -> Document:
    return {
        "attempts": retry.attempts,
        "delay_s": retry.delay.total_seconds(),
        "factor": retry.factor,
        "longest_s": retry.longest.total_seconds(),
    }


def _follows_document(follows: Follows) -> Document:
    return {
        "workflow": follows.workflow,
        "outcomes": sorted(follows.outcomes),
        "delay_s": follows.delay.total_seconds(),
    }


def _pending_document(pending: Pending) -> Document:
    cause = pending.cause
    return {"at": pending.at, "cause": [cause.id, cause.correlation, cause.depth, cause.traceparent]}


def _read_pending(document: Mapping[str, Any]) -> Pending:
    return Pending(document["at"], Cause(*document["cause"]))


def read_schedule(document: Mapping[str, Any]) -> Schedule:
    """The reverse of :func:`schedule_document`."""
    when, policy = document["when"], document["policy"]
    return Schedule(
        namespace=document["namespace"],
        name=document["name"],
        generation=document["generation"],
        edition=document["edition"],
        description=document["description"],
        when=_read_when(when),
        start=read_start(document["start"]),
        policy=_read_policy(policy),
        status=Status(document["status"]),
        reason=document["reason"],
        settled=datetime.fromisoformat(document["settled"]),
        next_at=document["next_at"],
        going=tuple(Going(g["run"], g["since"], g.get("at"), g.get("attempt", 1)) for g in document["going"]),
        waiting=tuple(document.get("waiting", ())),
        retries=tuple(Retry(r["due"], r["at"], r["attempt"]) for r in document.get("retries", ())),
        pending=tuple(_read_pending(pending) for pending in document.get("pending", ())),
        heard=tuple(document.get("heard", ())),
        failures=document.get("failures", 0),
        managed_by=document.get("managed_by"),
        fired=document["fired"],
        last_at=document["last_at"],
        last_run=document["last_run"],
        created_at=document["created_at"],
        updated_at=document["updated_at"],
        actor=document["actor"],
    )


def wish_document(wish: Wish) -> Document:
    """What a definition asks for, as a document."""
    words = [[kind, text] for kind, text in wish.words.items()]
    return {"namespace": wish.namespace, "workflow": wish.workflow, "number": wish.number, "words": words}


def read_wish(document: Mapping[str, Any]) -> Wish:
    """The reverse of :func:`wish_document`."""
    return Wish(
        namespace=document["namespace"],
        workflow=document["workflow"],
        number=document["number"],
        words=dict(document["words"]),
    )


def _read_when(when: Mapping[str, Any]) -> When:
    excluded = when.get("exclusions", {})
    return When(
        expression=when["expression"],
        also=tuple(when.get("also", ())),
        timezone=when["timezone"],
        anchor=when["anchor"],
        gap=Gap(when["gap"]),
        overlap=Overlap(when["overlap"]),
        starts_at=when["starts_at"],
        ends_at=when["ends_at"],
        after_end=when.get("after_end", False),
        follows=_read_follows(when.get("follows")),
        exclusions=Exclusions(
            frozenset(date.fromisoformat(day) for day in excluded.get("dates", ())),
            frozenset((month, day) for month, day in excluded.get("yearly", ())),
            frozenset(excluded.get("weekdays", ())),
        ),
    )


def _read_policy(policy: Mapping[str, Any]) -> Policy:
    late_after = policy.get("late_after_s")
    return Policy(
        catch_up=CatchUp(policy["catch_up"]),
        window=timedelta(seconds=policy["window_s"]),
        on_time=timedelta(seconds=policy["on_time_s"]),
        concurrency=Concurrency(policy["concurrency"]),
        jitter=timedelta(seconds=policy.get("jitter_s", 0)),
        max_runs=policy.get("max_runs"),
        late_after=None if late_after is None else timedelta(seconds=late_after),
        lateness=Lateness(policy.get("lateness", "run")),
        failures=policy.get("failures"),
        condition=policy.get("condition"),
        retry=_read_retrying(policy.get("retry")),
    )


def _read_retrying(retry: Mapping[str, Any] | None) -> Retrying | None:
    if retry is None:
        return None
    delay, longest = timedelta(seconds=retry["delay_s"]), timedelta(seconds=retry["longest_s"])
    return Retrying(attempts=retry["attempts"], delay=delay, factor=retry["factor"], longest=longest)


def _read_follows(follows: Mapping[str, Any] | None) -> Follows | None:
    if follows is None:
        return None
    delay = timedelta(seconds=follows["delay_s"])
    return Follows(workflow=follows["workflow"], outcomes=frozenset(follows["outcomes"]), delay=delay)


def exact(instant: datetime) -> str:
    """An instant to the microsecond: MongoDB's dates end at milliseconds, and a cursor must never go back."""
    return instant.isoformat()
