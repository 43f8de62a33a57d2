"""Recoveries that are remembered for a while, because a failure from before one may be heard after it.

What a killed replica had in hand is delivered again when others have long heard that all is well. Without a memory the case of
such a failure would stay open until the cause fails and recovers once more. Only what could still open a case is remembered: a
recovery that no rule watches costs nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Final

from tocsin_case.domain.causes import Meaning, Occurrence
from tocsin_case.domain.rules import Rule, dedupe_of

_OPENERS: Final[Mapping[str, tuple[str, ...]]] = {
    "run": ("run.faulted", "run.refused"),
    "schedule": ("schedule.missed",),
    "asset": ("asset.freshness-changed",),
    "asset-check": ("asset.check-evaluated",),
    "webhook": ("webhook.disabled",),
}


@dataclass(frozen=True, slots=True)
class Recovery:
    """The last time that something was heard to be well.

    Attributes:
        key: What it is about, as cases are deduplicated.
        position: Place of the signal in the stream of signals.
        how: What a case says that it resolves.
        at: When it was heard.
    """

    key: str
    position: int
    how: str
    at: datetime


def remembered(rules: Iterable[Rule], occurrence: Occurrence) -> list[str]:
    """The keys under which a recovery has to be remembered.

    Args:
        rules: Of its namespace.
        occurrence: That something is well, or a signal that rules name as the end of others.
    """
    enabled = [rule for rule in rules if rule.enabled]
    if occurrence.meaning is not Meaning.WELL:
        return sorted({dedupe_of(rule, occurrence) for rule in enabled if rule.recovery == occurrence.signal})
    openers = _OPENERS.get(occurrence.family)
    keys = {dedupe_of(rule, occurrence) for rule in enabled if openers is None or _opens(rule, occurrence, openers)}
    if openers is None:  # alerts, which open cases without any rule as well
        keys.add(occurrence.key)
    return sorted(keys)


def how_recovered(occurrence: Occurrence) -> str:
    """What a case says that a recovery resolves."""
    if occurrence.kind == "run":
        return f"Recovered: run `{occurrence.target}` of `{occurrence.name}` completed."
    return f"Recovered: `{occurrence.signal}` of `{occurrence.name}`."


def _opens(rule: Rule, occurrence: Occurrence, openers: tuple[str, ...]) -> bool:
    """Whether a rule could open a case for the failure of what has recovered."""
    if rule.recovery == occurrence.signal:
        return True
    return fnmatchcase(occurrence.name, rule.subject) and any(fnmatchcase(one, rule.signal) for one in openers)
