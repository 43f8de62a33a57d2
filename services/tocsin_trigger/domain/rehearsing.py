"""What a draft of a trigger would have done with events of the past; in virtual time, with a memory that begins empty."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from tocsin.errors import Rejected
from tocsin.expressions import Json
from tocsin.signals import DEPTH_LIMIT, decode
from tocsin_trigger.domain.deciding import Ready, Waiting, as_json, decision_of, is_enough, judge, start_alone
from tocsin_trigger.domain.events import Decision, Outcome, Received
from tocsin_trigger.domain.explaining import Verdict, of_decision, unmet
from tocsin_trigger.domain.gathering import End, Ending, Held
from tocsin_trigger.domain.grouping import Slot, fold, fresh, pass_time
from tocsin_trigger.domain.listening import clauses_of, why_unmet


@dataclass(frozen=True, slots=True)
class Tested:
    """What a draft says about one stored event.

    Attributes:
        event: The record, with what was decided then.
        verdict: What the draft would decide now; of an event that it would hold, what would become of it.
    """

    event: Received
    verdict: Verdict


def rehearse(ready: Ready, events: Sequence[Received]) -> list[Tested]:
    """Try a draft.

    Args:
        ready: The draft.
        events: Accepted ones, in any order.

    Returns:
        One for each event, newest first.
    """
    memory = _Memory(ready)
    verdicts: dict[str, Verdict] = {}
    in_order = sorted(events, key=lambda received: (received.received, received.key))
    for received in in_order:
        why = why_unmet(ready.trigger, received)
        said = unmet(ready.trigger, why) if why is not None else of_decision(memory.decide(received))
        verdicts[received.key] = said
    if in_order:
        memory.look(in_order[-1].received)
    for key, (end, why) in memory.ends.items():
        words = f"It would wait, and then start a run with others: {why}." if end is End.FIRED else f"It would wait: {why}."
        verdicts[key] = replace(verdicts[key], words=words, outcome="fires_later" if end is End.FIRED else end.value)
    return [Tested(received, verdicts[received.key]) for received in reversed(in_order)]


class _Memory:
    """The groups of the draft."""

    def __init__(self, ready: Ready) -> None:
        self._ready = ready
        self._slots: dict[str, Slot] = {}
        self._shown: dict[str, dict[str, Json]] = {}
        self.ends: dict[str, tuple[End, str]] = {}

    def decide(self, received: Received) -> Decision:
        """What it would say as the event comes."""
        assert received.event is not None
        event = decode(received.event)
        shown = as_json(event)
        said = judge(self._ready, shown, clauses_of(self._ready.trigger, received), too_deep=event.depth >= DEPTH_LIMIT)
        if not isinstance(said, Waiting):
            return said
        if self._ready.trigger.gather is None:
            return replace(start_alone(self._ready, shown, received.key)[0], run=None)
        slot = self._slots.get(said.group) or fresh(self._ready.trigger, said.group, received.received, direct=True)
        self._shown[received.key] = shown
        held = Held(received.key, received.received, len(received.event))
        try:
            slot, decision, endings = fold(said, slot, held, self._enough)
        except Rejected as error:
            return decision_of(self._ready.trigger, Outcome.FAILED, error.detail, group=said.group)
        self._slots[said.group] = slot
        self._note(endings, received.key if decision.outcome is Outcome.STARTED else "")
        return decision

    def _enough(self, held: Sequence[Held]) -> bool:
        return is_enough(self._ready, [self._shown[each.event] for each in held])

    def look(self, until: datetime) -> None:
        """Let time pass up to the last event; what waits then waits on."""
        for group, slot in self._slots.items():
            self._slots[group], endings = pass_time(slot, self._ready, until)
            self._note(endings, "")

    def _note(self, endings: Sequence[Ending], last: str) -> None:
        for ending in endings:
            self.ends |= {held.event: (ending.end, ending.why) for held in ending.held if held.event != last}
