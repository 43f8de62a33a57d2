"""Cases that the platform opens by itself, from the signals of runs, schedules, assets, alerts and everything else."""

from dataclasses import replace
from datetime import datetime

from tocsin.errors import Invalid
from tocsin.signals import CloudEvent, derive, follow
from tocsin.signals.subjects import SignalSubject, parse_signal
from tocsin_case.application.guiding import Guide
from tocsin_case.application.ledger import By, Decision, Ledger, value_of
from tocsin_case.application.opening import Openings
from tocsin_case.application.playbooks import Playbooks
from tocsin_case.domain.cases import PLATFORM, Case, occur_again
from tocsin_case.domain.causes import Meaning, Occurrence, read_occurrence
from tocsin_case.domain.counted import Counted, mark_of
from tocsin_case.domain.flow import arrive
from tocsin_case.domain.recoveries import Recovery, how_recovered, remembered
from tocsin_case.domain.rules import Rule, asked_for, dedupe_of, links_of, matching, open_case, quiet, recovered
from tocsin_case.domain.types import Stage
from tocsin_case.ports import BesideStore, Configuration
from tocsin_kit.bus.delivery import Delivery
from tocsin_kit.store import Entry

_ENDS = frozenset({"completed", "faulted", "cancelled", "refused"})
_OWN = ("case", "case-rule", "case-setting")
_KNOWN = 5.0  # seconds for which rules are remembered; only signals that no family knows rely on it


class Intake:
    """Turns what goes wrong into cases, and what is well again into resolutions.

    Args:
        ledger: Changes cases.
        openings: Opens cases.
        configuration: Where rules are.
        playbooks: Told about the ends of runs.
        besides: Where it is kept what was counted.
    """

    def __init__(
        self, ledger: Ledger, openings: Openings, configuration: Configuration, playbooks: Playbooks, besides: BesideStore
    ) -> None:
        self._ledger = ledger
        self._besides = besides
        self._openings = openings
        self._configuration = configuration
        self._playbooks = playbooks
        self._known: dict[str, tuple[float, list[Rule]]] = {}

    async def hear(self, delivery: Delivery) -> None:
        """Take one signal; safe to repeat.

        Raises:
            Conflict: Another replica was first; deliver again.
        """
        place = parse_signal(delivery.subject)
        if place.entity in _OWN:
            self._known.pop(place.namespace, None)
            return
        if place.entity == "task" and not await self._named(place):
            return
        event = delivery.event()
        if place.entity == "approval":
            await self._playbooks.approval(event, place.transition)
        if place.entity == "run" and place.transition in _ENDS:
            await self._playbooks.ended(place.id, place.transition, event)
        occurrence = read_occurrence(
            event,
            namespace=place.namespace,
            entity=place.entity,
            transition=place.transition,
            subject=place.id,
            position=delivery.sequence,
        )
        # Before looking for cases: whoever opens one at this moment looks for recoveries after that.
        for key in remembered(await self._rules(place.namespace), occurrence):
            now = self._ledger.clock.now()
            await self._besides.recover(Recovery(key, occurrence.position, how_recovered(occurrence), now))
        await self.take(occurrence, event, asked_for(occurrence))

    async def take(self, occurrence: Occurrence, event: CloudEvent, last: Rule | None = None) -> None:
        """Open, append to, or resolve what a signal is about; ``last`` is the rule for what no other rule matches."""
        if occurrence.meaning is Meaning.BROKEN:
            rules = await self._configuration.of_namespace(Rule, occurrence.namespace)
            fitting = matching(rules, occurrence)
            await self._broken(occurrence, rules if fitting is not None or last is None else [last], event)
            return
        rules = await self._rules(occurrence.namespace)
        if occurrence.meaning is Meaning.WELL:
            keys = {occurrence.key, *(dedupe_of(rule, occurrence) for rule in rules if rule.dedupe)}
            await self._well(occurrence, sorted(keys), event)
            return
        await self._broken(occurrence, rules, event)
        named = [rule for rule in rules if rule.recovery == occurrence.signal]
        if named:
            await self._well(occurrence, sorted({dedupe_of(rule, occurrence) for rule in named}), event)

    async def _broken(self, occurrence: Occurrence, rules: list[Rule], event: CloudEvent) -> None:
        mark = mark_of(event.source, event.id, place=occurrence.position if occurrence.kind == "alert" else None)
        if await self._besides.counted(mark):
            return
        rule = matching(rules, occurrence)
        keys = {occurrence.key} if rule is None else {dedupe_of(rule, occurrence)}
        known = await self._ledger.store.active(sorted(keys)) if rule is not None or occurrence.meaning is not None else []
        if known:
            if rule is None or rule.append:
                await self._again(known[0], occurrence, event, mark)
                await self._overtaken(sorted(keys), event)
            return
        if rule is None or not await self._speaks(rule, occurrence):
            return
        case_id = derive("case", rule.key, event.id)
        if (await self._ledger.store.load(case_id)).value is not None:
            return  # opened by an earlier delivery of this signal, and resolved since
        now = self._ledger.clock.now()
        template = await self._openings.template(rule.namespace, rule.template)
        kind = await self._ledger.desk.kind(rule.namespace, rule.kind)
        case = open_case(rule, occurrence, kind, case_id=case_id, now=now)
        case = replace(case, tags=tuple(dict.fromkeys((*template.tags, *case.tags))), fields={**template.fields, **case.fields})
        case = replace(case, team=case.team or template.team, owner=case.owner or template.owner)
        case = replace(case, restricted=template.restricted)
        by, why, counted = By(PLATFORM, follow(event)), f"opened by {rule.name}", [Counted(mark, case_id, now)]
        try:
            await self._openings.complete(case, template, rule.promise, by=by, now=now, why=why, counted=counted)
        except Invalid:  # fields that the type does not take (any more): a case without them is better than none
            bare = replace(case, fields={}, kind="incident")
            await self._openings.complete(bare, template, rule.promise, by=by, now=now, why=why, counted=counted)
        await self._overtaken(sorted(keys), event)

    async def _speaks(self, rule: Rule, occurrence: Occurrence) -> bool:
        """Whether a rule opens something now: not in times of quiet, nor soon after the last case about the same thing."""
        now = self._ledger.clock.now()
        if quiet(rule, now) is not None:
            return False
        return not rule.suppress or not await self._ledger.store.ended_since(dedupe_of(rule, occurrence), now - rule.suppress)

    async def _again(self, known: Entry[Case], occurrence: Occurrence, event: CloudEvent, mark: str) -> None:
        async def decide(case: Case, _guide: Guide, now: datetime) -> Decision:
            if await self._besides.counted(mark):  # by another replica, a moment ago
                return Decision(case)
            link, *behind = links_of(occurrence)
            after = occur_again(case, link, position=occurrence.position, now=now)
            for more in behind if after is not case else ():
                after = after.linked(more)
            return Decision(after, beside=[Counted(mark, case.id, now)])

        await self._ledger.change(known.key, decide, by=By(PLATFORM, follow(event)), why="happened again")

    async def _well(self, occurrence: Occurrence, keys: list[str], event: CloudEvent) -> None:
        await self._resolve(keys, occurrence.position, how_recovered(occurrence), event)

    async def _overtaken(self, keys: list[str], event: CloudEvent) -> None:
        """What was opened by a failure that was heard after the recovery which followed it is over already."""
        for key in keys:
            recovery = await self._besides.recovery(key)
            if recovery is not None:
                await self._resolve([key], recovery.position, recovery.how, event)

    async def _resolve(self, keys: list[str], position: int, how: str, event: CloudEvent) -> None:
        for known in await self._ledger.store.active(keys):
            if not recovered(value_of(known), position=position):
                continue

            async def decide(case: Case, guide: Guide, now: datetime) -> Decision:
                end = guide.kind.at_stage(Stage.RESOLVED) or guide.kind.at_stage(Stage.CLOSED)
                if end is None or not recovered(case, position=position):
                    return Decision(case)
                resolved = replace(case, resolution=how, last_position=position)
                return Decision(arrive(resolved, end.name, end.stage, now=now, hours=guide.hours))

            await self._ledger.change(known.key, decide, by=By(PLATFORM, follow(event)), why="recovered")

    async def _rules(self, namespace: str) -> list[Rule]:
        now = self._ledger.clock.monotonic()
        known = self._known.get(namespace)
        if known is None or now - known[0] > _KNOWN:
            known = self._known[namespace] = (now, await self._configuration.of_namespace(Rule, namespace))
        return known[1]

    async def _named(self, place: SignalSubject) -> bool:
        return any(rule.signal.startswith("task.") for rule in await self._rules(place.namespace))
