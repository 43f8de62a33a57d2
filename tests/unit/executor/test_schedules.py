"""What a definition says about its own schedule."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tocsin.definitions import DefinitionInvalid
from tocsin_executor.application.schedules import schedule_of
from tocsin_executor.domain.scheduling import schedule_faults, schedule_slips


def test_the_block_becomes_words_for_the_scheduler() -> None:
    """Days stay days; an object of parts becomes exact seconds; events go as they were written."""
    assert schedule_of({"do": []}) is None
    on = {"one": {"with": {"type": "com.example.order"}}}
    listening = schedule_of({"schedule": {"on": on, "read": "envelope"}})
    assert listening is not None
    assert (listening.on, listening.read, listening.cron) == (on, "envelope", None)
    block = schedule_of({"schedule": {"every": "P1D", "cron": "0 9 * * MON", "after": {"minutes": 1, "seconds": 30}}})
    assert block is not None
    assert (block.every, block.cron, block.after) == ("P1D", "0 9 * * MON", "PT90.000S")


@pytest.mark.parametrize(("kind", "text"), [("cron", "61 * * * *"), ("every", "PT0S"), ("after", "${ .x }")])
def test_a_timetable_that_makes_no_sense_is_not_published(kind: str, text: str) -> None:
    """The violation points into the document."""
    with pytest.raises(DefinitionInvalid) as caught:
        schedule_of({"schedule": {kind: text}})
    assert caught.value.violations[0].pointer == f"/schedule/{kind}"


@pytest.mark.parametrize(
    ("on", "pointer"),
    [
        ({}, "/schedule/on"),
        ({"all": []}, "/schedule/on/all"),
        ({"one": {"with": {}}}, "/schedule/on/one"),
        ({"one": {"with": {"type": "a["}}}, "/schedule/on/one/with/type"),
        ({"one": {"with": {"type": "a", "A b": 1}}}, "/schedule/on/one/with/A b"),
        ({"any": [{"with": {"type": "a"}}], "until": ".x ="}, "/schedule/on/until"),
        ({"any": [{"with": {"type": "a"}}], "until": "range(1e9) > 5"}, "/schedule/on/until"),
        ({"one": {"with": {"type": "a", "data": "${ .x = }"}}}, "/schedule/on/one/with"),
        ({"one": {"with": {"type": "a"}, "correlate": {"x": {"from": ".x ="}}}}, "/schedule/on/one/correlate/x"),
        ({"any": [{"with": {"type": "a"}}], "until": {"one": 1}}, "/schedule/on/until/one"),
        (
            {"all": [{"with": {"type": "a"}, "correlate": {"a": {"from": ".x"}}}, {"with": {"type": "b"}}]},
            "/schedule/on/all/1/correlate",
        ),
        ({"all": [{"with": {"type": "a"}, "correlate": {"a": {"expect": 1}}}]}, "/schedule/on/all/0/correlate/a"),
    ],
)
def test_events_that_no_trigger_could_listen_to_are_not_published(on: dict, pointer: str) -> None:
    """Refused with the place, never ignored."""
    with pytest.raises(DefinitionInvalid) as caught:
        schedule_of({"schedule": {"on": on}})
    assert [violation.pointer for violation in caught.value.violations] == [pointer]


NOW = datetime(2026, 11, 23, tzinfo=UTC)
STRICT = {"schema": {"document": {"type": "object", "required": ["x"]}}}


@pytest.mark.parametrize(
    ("document", "faults", "slips"),
    [
        ({"schedule": {"cron": "0 0 30 2 *"}}, ["/schedule/cron"], None),
        ({"schedule": {"cron": "nonsense"}}, ["/schedule/cron"], None),
        ({"schedule": {"cron": "0 0 29 2 *"}}, [], []),
        ({"schedule": {"every": "PT1H"}, "input": STRICT}, [], ["/schedule/every"]),
        ({"schedule": {"cron": "0 9 * * *"}, "input": {"schema": {"document": {"type": "object"}}}}, [], []),
        ({"schedule": {"on": {"one": {"with": {"type": "a"}}}}, "input": STRICT}, [], ["/schedule/on"]),
        ({"schedule": {"on": {"one": {"with": {"type": "a"}}}}, "input": {"schema": {"document": {"type": "array"}}}}, [], []),
        ({"schedule": {"cron": "0 0 0 1 1 * 2020"}}, [], ["/schedule/cron"]),
        ({"input": STRICT}, [], []),
    ],
)
def test_a_schedule_that_starts_nothing_or_only_failures_is_said(
    document: dict[str, Any], faults: list[str], slips: list[str] | None
) -> None:
    """What never fires is refused; what has fired, or gives runs an input that they refuse, is a slip."""
    assert [fault.pointer for fault in schedule_faults(document)] == faults
    assert slips is None or [slip.pointer for slip in schedule_slips(document, NOW)] == slips
