"""The signals that leave with a change of a case, numbered behind what was said of it before."""

from collections.abc import Sequence
from datetime import datetime

from tocsin.signals import Cause
from tocsin.signals.catalogue import case as words
from tocsin.signals.kinds import Payload, SignalType
from tocsin.signals.make import make_signal, subject_of
from tocsin_case.domain.cases import Case, Status
from tocsin_kit.store import Outgoing

Said = tuple[SignalType[Payload], Payload]


def announce(
    said: Sequence[Said], *, namespace: str, entity_id: str, after: int, now: datetime, cause: Cause, actor: str | None
) -> list[Outgoing]:
    """Signals ready for the outbox.

    Args:
        said: Kinds and payloads, in order.
        namespace: Of the entity.
        entity_id: Its id.
        after: Number of the last signal of the entity.
        now: When.
        cause: Why.
        actor: Who.
    """
    signals = [
        make_signal(
            kind,
            namespace=namespace,
            entity_id=entity_id,
            sequence=after + number,
            time=now,
            payload=payload,
            cause=cause,
            actor=actor,
        )
        for number, (kind, payload) in enumerate(said, start=1)
    ]
    return [Outgoing.of(subject_of(signal), signal) for signal in signals]


def of_opening(case: Case) -> Said:
    """That a case was opened."""
    run = next((link.target for link in case.links if link.kind == "run"), None)
    return words.CASE_OPENED, words.CaseOpened(title=case.title, kind=case.kind, run=run, priority=case.priority.value)


def of_transition(before: Case, after: Case) -> list[Said]:
    """That a case took a step; an end and a new beginning have words of their own beside it."""
    said: list[Said] = [(words.CASE_TRANSITIONED, words.CaseTransitioned(before=before.status.value, after=after.status.value))]
    if after.status is Status.CLOSED:
        said.append((words.CASE_CLOSED, words.CaseClosed(resolution=after.resolution)))
    if after.status is Status.OPEN:
        said.append((words.CASE_REOPENED, words.CaseReopened()))
    return said
