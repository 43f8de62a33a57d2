"""A search over cases as a filter of the database."""

from datetime import UTC, datetime

from tocsin_case.adapters.indexes import ranked
from tocsin_case.domain.types import Priority, Stage
from tocsin_case.domain.words import asked, fact
from tocsin_case.ports import CaseSearch
from tocsin_kit.store import Filter

SEVERITIES = range(1, 6)
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)  # a date, so that the index over due instants is read from its first one


def case_filter(search: CaseSearch) -> Filter:
    """The filter of a search."""
    chosen = Filter()
    if search.text is not None:
        whole, begun = asked(search.text)
        for word in whole:
            chosen = chosen.eq("words", word)
        for beginning in begun:
            chosen = chosen.prefix("words", beginning)
    if search.namespaces is not None:
        named = Filter().one_of("namespace", sorted(search.namespaces))
        chosen = chosen.any_of(named, *(Filter().prefix("namespace", prefix) for prefix in search.prefixes))
    for field, value in (
        ("kind", search.kind),
        ("owner", search.owner),
        ("team", search.team),
        ("queue", search.queue),
        ("tags", search.tag),
        ("links.target", search.link),
        ("rule", search.rule),
    ):
        if value is not None:
            chosen = chosen.eq(field, value)
    for field, values in (("status", search.status), ("stage", search.stage), ("priority", search.priority)):
        if values:
            chosen = chosen.one_of(field, values)
    return _seen(_numbers(_ranks(chosen, search) if ranked(search) else chosen, search), search)


def _ranks(chosen: Filter, search: CaseSearch) -> Filter:
    """All values of what is not asked for, so that the index over the three is read in order."""
    if not search.stage:
        chosen = chosen.one_of("stage", [stage.value for stage in Stage])
    if search.severity is None:
        chosen = chosen.one_of("severity", SEVERITIES)
    return chosen if search.priority else chosen.one_of("priority", [priority.value for priority in Priority])


def _numbers(chosen: Filter, search: CaseSearch) -> Filter:
    if search.severity is not None:
        chosen = chosen.eq("severity", search.severity)
    if search.active is not None or search.overdue:  # what has ended is not late any more
        chosen = chosen.eq("active", search.active is not False)
    if search.overdue is not None:
        chosen = chosen.eq("overdue", search.overdue)
    if search.unowned:
        chosen = chosen.eq("owner", None)
    if search.opened_after is not None:
        chosen = chosen.at_least("opened_at", search.opened_after)
    if search.opened_before is not None:
        chosen = chosen.below("opened_at", search.opened_before)
    for name, text in search.fields.items():
        chosen = chosen.eq("facts", fact(name, text))
    # Without a bound on what is sorted by, the database does not look at the other members of an index entry.
    return chosen.at_least(search.order, BEGINNING)


def _seen(chosen: Filter, search: CaseSearch) -> Filter:
    viewer = search.viewer
    if search.restricted is not None:
        chosen = chosen.eq("restricted", True) if search.restricted else chosen.not_eq("restricted", True)
    if viewer is None or viewer.everything or search.restricted is False:
        return chosen
    mine = [Filter().eq(field, viewer.subject) for field in ("owner", "opened_by", "members")]
    for key in sorted(viewer.teams):
        namespace, _, team = key.partition("/")
        mine.append(Filter().eq("namespace", namespace).eq("team", team))
    return chosen.any_of(Filter().not_eq("restricted", True), *mine)
