"""The scheduler's API: permissions, validation, revisions, previews."""

from collections.abc import AsyncIterator

import pytest

from integration.scheduler.harness import Service, started

BODY = {"workflow": "w", "cron": "0 9 * * MON-FRI", "timezone": "Europe/Berlin"}
PATH = "/api/v1/schedules/default/a"


@pytest.fixture
async def service(nats_url: str, mongo_url: str, mongo_prefix: str) -> AsyncIterator[Service]:
    """The service, running."""
    environ = {
        "TOCSIN_NATS_URL": nats_url,
        "TOCSIN_MONGO_URL": mongo_url,
        "TOCSIN_MONGO_DATABASE_PREFIX": mongo_prefix,
        "TOCSIN_HTTP_PORT": "0",
    }
    async with started(environ) as service:
        yield service


async def test_a_schedule_is_made_shown_changed_paused_resumed_and_deleted(service: Service) -> None:
    """The whole life, as a person sees it."""
    ask = service.ask
    status, made = await ask("PUT", PATH, json=BODY)
    assert (status, made["status"], made["cron"], made["fired"]) == (201, "active", BODY["cron"], 0)
    assert made["next_at"] is not None
    assert (await ask("PUT", PATH, json=BODY))[0] == 200
    status, changed = await ask("PUT", PATH, json={**BODY, "cron": None, "every": "PT1H"})
    assert (status, changed["cron"], changed["every"]) == (200, None, "PT1H")
    assert (await ask("POST", f"{PATH}/pause", json={"reason": "holiday"}))[1]["reason"] == "holiday"
    assert (await ask("GET", f"{PATH}/next"))[1] == {"next": [], "decisions": []}
    assert (await ask("POST", f"{PATH}/resume"))[1]["status"] == "active"
    assert len((await ask("GET", f"{PATH}/next?count=3"))[1]["next"]) == 3
    assert (await ask("DELETE", PATH))[0] == 204
    for method, path in (("GET", PATH), ("DELETE", PATH), ("GET", f"{PATH}/next"), ("POST", f"{PATH}/resume")):
        assert (await ask(method, path))[0] == 404


async def test_nothing_is_open_and_namespaces_are_kept_apart(service: Service) -> None:
    """Reading, writing and pausing are permissions of their own, in namespaces."""
    ask = service.ask
    assert (await ask("PUT", PATH, None, json=BODY))[0] == 401
    assert (await ask("PUT", PATH, "viewer", json=BODY))[0] == 403
    assert (await ask("PUT", PATH, "team", json=BODY))[0] == 403
    assert (await ask("PUT", "/api/v1/schedules/team/b", "team", json=BODY))[0] == 201
    assert (await ask("PUT", PATH, json=BODY))[0] == 201
    assert (await ask("POST", f"{PATH}/pause", "viewer", json={}))[0] == 403
    assert (await ask("POST", f"{PATH}/pause", "operator", json={}))[0] == 200
    assert (await ask("DELETE", PATH, "operator"))[0] == 403
    assert (await ask("GET", PATH, "team"))[0] == 403
    _, seen = await ask("GET", "/api/v1/schedules", "team")
    assert [item["namespace"] for item in seen["items"]] == ["team"]
    _, all_of_them = await ask("GET", "/api/v1/schedules", "viewer")
    assert [item["name"] for item in all_of_them["items"]] == ["a", "b"]
    assert (await ask("POST", "/api/v1/schedules/preview", None, json={"cron": "@daily"}))[0] == 401


async def test_a_change_of_what_has_changed_meanwhile_is_refused(service: Service) -> None:
    """If-Match with an old ETag: read again."""
    _, headers, _ = await service.ask_all("PUT", PATH, json=BODY)
    assert headers["ETag"] == '"1"'
    await service.ask("PUT", PATH, json={**BODY, "cron": "@daily"})
    old, new = {"If-Match": '"1"'}, {"If-Match": '"2"'}
    assert (await service.ask("PUT", PATH, json=BODY, headers=old))[0] == 412
    assert (await service.ask("DELETE", PATH, headers=old))[0] == 412
    assert (await service.ask("DELETE", PATH, headers=new))[0] == 204


@pytest.mark.parametrize(
    ("body", "pointer", "column"),
    [
        ({**BODY, "cron": "0 25 * * *"}, "/cron", 3),
        ({**BODY, "cron": None, "every": "PT"}, "/every", 1),
        ({**BODY, "timezone": "Europe/Berln"}, "/timezone", None),
    ],
)
async def test_a_mistake_is_shown_where_it_is(
    service: Service, body: dict[str, object], pointer: str, column: int | None
) -> None:
    """The member of the body, and the character in the expression where there is one."""
    status, problem = await service.ask("PUT", PATH, json=body)
    (error,) = problem["errors"]
    assert (status, problem["code"], error["pointer"], error.get("column")) == (422, "timetable_invalid", pointer, column)


async def test_a_preview_follows_the_policy_about_clocks_that_jump(service: Service) -> None:
    """The night when 02:30 does not exist in Berlin: skipped unless it is asked to be shifted."""
    body = {"cron": "30 2 * * *", "timezone": "Europe/Berlin", "from": "2024-03-30T12:00:00Z", "count": 1}
    _, skipped = await service.ask("POST", "/api/v1/schedules/preview", "viewer", json=body)
    _, shifted = await service.ask("POST", "/api/v1/schedules/preview", "viewer", json={**body, "dst": {"gap": "shift"}})
    assert skipped["next"] == ["2024-04-01T02:30:00+02:00"]
    assert shifted["next"] == ["2024-03-31T03:30:00+02:00"]


async def test_looking_ahead_says_what_each_policy_will_do(service: Service) -> None:
    """The next instants with their decisions; and a month of all schedules that the caller may read."""
    ask = service.ask
    often = {"workflow": "w", "cron": "0 * * * *", "overlap": "skip", "exclude": {"weekdays": [6, 7]}}
    assert (await ask("PUT", PATH, json=often))[0] == 201
    assert (await ask("PUT", "/api/v1/schedules/team/b", "team", json={"workflow": "v", "every": "P1D"}))[0] == 201
    _, found = await ask("GET", f"{PATH}/next?count=150&duration=PT90M")
    reasons = {decision["why"] for decision in found["decisions"]}
    assert reasons == {None, "a run of an earlier instant is still going on", "the day is excluded"}
    assert len(found["next"]) < 75
    everything = "/api/v1/schedules/simulate"
    status, month = await ask("POST", everything, json={"days": 28, "durations": {"w": "PT90M"}})
    assert (status, month["schedules"], month["complete"]) == (200, 2, True)
    assert sum(hour["firings"] for hour in month["load"]) == month["firings"]
    assert month["overlapping"][0]["schedule"] == "default/a"
    assert (await ask("POST", everything, "team", json={}))[1]["schedules"] == 1
    assert (await ask("POST", f"{everything}?namespace=default", "team", json={}))[0] == 403


async def test_every_member_of_a_schedule_comes_back(service: Service) -> None:
    """What was said is shown, and can be sent again without changing anything."""
    said = {
        "workflow": "w",
        "rrule": "FREQ=MONTHLY;BYDAY=FR;BYSETPOS=-1",
        "anchor": "2026-01-01T09:00:00Z",
        "also": ["0 12 * * *", "2040-01-01T00:00:00+00:00"],
        "exclude": {"weekdays": [7], "dates": ["2040-01-02"], "yearly": ["12-25"]},
        "overlap": "buffer-one",
        "jitter": "PT5M",
        "max_runs": 9,
        "late_after": "PT1M",
        "lateness": "flag",
        "pause_after_failures": 3,
    }
    status, shown = await service.ask("PUT", PATH, json=said)
    assert status == 201
    assert {name: shown[name] for name in said if name != "exclude"} == {n: v for n, v in said.items() if n != "exclude"}
    assert {k: v for k, v in shown["exclude"].items() if v} == said["exclude"]
    status, headers, _ = await service.ask_all("PUT", PATH, json=said)
    assert (status, headers["ETag"].strip('W/"')) == (200, "1")
    for wrong in ({"rrule": "FREQ=HOURLY"}, {"also": ["61 * * * *"]}, {"exclude": {"ics": "no"}}, {"late_after": None}):
        assert (await service.ask("PUT", PATH, json={**said, **wrong}))[0] == 422


async def test_a_backfill_is_previewed_started_shown_and_cancelled(service: Service) -> None:
    """A dry run first; asked for twice it is one; people of other namespaces do not see it."""
    ask = service.ask
    assert (await ask("PUT", PATH, json=BODY))[0] == 201
    one = "/api/v1/backfills/default/b"
    body = {"schedule": "a", "from": "2026-01-05T00:00:00Z", "until": "2026-01-10T00:00:00Z", "concurrency": 2}
    status, plan = await ask("POST", f"{one}/preview", "viewer", json=body)
    assert (status, plan["total"], plan["first"][0]) == (200, 5, "2026-01-05T08:00:00+00:00")
    assert (await ask("PUT", one, "viewer", json=body))[0] == 403
    assert [(await ask("PUT", one, "operator", json=body))[0] for _ in range(2)] == [201, 200]
    status, shown = await ask("GET", one, "viewer")
    assert (shown["total"], shown["started"], len(shown["going"]), shown["status"]) == (5, 2, 2, "running")
    assert [item["name"] for item in (await ask("GET", "/api/v1/backfills?status=running"))[1]["items"]] == ["b"]
    assert (await ask("GET", "/api/v1/backfills", "team"))[1]["items"] == []
    assert (await ask("POST", f"{one}/cancel", json={"reason": "no"}))[1]["status"] == "cancelling"
    firings = (await ask("GET", f"{PATH}/firings", "viewer"))[1]["items"]
    assert [(firing["at"], firing["outcome"]) for firing in firings] == [
        ("2026-01-06T08:00:00Z", None),
        ("2026-01-05T08:00:00Z", None),
    ]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"schedule": "a"},
        {"schedule": "a", "from": "2026-01-10T00:00:00Z", "until": "2026-01-05T00:00:00Z"},
        {"schedule": "a", "from": "2026-01-05T00:00:00Z", "until": "2026-01-06T00:00:00Z", "items": [{"key": "x"}]},
        {"workflow": "w"},
        {"workflow": "w", "items": [{"key": "a"}, {"key": "a"}]},
        {"workflow": "w", "items": [{"key": "a"}], "concurrency": 1000},
    ],
)
async def test_a_backfill_that_makes_no_sense_is_refused(service: Service, body: dict[str, object]) -> None:
    """Before anything is started."""
    assert (await service.ask("PUT", "/api/v1/backfills/default/b", json=body))[0] in {400, 422}
    assert (await service.ask("GET", "/api/v1/backfills/default/b"))[0] == 404


async def test_conditions_retries_and_what_is_followed_come_back_as_they_were_given(service: Service) -> None:
    """A client can read a schedule, change one thing, and write it back."""
    body = {
        "workflow": "w",
        "follow": {"workflow": "up", "outcomes": ["completed", "faulted"], "delay": "PT5M"},
        "cron": "0 9-16 * * *",
        "exclude": {"weekdays": [6, 7]},
        "condition": "weekday = 'MON'",
        "retry": {"attempts": 5, "delay": "PT10S"},
        "priority": 10,
    }
    status, shown = await service.ask("PUT", PATH, json=body)
    assert (status, shown["status"], shown["next_at"]) == (201, "active", None)
    assert sorted(shown["follow"].pop("outcomes")) == ["completed", "faulted"]
    assert shown["follow"] == {"workflow": "up", "delay": "PT5M"}
    assert (shown["cron"], shown["condition"], shown["priority"]) == ("0 9-16 * * *", "weekday = 'MON'", 10)
    assert shown["retry"] == {"attempts": 5, "delay": "PT10S", "factor": 2.0, "longest": "PT1H"}
    assert (await service.ask("GET", f"{PATH}/next"))[1] == {"next": [], "decisions": []}
    status, wrong = await service.ask("PUT", PATH, json={**body, "condition": "colour = 'red'"})
    assert (status, wrong["code"]) == (422, "schedule_invalid")
    assert (await service.ask("PUT", PATH, json={**body, "every": "PT1H"}))[0] in {400, 422}
