"""Who may answer a question by now, and whether the answers of several people are enough. Pure.

A name that was handed over is replaced by the one it was handed to; somebody who is asked by a role and hands it over is away
from then on, and the other one is asked by name. Names are those of users without `user:`, and subjects of whoever is none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tocsin_executor.domain.values import Json


def bare(name: str) -> str:
    """The name of a user, or the subject of whoever is none."""
    return name.removeprefix("user:")


@dataclass(frozen=True, slots=True)
class Standing:
    """Who is asked by now.

    Attributes:
        names: By name, in the order of the definition.
        away: Who has handed it over.
    """

    names: tuple[str, ...]
    away: frozenset[str]

    def asks(self, name: str) -> bool:
        """Whether somebody is asked by name."""
        return bare(name) in {bare(one) for one in self.names}


def listed(request: Mapping[str, Json], part: str) -> tuple[str, ...]:
    """``assignees`` or ``roles`` of a question."""
    found = request.get(part)
    return tuple(str(name) for name in found) if isinstance(found, list) else ()


def standing(request: Mapping[str, Json], delegations: Sequence[Mapping[str, Json]]) -> Standing:
    """Who is asked, after what was handed over."""
    names, away = list(listed(request, "assignees")), set[str]()
    for one in delegations:
        source, target = str(one["from"]), str(one["to"])
        place = next((at for at, name in enumerate(names) if bare(name) == source), None)
        if place is None:
            names.append(target)
        else:
            names[place] = target
        away.add(source)
        away.discard(target)
    return Standing(tuple(names), frozenset(away))


def holder(delegations: Sequence[Mapping[str, Json]], name: str) -> str:
    """Who has by now what somebody has handed over."""
    for one in delegations:
        if one["from"] == name:
            name = str(one["to"])
    return name


def wanted(request: Mapping[str, Json]) -> tuple[int, int] | None:
    """How many approvals are wanted, and how many refusals end it; ``None`` where the first answer counts."""
    approvals, refusals = request.get("approvals"), request.get("refusals", 1)
    return (approvals, refusals) if isinstance(approvals, int) and isinstance(refusals, int) else None


def verdict(request: Mapping[str, Json], asked: Standing, answers: Sequence[Mapping[str, Json]]) -> bool | None:
    """Whether it is approved (``True``) or refused; ``None`` while that is open.

    It is refused as well once nobody who could approve it is left.
    """
    terms = wanted(request)
    if terms is None:
        return None
    approvals, refusals = terms
    agree = sum(1 for one in answers if one["approved"] is True)
    if agree >= approvals:
        return True
    if len(answers) - agree >= refusals:
        return False
    if asked.names and not listed(request, "roles"):
        done = {bare(str(one["person"])) for one in answers}
        left = len({bare(name) for name in asked.names} - done)
        if agree + left < approvals:
            return False
    return None
