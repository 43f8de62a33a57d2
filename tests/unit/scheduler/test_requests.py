"""What a request says becomes a schedule, or is refused by name."""

import pathlib
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML

from tocsin.errors import TooLarge
from tocsin.schedules import Gap, Overlap, TimetableInvalid
from tocsin_scheduler.adapters.documents import read_schedule, schedule_document
from tocsin_scheduler.domain.schedules import Going, Schedule, ScheduleInvalid, check, planned
from tocsin_scheduler.http.schemas import ScheduleBody, SchedulePath, wanted_of

ROOT = pathlib.Path(__file__).parents[3]
NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
PATH = SchedulePath(namespace="default", name="s")


def body(**members: object) -> ScheduleBody:
    return ScheduleBody.model_validate({"workflow": "w", "cron": "0 9 * * *", **members})


@pytest.mark.parametrize("path", sorted((ROOT / "examples" / "schedules").glob("*.yaml")), ids=lambda p: p.stem)
def test_our_examples_are_valid(path: pathlib.Path) -> None:
    """And they start a workflow that is there."""
    document = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    name = SchedulePath(namespace=document.pop("namespace"), name=document.pop("name"))
    wanted = wanted_of(name, ScheduleBody.model_validate(document))
    check(wanted.when, wanted.start, wanted.input_bytes, NOW)
    assert name.name == path.stem
    assert (ROOT / "examples" / f"{wanted.start.workflow}.yaml").is_file()


@pytest.mark.parametrize(
    "members",
    [
        {"every": "PT5M"},
        {"cron": None},
        {"anchor": "2026-01-01T00:00:00Z"},
        {"cron": "PT5M"},
        {"starts_at": "2026-01-01T00:00:00"},
        {"catch_up": "some"},
        {"catch_up_window": "P1000D"},
        {"labels": {str(n): "x" for n in range(40)}},
        {"crno": "* * * * *"},
    ],
)
def test_what_cannot_be_meant_is_refused(members: dict[str, object]) -> None:
    """Both kinds at once, neither, naive times, unknown members."""
    with pytest.raises(ValidationError):
        body(**members)


@pytest.mark.parametrize(
    ("members", "pointer"),
    [({"cron": "61 * * * *"}, "/cron"), ({"cron": None, "every": "P0D"}, "/every"), ({"timezone": "Mars/Base"}, "/timezone")],
)
def test_a_wrong_timetable_is_shown_where_it_is(members: dict[str, object], pointer: str) -> None:
    """The pointer names the member of the request."""
    wanted = wanted_of(PATH, body(**members))
    with pytest.raises(TimetableInvalid) as caught:
        check(wanted.when, wanted.start, wanted.input_bytes, NOW)
    assert caught.value.violations[0].pointer == pointer
    # Of an expression it is known which character is wrong; a zone is wrong as a whole.
    assert (caught.value.violations[0].column is None) is (pointer == "/timezone")


def test_what_never_fires_or_is_too_large_is_refused() -> None:
    """Before it is stored."""
    never = wanted_of(PATH, body(cron="0 0 31 2 *"))
    over = wanted_of(PATH, body(ends_at="2026-01-01T00:00:00Z"))
    backwards = wanted_of(PATH, body(starts_at="2027-01-02T00:00:00Z", ends_at="2027-01-01T00:00:00Z"))
    for wanted in (never, over, backwards):
        with pytest.raises(ScheduleInvalid):
            check(wanted.when, wanted.start, wanted.input_bytes, NOW)
    large = wanted_of(PATH, body(input="x" * 70_000))
    with pytest.raises(TooLarge):
        check(large.when, large.start, large.input_bytes, NOW)


def test_what_is_stored_is_read_back() -> None:
    """Everything, with the input's keys as they are and the cursor to the microsecond."""
    wanted = wanted_of(
        PATH,
        body(
            cron=None,
            every="P1M",
            anchor="2026-01-31T09:00:00.5+01:00",
            timezone="Europe/Berlin",
            dst={"gap": "shift", "overlap": "twice"},
            input={"$where": {"a.b": [1, None]}},
            labels={"a.b": "c"},
            catch_up="all",
            catch_up_window="PT90M",
            overlap="skip",
            starts_at="2026-04-01T00:00:00Z",
        ),
    )
    schedule = planned(
        Schedule(
            namespace="default",
            name="s",
            generation=3,
            when=wanted.when,
            start=wanted.start,
            policy=wanted.policy,
            settled=NOW,
            going=(Going("r", NOW.replace(microsecond=0)),),
            created_at=NOW,
            updated_at=NOW,
            actor="user:a",
        )
    )
    again = read_schedule(schedule_document(schedule))
    assert again == schedule
    assert (again.when.gap, again.when.overlap, again.policy.window) == (Gap.SHIFT, Overlap.TWICE, timedelta(minutes=90))
    assert again.settled.microsecond == 123456
