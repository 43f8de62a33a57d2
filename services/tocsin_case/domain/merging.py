"""Cases that turn out to be one: merged so that nothing is lost, and taken apart again.

Nothing of a merged case is moved: it is closed and refers to the one that took it over, which keeps a record of what it got. So
taking apart is exact, and every old reference still leads somewhere.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from tocsin.errors import Conflict, Invalid
from tocsin_case.domain.calendars import Hours
from tocsin_case.domain.cases import LINKS, MERGES, TAGS, Case, Link, Merged
from tocsin_case.domain.flow import arrive
from tocsin_case.domain.types import CaseType, Stage


class NotMergeable(Conflict):
    """These cases cannot be merged."""

    code = "case.not_mergeable"


def merge(target: Case, sources: Sequence[tuple[Case, CaseType, Hours]], now: datetime) -> tuple[Case, list[Case]]:
    """One case of several.

    Args:
        target: The one that stays.
        sources: The others, with their types and hours.
        now: When.

    Returns:
        The case that stays, and the others as they are then, in order.

    Raises:
        NotMergeable: One is merged already, is the target itself, is in another namespace, or is seen by fewer people.
    """
    if target.merged_into is not None:
        raise NotMergeable(f"case {target.id} is itself a part of {target.merged_into}")
    closed: list[Case] = []
    for source, kind, hours in sources:
        _check(target, source)
        links = tuple(link for link in source.links if link not in target.links)
        tags = tuple(tag for tag in source.tags if tag not in target.tags)
        record = Merged(
            case=source.id,
            at=now,
            status=source.status,
            answered=source.answered_at,
            resolution=source.resolution,
            links=links,
            tags=tags,
            dedupes=source.dedupes,
            occurrences=source.occurrences,
        )
        target = replace(
            target,
            links=(*target.links, *links, Link("case", source.id, "duplicate"))[-LINKS:],
            tags=(*target.tags, *tags)[:TAGS],
            dedupes=tuple(dict.fromkeys((*target.dedupes, *source.dedupes))),
            occurrences=target.occurrences + source.occurrences,
            last_position=max(target.last_position, source.last_position),
            merges=(*target.merges, record),
            updated_at=now,
        )
        closed.append(_closed(source, kind, hours, target.id, now))
    return target, closed


def unmerge(target: Case, source: Case, kind: CaseType, hours: Hours, now: datetime) -> tuple[Case, Case]:
    """Take a case out again, as it was, with what it brought along.

    Raises:
        Invalid: It is no part of this case.
    """
    record = next((merged for merged in target.merges if merged.case == source.id), None)
    if record is None or source.merged_into != target.id:
        raise Invalid(f"case {source.id} is no part of {target.id}")
    brought = {*record.links, Link("case", source.id, "duplicate")}
    target = replace(
        target,
        links=tuple(link for link in target.links if link not in brought),
        tags=tuple(tag for tag in target.tags if tag not in record.tags),
        dedupes=tuple(key for key in target.dedupes if key not in record.dedupes),
        occurrences=max(target.occurrences - record.occurrences, 1),
        merges=tuple(merged for merged in target.merges if merged.case != source.id),
        updated_at=now,
    )
    status = kind.status(record.status)
    name, stage = (status.name, status.stage) if status else (kind.initial, Stage.NEW)
    # That it was merged is no answer to it and no solution: the numbers about cases would count both.
    was = replace(source, merged_into=None, dedupes=record.dedupes, answered_at=record.answered, resolution=record.resolution)
    return target, arrive(was, name, stage, now=now, hours=hours)


def _check(target: Case, source: Case) -> None:
    """Whether one case can become a part of the other."""
    if source.id == target.id or source.merged_into is not None or source.namespace != target.namespace:
        raise NotMergeable(
            f"case {source.id} cannot be merged into {target.id}", hint="both are in one namespace, each by itself"
        )
    if source.restricted and not target.restricted:
        raise NotMergeable(
            f"case {source.id} is restricted and {target.id} is not",
            hint="restrict the case that is to stay first: it shows what the other one says",
        )
    if len(target.merges) >= MERGES:
        raise NotMergeable(f"case {target.id} has taken over {MERGES} others already")


def _closed(source: Case, kind: CaseType, hours: Hours, into: str, now: datetime) -> Case:
    status = kind.at_stage(Stage.CLOSED) or kind.at_stage(Stage.RESOLVED)
    assert status is not None, "a checked type has an end"
    ended = arrive(source, status.name, status.stage, now=now, hours=hours)
    return replace(ended, merged_into=into, dedupes=(), resolution=f"Merged into {into}.")
