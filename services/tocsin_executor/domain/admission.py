"""Who may begin: a pure decision over those who wait, those who hold a limit, and what began lately.

Nothing is counted up or down. A holder is a run that was let in and has not ended; whoever asks looks them up again. So a limit
can never leak: the end of a run, however it comes, is what frees its place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from tocsin_executor.domain.limits import Gate, Policy
from tocsin_executor.domain.values import Millis


@dataclass(frozen=True, slots=True)
class Candidate:
    """A run that waits.

    Attributes:
        run: Its id.
        gates: What it has to pass; those of pools with the pool's limits as they are now.
        priority: The greater is first.
        since: When its start was accepted.
    """

    run: str
    gates: tuple[Gate, ...]
    priority: int
    since: Millis

    @property
    def place(self) -> tuple[int, Millis, str]:
        """The order in which runs are let in."""
        return (-self.priority, self.since, self.run)


@dataclass(frozen=True, slots=True)
class Holder:
    """A run that was let in and has not ended.

    Attributes:
        run: Its id.
        since: When its start was accepted.
        leaving: It was asked to end already.
    """

    run: str
    since: Millis
    leaving: bool = False


@dataclass(frozen=True, slots=True)
class Admit:
    """Let it begin."""

    run: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """It does not begin: its limit is reached, and its policy is not to wait. ``keep``: it stays to be seen, as cancelled."""

    run: str
    key: str
    keep: bool


@dataclass(frozen=True, slots=True)
class Displace:
    """Ask a holder to end, to make room for a newer run."""

    run: str
    key: str


Verdict: TypeAlias = Admit | Refuse | Displace


@dataclass(slots=True)
class Situation:
    """What the decision is made from.

    Attributes:
        now: The time.
        waiting: Runs that wait at the key in question, and with them all of their other gates.
        holders: By key, of every key that ``waiting`` names.
        starts: By key, when runs were let in lately; as far back as the longest rate asks.
    """

    now: Millis
    waiting: Sequence[Candidate]
    holders: Mapping[str, Sequence[Holder]]
    starts: Mapping[str, Sequence[Millis]] = field(default_factory=dict)


def decide(situation: Situation) -> list[Verdict]:
    """What to do now; nothing is to be done for those who are not named: they go on waiting.

    Runs are taken by priority and then by age. One that cannot begin does not hold back those behind it, unless they wait at
    the same gate.
    """
    verdicts: list[Verdict] = []
    waiting = sorted(situation.waiting, key=lambda candidate: candidate.place)
    gone = _displace(situation, waiting, verdicts)
    held = {key: {holder.run for holder in holders} for key, holders in situation.holders.items()}
    starts = {key: list(times) for key, times in situation.starts.items()}
    for candidate in waiting:
        if candidate.run in gone:
            continue
        shut = [gate for gate in candidate.gates if not _open(gate, held, starts, situation.now)]
        if not shut:
            for gate in candidate.gates:
                held.setdefault(gate.key, set()).add(candidate.run)
                starts.setdefault(gate.key, []).append(situation.now)
            verdicts.append(Admit(candidate.run))
        elif any(gate.policy is Policy.SKIP for gate in shut):
            verdicts.append(Refuse(candidate.run, shut[0].key, keep=False))
        elif any(gate.policy is Policy.CANCEL_NEWEST for gate in shut):
            verdicts.append(Refuse(candidate.run, shut[0].key, keep=True))
    return verdicts


def _open(gate: Gate, held: Mapping[str, set[str]], starts: Mapping[str, list[Millis]], now: Millis) -> bool:
    if gate.limit is not None and len(held.get(gate.key, ())) >= gate.limit:
        return False
    if gate.rate is None:
        return True
    return sum(1 for at in starts.get(gate.key, ()) if at > now - gate.rate.every) < gate.rate.limit


@dataclass(frozen=True, slots=True)
class Standing:
    """How a gate stands for those who wait at it.

    Attributes:
        key: Of the gate.
        limit: Runs at once, or ``None``.
        full: All places are held.
        opens: When its rate lets the next one through, where it is the rate that is in the way.
    """

    key: str
    limit: int | None
    full: bool
    opens: Millis | None

    @property
    def open(self) -> bool:
        """Whether it would let one more through."""
        return not self.full and self.opens is None


def standings(situation: Situation, run: str) -> list[Standing]:
    """How the gates of a run stand; none if it is not among those who were looked at."""
    candidate = next((candidate for candidate in situation.waiting if candidate.run == run), None)
    found = []
    for gate in () if candidate is None else candidate.gates:
        full = gate.limit is not None and len(situation.holders.get(gate.key, ())) >= gate.limit
        found.append(Standing(gate.key, gate.limit, full, _opens(gate, situation)))
    return found


def _displace(situation: Situation, waiting: Sequence[Candidate], verdicts: list[Verdict]) -> set[str]:
    """Where the oldest make room: everything beyond the limit, from the oldest on, whether it has begun or not."""
    gates = {gate.key: gate for c in waiting for gate in c.gates if gate.policy is Policy.CANCEL_OLDEST}
    gone: set[str] = set()
    for key, gate in gates.items():
        if gate.limit is None:
            continue
        staying = [holder for holder in situation.holders.get(key, ()) if not holder.leaving]
        queued = [c for c in waiting if c.run not in gone and any(other.key == key for other in c.gates)]
        live = sorted([(h.since, h.run, True) for h in staying] + [(c.since, c.run, False) for c in queued])
        for _, run, began in live[: max(0, len(live) - gate.limit)]:
            if began:
                verdicts.append(Displace(run, key))
            else:
                verdicts.append(Refuse(run, key, keep=True))
                gone.add(run)
    return gone


def next_look(situation: Situation) -> Millis | None:
    """When a rate opens again that somebody waits for, if nothing else happens before."""
    gates = {gate for candidate in situation.waiting for gate in candidate.gates}
    return min((opens for gate in gates if (opens := _opens(gate, situation)) is not None), default=None)


def _opens(gate: Gate, situation: Situation) -> Millis | None:
    """When the rate of a gate opens, if it is closed by it."""
    if gate.rate is None:
        return None
    times = sorted(at for at in situation.starts.get(gate.key, ()) if at > situation.now - gate.rate.every)
    return times[len(times) - gate.rate.limit] + gate.rate.every if len(times) >= gate.rate.limit else None
