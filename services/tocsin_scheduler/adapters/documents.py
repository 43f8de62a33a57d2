"""Schedules as documents, and back. What older versions wrote must stay readable here."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import orjson

from tocsin.schedules import Gap, Overlap
from tocsin_kit.store import Document
from tocsin_scheduler.domain.schedules import CatchUp, Concurrency, Going, Policy, Schedule, Start, Status, When


def schedule_document(schedule: Schedule) -> Document:
    """A schedule as a document. The input is kept as JSON text: its keys may hold what MongoDB gives a meaning."""
    return {
        "namespace": schedule.namespace,
        "name": schedule.name,
        "generation": schedule.generation,
        "edition": schedule.edition,
        "description": schedule.description,
        "when": {
            "expression": schedule.when.expression,
            "timezone": schedule.when.timezone,
            "anchor": schedule.when.anchor,
            "gap": schedule.when.gap.value,
            "overlap": schedule.when.overlap.value,
            "starts_at": schedule.when.starts_at,
            "ends_at": schedule.when.ends_at,
        },
        "start": {
            "workflow": schedule.start.workflow,
            "version": schedule.start.version,
            "input": orjson.dumps(schedule.start.input).decode(),
            "labels": [[key, value] for key, value in schedule.start.labels.items()],
        },
        "policy": {
            "catch_up": schedule.policy.catch_up.value,
            "window_s": schedule.policy.window.total_seconds(),
            "on_time_s": schedule.policy.on_time.total_seconds(),
            "concurrency": schedule.policy.concurrency.value,
        },
        "status": schedule.status.value,
        "reason": schedule.reason,
        "settled": exact(schedule.settled),
        "next_at": schedule.next_at,
        "going": [{"run": going.run, "since": going.since} for going in schedule.going],
        "fired": schedule.fired,
        "last_at": schedule.last_at,
        "last_run": schedule.last_run,
        "created_at": schedule.created_at,
        "updated_at": schedule.updated_at,
        "actor": schedule.actor,
    }


def read_schedule(document: Mapping[str, Any]) -> Schedule:
    """The reverse of :func:`schedule_document`."""
    when, start, policy = document["when"], document["start"], document["policy"]
    return Schedule(
        namespace=document["namespace"],
        name=document["name"],
        generation=document["generation"],
        edition=document["edition"],
        description=document["description"],
        when=When(
            expression=when["expression"],
            timezone=when["timezone"],
            anchor=when["anchor"],
            gap=Gap(when["gap"]),
            overlap=Overlap(when["overlap"]),
            starts_at=when["starts_at"],
            ends_at=when["ends_at"],
        ),
        start=Start(
            workflow=start["workflow"],
            version=start["version"],
            input=orjson.loads(start["input"]),
            labels=dict(start["labels"]),
        ),
        policy=Policy(
            catch_up=CatchUp(policy["catch_up"]),
            window=timedelta(seconds=policy["window_s"]),
            on_time=timedelta(seconds=policy["on_time_s"]),
            concurrency=Concurrency(policy["concurrency"]),
        ),
        status=Status(document["status"]),
        reason=document["reason"],
        settled=datetime.fromisoformat(document["settled"]),
        next_at=document["next_at"],
        going=tuple(Going(going["run"], going["since"]) for going in document["going"]),
        fired=document["fired"],
        last_at=document["last_at"],
        last_run=document["last_run"],
        created_at=document["created_at"],
        updated_at=document["updated_at"],
        actor=document["actor"],
    )


def exact(instant: datetime) -> str:
    """An instant to the microsecond: MongoDB's dates end at milliseconds, and a cursor must never go back."""
    return instant.isoformat()
