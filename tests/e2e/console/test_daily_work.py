"""The console as somebody works with it: workflows, cases, what starts runs, alerts, signals."""

import json

from e2e.console.screen import HOSTILE, MARKS, PASSWORD, opened
from e2e.machine import awaited

pytestmark = MARKS
PARCEL = {
    "document": {"dsl": "1.0.3", "namespace": "default", "name": "console-parcel", "version": "1.0.0"},
    "do": [
        {
            "ask": {
                "call": "approval",
                "with": {
                    "title": "How much may it cost?",
                    "assignees": ["admin"],
                    "form": {
                        "type": "object",
                        "required": ["limit"],
                        "properties": {"limit": {"type": "integer", "maximum": 50}, "express": {"type": "boolean"}},
                    },
                },
            }
        },
        {"each": {"for": {"each": "one", "in": "${ [range(60)] }"}, "do": [{"count": {"set": {"n": "${ $one }"}}}]}},
        {"send": {"set": {"sent": True}}},
    ],
}


async def test_a_workflow_is_written_started_answered_and_seen_to_its_end(page, machine):
    """The text is drawn while it is typed and checked when it is published; a form asks for what the question wants."""
    await page.go(f"{machine.url}/#/write")
    await page.fill("textarea.code", json.dumps(PARCEL).replace('"set"', '"sett"', 1))
    await page.click("Publish")
    await page.reads("line 1:")
    assert "422" in page.complaints.pop()
    await page.fill("textarea.code", json.dumps(PARCEL))
    assert (
        await page.run("[...document.querySelectorAll('.flow .name')].map((it) => it.textContent).sort().join()")
        == "ask,count,each,send"
    )
    await page.click("Publish")
    await page.reads("it has not run yet")
    await page.click("Start", "#page")
    await page.fill("dialog textarea", '{"to": ')
    await page.click("Start", "dialog")
    await page.reads("input:", "dialog [role=alert]")
    await page.fill("dialog textarea", json.dumps({"to": HOSTILE}))
    await page.click("Start", "dialog")
    await page.reads("how much may it cost?")
    await page.click("Answer", ".wait")
    await page.fill("dialog [name=limit]", "70")
    await page.click("Answer", "dialog")
    await page.reads("70", "dialog [role=alert]")  # as the platform says it; the dialog is still there
    page.complaints.pop()
    await page.fill("dialog [name=limit]", "30")
    await page.click("Answer", "dialog")
    await page.reads("completed")
    await page.until("document.querySelectorAll('.flow .completed').length === 4")
    await page.run(
        "document.querySelector('.flow .task.set[role=button]').dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter'}))"
    )
    await page.until("document.querySelectorAll('.timeline .more:not([hidden]) details').length === 50")
    await page.click("More", ".timeline")
    await page.until("document.querySelectorAll('.timeline .more:not([hidden]) details').length === 60")
    await page.until("document.body.innerText.includes('\u00d7 60')")
    assert await page.run("document.title") == "completed default/console-parcel 1.0.0 · Tocsin"


async def test_a_question_for_several_says_who_has_answered_and_is_handed_over(page, machine):
    """Whoever handed it over does not answer it, and takes it back; after one of two answers it waits for the other."""
    head = {"dsl": "1.0.3", "namespace": "default", "name": "console-sail", "version": "1.0.0"}
    asked = {"title": "Sail today?", "assignees": ["admin", "console-vera"], "approvals": 2}
    document = {"document": head, "do": [{"ask": {"call": "approval", "with": asked}}]}
    machine.ask("POST", "/api/v1/workflows", document, token=machine.token)
    run = machine.ask("POST", "/api/v1/runs", {"workflow": "console-sail"}, token=machine.token).json["id"]
    await opened(page, machine, f"runs/{run}")
    await page.reads("0 of 2 approvals", ".wait")
    await page.click("Hand over", ".wait")
    await page.fill("dialog [name=to]", "console-mei")
    await page.click("Hand over", "dialog")
    await page.reads("for console-mei, console-vera", ".wait")
    question = machine.get("approvals?namespace=default&assignee=console-mei")["items"][0]["id"]
    back = {"to": "admin", "instead_of": "console-mei"}
    handed = machine.ask("POST", f"/api/v1/approvals/{question}/delegate", back, token=machine.token)
    assert (handed.status, handed.json["assignees"]) == (202, ["admin", "console-vera"])
    await opened(page, machine, "work")
    await opened(page, machine, f"runs/{run}")
    await page.click("Approve", ".wait")
    await page.reads("1 of 2 approvals, yes of admin", ".wait")


async def test_a_case_is_worked(page, machine):
    """Taken, commented on and resolved; what somebody wrote is text, whatever it looks like."""
    case = machine.json("case", "open", HOSTILE)["id"]
    await page.go(f"{machine.url}/#/cases/{case}")
    await page.click("Take it")
    await page.reads("acknowledged", "#page h1")
    await page.fill("textarea", HOSTILE)
    await page.click("Comment", "#page")
    await page.until("document.querySelector('.comment strong')?.innerText === 'loud'")
    assert await page.run("document.querySelectorAll('main img, main script').length") == 0
    await page.click("Add a task")
    await page.fill("dialog [name=title]", "Call them")
    await page.click("Add", "dialog")
    await page.reads("call them")
    await page.click("resolved")
    await page.fill("dialog textarea", "It is over.")
    await page.click("resolved", "dialog")
    await page.reads("it is over.")
    assert (await page.run("document.title")).startswith("resolved <img")


async def test_what_starts_runs_is_looked_ahead_paused_and_started_by_hand(page, machine):
    """The next instants, the week to come, why an event started nothing, a pause with its reason, a form that starts a run."""
    drill = {
        "name": "console-drill",
        "kind": "manual",
        "workflow": "hello",
        "schema": {"properties": {"name": {"type": "string"}}},
    }
    machine.ask("POST", "/api/v1/triggers", drill, token=machine.token)
    await opened(page, machine, "schedules")
    await page.click("Upcoming", "#page")
    await page.reads("fires next", "dialog")
    await page.click("Close", "dialog")
    await page.click("Try a timetable")
    await page.fill("dialog [name=every]", "15m")
    await page.click("Calculate", "dialog")
    await page.click("Close", "dialog:last-of-type")
    await page.click("The week to come")
    await page.reads("schedules fire", "dialog")
    await page.click("Close", "dialog")
    await opened(page, machine, "events")
    await page.click("Publish an event")
    await page.fill("dialog [name=type]", "com.example.console.unheard")
    await page.click("Publish", "dialog")
    await page.reads("no trigger of namespace default listens", "dialog:last-of-type")
    await page.click("Close", "dialog:last-of-type")
    await page.reads("com.example.console.unheard", "#page")
    await page.click("Why")
    await page.reads("com.example.console.unheard", "dialog")
    await page.click("Close", "dialog")
    await opened(page, machine, "triggers/default/console-drill")
    await page.click("Pause", "#page")
    await page.fill("dialog [name=reason]", "holidays")
    await page.click("Pause", "dialog")
    await page.reads("holidays", "#page")
    await page.click("Resume", "#page")
    await page.until("![...document.querySelectorAll('button')].some((it) => it.innerText === 'Resume')")
    await page.click("Start", "#page")
    await page.fill("dialog [name=name]", "everybody")
    await page.click("Start", "dialog")
    await page.reads("hello, everybody!")


async def test_a_past_time_is_caught_up_after_a_look_at_what_would_start(page, machine):
    """A schedule is made and its runs for a past time, which are shown before they start."""
    await opened(page, machine, "schedules")
    await page.click("New schedule")
    for name, value in {"name": "console-daily", "workflow": "hello", "every": "6h", "input": '{"name": "you"}'}.items():
        await page.fill(f"dialog [name={name}]", value)
    await page.click("Make", "dialog")
    await page.reads("each 6 h", "#page")
    await page.click("Catch up on a past time")
    await page.click("What would start?", "dialog")
    await page.reads("of that time had a run", "dialog:last-of-type")
    await page.click("Start", "dialog:last-of-type")
    await page.reads("console-daily-", "[aria-label=Backfills]")


async def test_an_alert_is_taken_care_of_and_its_rule_kept_quiet(page, machine):
    """A rule is made, fires, is acknowledged with a note, and has a time in which it does not fire."""
    await opened(page, machine, "alerts/rules")
    await page.click("New rule")
    for name, value in {"name": "console-rule", "subject": "signals.default.case.opened.*", "summary": HOSTILE}.items():
        await page.fill(f"dialog [name={name}]", value)
    await page.click("Make", "dialog")
    await page.click("New quiet time", "#page")
    await page.fill("dialog [name=reason]", "moving house")
    await page.click("Be quiet", "dialog")
    await page.reads("muted", "#page h1")
    await page.click("Take away")
    await page.reads("active", "#page h1")
    machine.ask("POST", "/api/v1/cases", {"title": "Rings the bell"}, token=machine.token)
    awaited(lambda: machine.get("alerts?rule=console-rule")["items"], within=60, what="the alert")
    await page.click("Alerts", "nav#pages")
    await page.click("Acknowledge", "#page")
    await page.fill("dialog [name=note]", "on it")
    await page.click("Acknowledge", "dialog")
    await page.reads("on it", "#page")


async def test_two_people_publish_and_the_second_sees_what_differs(page, machine):
    """What one proposes is compared with what counts now, and published by another."""
    mei = machine.ask("POST", "/api/v1/auth/login", {"user": "console-mei", "password": PASSWORD}).json["access_token"]
    for version, amount in (("1.0.0", "old"), ("1.1.0", HOSTILE)):
        head = {"dsl": "1.0.3", "namespace": "console-pay", "name": "pay", "version": version}
        paid = {"document": head, "do": [{"charge": {"set": {"amount": amount}}}]}
        machine.ask("POST", "/api/v1/proposals?note=VAT", paid, token=mei)
        await opened(page, machine, "proposals?stand=open&namespace=console-pay")
        await page.click("console-pay/pay")
        await page.reads("**loud**" if amount == HOSTILE else amount, ".diff")
        await page.click("Approve", "#page")
        await page.fill("dialog [name=reason]", "checked")
        await page.click("Approve", "dialog")
        await page.reads("approved", "#page h1")
    assert machine.get("workflows/console-pay/pay")["version"] == "1.1.0"


async def test_signals_are_found_held_and_explained_by_the_catalogue(page, machine):
    """Filters are in the address; what is held comes when it is let go; each kind says who listens."""
    # On the way there the first page is passed, which is ready later: what comes belongs to the page that is shown.
    await page.run("location.hash = '#/'; setTimeout(() => { location.hash = '#/signals?entity=event'; }, 5)")
    await page.until(
        "document.querySelector('#page[data-hash$=\"entity=event\"] .signals') && document.querySelector('#live.on')"
    )
    await page.click("Hold")
    machine.tocsin("event", "publish", "com.example.console.held")
    await page.reads("more have come", "#page [role=status]")
    await page.click("Go on")
    await page.reads("com.example.console.held", ".signals")
    assert await page.run("[...document.querySelectorAll('.signals tbody tr')].every((it) => it.title.includes('.event.'))")
    await opened(page, machine, "signals/catalogue")
    await page.fill("#page [type=search]", "case opened")
    await page.reads("observer", "#page tbody")


async def test_what_happens_elsewhere_is_seen_without_asking(page, machine):
    """Signals come in live: the first page shows what was just published."""
    await page.go(f"{machine.url}/#/")
    await page.until("document.querySelector('#live.on') && document.querySelector('.signals')")
    machine.tocsin("event", "publish", "com.example.console.seen")
    await page.reads("com.example.console.seen", ".signals")
