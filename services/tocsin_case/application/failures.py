"""Cases that the platform opens by itself, from the signals of runs."""

from dataclasses import replace
from datetime import datetime

from tocsin.signals import CloudEvent, derive, follow
from tocsin.signals.catalogue import case as words
from tocsin.signals.catalogue import executor as run_words
from tocsin.signals.make import read_payload
from tocsin.signals.subjects import parse_signal
from tocsin_case.application.announcing import announce, of_opening, of_transition
from tocsin_case.domain.cases import Link, Status, occur_again, transition
from tocsin_case.domain.rules import PLATFORM, Failure, dedupe_key, open_case, recovered, rule_for
from tocsin_case.ports import CaseStore, RuleStore
from tocsin_kit.bus.delivery import Delivery
from tocsin_kit.clock import Clock

_RUN_ID = 26  # characters; the name of a run is <workflow>-<run id>.<namespace>


class Failures:
    """Turns failed runs into cases, and recovered ones into resolutions.

    Args:
        cases: Where cases are.
        rules: Which failures open one.
        clock: Time.
    """

    def __init__(self, cases: CaseStore, rules: RuleStore, *, clock: Clock) -> None:
        self._cases = cases
        self._rules = rules
        self._clock = clock

    async def hear(self, delivery: Delivery) -> None:
        """Take one signal; safe to repeat.

        Raises:
            Conflict: Another replica was first; deliver again.
        """
        place = parse_signal(delivery.subject)
        if place.entity != "run" or place.transition not in {"faulted", "completed"}:
            return
        event = delivery.event()
        if place.transition == "faulted":
            data = read_payload(run_words.WORKFLOW_FAULTED, event)
            failure = Failure(
                namespace=place.namespace,
                workflow=workflow_of(data.name),
                run=place.id,
                error=data.error.title or data.error.detail or data.error.type,
                position=delivery.sequence,
            )
            await self._failed(failure, event)
        else:
            name = read_payload(run_words.WORKFLOW_COMPLETED, event).name
            await self._completed(place.namespace, workflow_of(name), place.id, delivery.sequence, event)

    async def _failed(self, failure: Failure, event: CloudEvent) -> None:
        now, cause = self._clock.now(), follow(event)
        known = await self._cases.active(dedupe_key(failure.namespace, failure.workflow))
        if known is not None and known.value is not None:
            case = occur_again(known.value, Link("run", failure.run), position=failure.position, now=now)
            if case is known.value:
                return
            recurred = words.CaseRecurred(occurrences=case.occurrences, run=failure.run)
            outbox = announce(
                [(words.CASE_RECURRED, recurred)],
                namespace=case.namespace,
                entity_id=case.id,
                after=known.sequence,
                now=now,
                cause=cause,
                actor=PLATFORM,
            )
            await self._cases.commit(known, case, outbox)
            return
        rule = rule_for(await self._rules.of_namespace(failure.namespace), failure)
        if rule is None:
            return
        case_id = derive("case", rule.key, event.id)
        entry = await self._cases.load(case_id)
        if entry.value is not None:  # opened by an earlier delivery of this signal, and resolved since
            return
        case = open_case(rule, failure, case_id=case_id, now=now)
        outbox = announce(
            [of_opening(case)],
            namespace=case.namespace,
            entity_id=case.id,
            after=entry.sequence,
            now=now,
            cause=cause,
            actor=PLATFORM,
        )
        await self._cases.commit(entry, case, outbox)

    async def _completed(self, namespace: str, workflow: str, run: str, position: int, event: CloudEvent) -> None:
        known = await self._cases.active(dedupe_key(namespace, workflow))
        if known is None or known.value is None or not recovered(known.value, position=position):
            return
        now: datetime = self._clock.now()
        resolution = f"Recovered: run `{run}` of `{workflow}` completed."
        before = replace(known.value, last_position=position)
        case = transition(before, Status.RESOLVED, now=now, resolution=resolution)
        outbox = announce(
            of_transition(before, case),
            namespace=namespace,
            entity_id=case.id,
            after=known.sequence,
            now=now,
            cause=follow(event),
            actor=PLATFORM,
        )
        await self._cases.commit(known, case, outbox)


def workflow_of(name: str) -> str:
    """The workflow in the qualified name of a run, ``<workflow>-<run id>.<namespace>``."""
    return name.rpartition(".")[0][: -_RUN_ID - 1]
