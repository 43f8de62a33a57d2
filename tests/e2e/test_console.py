"""The console in a real browser, as somebody works with it: nothing is complained about on any page."""

import json
import random
import re
from dataclasses import asdict

import nats
import pytest
import pytest_asyncio

from e2e.browser import CHROMIUM, browsing
from e2e.machine import awaited
from tocsin_kit.web.access import Grant, permits

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt-get install chromium)"),
    pytest.mark.asyncio(loop_scope="module"),
]

HOSTILE = "<img src=x onerror=\"document.title='owned'\"> **loud** <script>document.title='owned'</script>"
# Who starts a run may be on its page before it is there, and what is proposed may be the first of its name: the pages say so,
# and the browser says so too.
EARLY = re.compile(r"404 .*/api/v1/(runs/\w{26}|workflows/console-pay/pay)$")
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
PAGES = (
    "",
    "workflows",
    "workflows/default/order-fulfilment",
    "write",
    "runs",
    "proposals",
    "schedules",
    "schedules/default/hourly-hello",
    "triggers",
    "triggers/default/orders",
    "events",
    "work",
    "cases",
    "assets",
    "signals",
    "signals/catalogue",
    "insight",
    "alerts",
    "alerts/rules",
    "alerts/channels",
    "webhooks",
    "audit",
    "health",
    "workers",
    "dead-letters",
    "secrets",
    "access",
    "access/users/admin",
    "access/groups",
    "access/roles",
    "access/roles/viewer",
    "access/namespaces",
    "access/keys",
    "access/ask",
)
PASSWORD = "seven quiet harbours at night"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def page(machine, tmp_path_factory):
    """A browser in which the administrator has logged in, after a wrong password that was refused."""
    admin = json.loads((machine.folder / ".tocsin" / "admin.json").read_text())
    # What a rule about a namespace changes ends tokens, so it is said before anybody logs in.
    machine.ask("PUT", "/api/v1/auth/namespaces/console-pay", {"reviewed": True}, token=machine.token)
    for name, bindings in (
        ("console-mei", [{"role": "author", "namespace": "console-pay"}]),
        ("console-vera", [{"role": "viewer", "namespace": "default"}]),
    ):
        machine.ask("POST", "/api/v1/users", {"name": name, "password": PASSWORD, "bindings": bindings}, token=machine.token)
    async with browsing(tmp_path_factory.mktemp("browser")) as page:
        await page.looks(width=1280, height=900)
        await page.go(machine.url)
        await page.fill("[name=password]", "wrong")
        await page.click("Log in", "#login")
        await page.reads("password", "#login-problem")
        assert "401" in page.complaints.pop()  # the browser's own word about the refusal
        await page.fill("[name=password]", admin["password"])
        await page.click("Log in", "#login")
        await page.reads("recent runs")
        yield page
    assert [it for it in page.complaints if not EARLY.search(it)] == []


_SEEN = """(() => { const all = (what) => [...document.querySelectorAll(what)]; return {
  problems: all("#page > section .problem, #page > section > .wrong").filter((it) => it.innerText && !it.closest("td")).length,
  titled: document.title.endsWith(" · Tocsin"), headed: all("#page h1").length > 0,
  here: all("#pages [aria-current=page]").length,
  unnamed: all("input, select, textarea").filter((it) => !it.ariaLabel && !it.labels?.length).length,
  owned: all("#page img, #page script, #page iframe").length } })()"""


async def opened(page, machine, name):
    """A page, once it is there; until then, the one before is."""
    await page.go(f"{machine.url}/#/{name}")
    await page.until(f"document.querySelector('#page:not([aria-busy])')?.dataset.hash === '#/{name}'")


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


async def test_access_is_given_after_a_look_at_what_would_change_and_is_explained(page, machine):
    """A person is made and bound; what that gains is shown before; why somebody may do something or not is told by the rule."""
    await opened(page, machine, "access")
    await page.click("New person or program")
    await page.fill("dialog [name=name]", "console-ada")
    await page.fill("dialog [name=password]", "short")
    await page.click("Make", "dialog")
    await page.reads("password", "dialog [role=alert]")
    page.complaints.pop()
    await page.fill("dialog [name=password]", PASSWORD)
    await page.click("Make", "dialog")
    await page.click("New binding")
    await page.fill("dialog [name=role]", '"operator"')
    await page.fill("dialog [name=namespace]", "billing")
    await page.click("What would change?", "dialog")
    await page.reads("pool:write in billing", "dialog:last-of-type")
    await page.click("Do it", "dialog:last-of-type")
    await page.reads("billing", "[aria-label='What it holds itself']")
    await page.click("Ask what they may do")
    await page.fill("#page [name=namespace]", "prod")
    await page.click("May they?")
    await page.reads("no rule gives it", "[role=status]")
    await page.fill("#page [name=namespace]", "billing")
    await page.click("May they?")
    await page.reads("allowed console-ada", "[role=status]")
    await opened(page, machine, "access/users/console-ada")
    await page.click("Disable", "#page")
    await page.click("Disable", "dialog")
    await page.reads("disabled", "#page h1")


async def test_ones_own_account_has_keys_shown_once_and_a_second_factor_to_scan(page, machine):
    """A key is shown when it is made and nowhere afterwards; the code for the phone says what the text beside it says."""
    await opened(page, machine, "account")
    await page.click("New key")
    await page.fill("dialog [name=name]", HOSTILE[:60])
    await page.click("Make", "dialog")
    await page.reads("tcn_", "dialog:last-of-type")
    key = await page.run("document.querySelector('.copied').innerText")
    await page.click("I have kept it")
    await page.reads(HOSTILE[:60], "[aria-label='API keys']")
    assert key not in await page.run("document.documentElement.outerHTML")
    await page.click("Add a second factor")
    admin = json.loads((machine.folder / ".tocsin" / "admin.json").read_text())
    await page.fill("dialog [name=password]", admin["password"])
    await page.click("Go on", "dialog")
    await page.until("document.querySelector('dialog svg.code path')")
    await page.click("Never mind", "dialog:last-of-type")
    await page.reads("this one", "[aria-label=Sessions]")


async def test_a_secret_goes_in_and_never_comes_out(page, machine):
    """Stored, given another value, the one before given out again: the page has versions and uses, and no value."""
    await opened(page, machine, "secrets")
    await page.click("New secret")
    await page.fill("dialog [name=name]", "console-token")
    await page.fill("dialog [name=value]", "canary-one")
    await page.click("Store", "dialog")
    await page.click("Give another value")
    await page.fill("dialog [name=value]", "canary-two")
    await page.click("Store", "dialog")
    await page.reads("version 2 is given out", "#news")
    await page.click("Give out again", "#page")
    await page.click("Give out again", "dialog")
    await page.until("document.querySelector('[aria-label=Versions] tr:nth-child(2) .active')")
    await page.reads("secret updated", "[aria-label='Uses and changes']")
    assert "canary" not in await page.run("document.documentElement.outerHTML")


async def test_a_webhook_is_tested_and_each_answer_seen(page, machine):
    """Its secret is shown once; a test shows the request and what came back."""
    await opened(page, machine, "webhooks")
    await page.click("New webhook")
    await page.fill("dialog [name=name]", "console-hook")
    await page.fill("dialog [name=url]", f"{machine.url}/examples/payments")
    await page.fill("dialog [name=description]", HOSTILE)
    await page.click("Make", "dialog")
    await page.reads("whsec_", "dialog:last-of-type")
    await page.click("I have kept it")
    await page.click("Test", "#page")
    await page.reads("answered 4", "dialog")
    await page.click("Close", "dialog")
    await page.click("New secret", "#page")
    await page.click("Make", "dialog")
    await page.click("I have kept it")
    await page.until("document.querySelectorAll('[aria-label=Secrets] tbody tr').length === 2")


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


async def test_a_pool_is_made_changed_and_taken_away(page, machine):
    """And the workers with their slots are beside it."""
    await opened(page, machine, "workers")
    await page.reads("default", "[aria-label=Workers]")
    await page.click("New pool")
    await page.fill("dialog [name=name]", "console-pool")
    await page.fill("dialog [name=limit]", "3")
    await page.click("Save", "dialog")
    await page.reads("0/3", "[aria-label=Pools]")
    await page.click("Change", "[aria-label=Pools]")
    await page.fill("dialog [name=limit]", "5")
    await page.click("Save", "dialog")
    await page.reads("0/5", "[aria-label=Pools]")


async def test_what_could_not_be_handled_is_looked_at_tried_again_and_put_away(page, machine, platform):
    """The reason and the message are there; what fails again stays, what is discarded is gone and on record."""
    secret = (machine.folder / ".tocsin" / "secrets" / "nats-scheduler").read_text().strip()
    bus = await nats.connect(platform.ready["nats"], user="scheduler", password=secret, inbox_prefix=b"_INBOX_scheduler")
    await bus.publish("commands.executor.start.console", json.dumps({"no": HOSTILE}).encode())
    await bus.flush()
    await bus.close()
    awaited(lambda: machine.get("dead-letters/executor")["items"], within=60, what="the dead letter")
    await opened(page, machine, "dead-letters?service=executor")
    await page.click("Look", "#page")
    await page.reads("not a valid CloudEvent", "dialog")
    await page.click("Close", "dialog")
    await page.click("Retry", "#page")
    await page.reads("0 handled, 1 failed again", "#news")
    await page.click("Discard", "#page")
    await page.click("Discard", "dialog")
    await page.reads("could handle all that came", "#page")


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


async def test_every_page_fits_every_screen(page, machine):
    """No page is wider than its screen, in the light and in the dark; each has a name, and the place in the menu is said."""
    runs = machine.get("runs?limit=1")["items"]
    for name in (*PAGES, f"runs/{runs[0]['id']}", "account"):
        await opened(page, machine, name)
        for width, dark in ((390, True), (1280, False)):
            await page.looks(width=width, height=900, dark=dark)
            assert await page.run("document.documentElement.scrollWidth") <= width, name
        seen = await page.run(_SEEN)
        assert seen == {
            "problems": 0,
            "titled": True,
            "headed": True,
            "here": int(name != "account"),
            "unnamed": 0,
            "owned": 0,
        }, name
    await page.go(f"{machine.url}/#/nowhere")
    await page.reads("there is no such page")
    await page.run("document.querySelector('#skip').focus(), document.querySelector('#skip').click()")
    assert await page.run("document.activeElement.id") == "page"  # past the menu, for the keyboard
    await page.looks(width=390, height=800)
    await page.click("Menu", "header")
    await page.until("document.querySelector('nav#pages').getBoundingClientRect().top < 100")
    await page.click("Insight", "nav#pages")
    await page.until("!document.querySelector('nav#pages').checkVisibility()")
    await page.looks(width=1280, height=900)


async def test_what_happens_elsewhere_is_seen_without_asking(page, machine):
    """Signals come in live: the first page shows what was just published."""
    await page.go(f"{machine.url}/#/")
    await page.until("document.querySelector('#live.on') && document.querySelector('.signals')")
    machine.tocsin("event", "publish", "com.example.console.seen")
    await page.reads("com.example.console.seen", ".signals")


async def test_a_button_says_beforehand_what_the_platform_would_say(page):
    """What one may do is reckoned in the page by the same rule as in the platform."""
    chance = random.Random(7)
    scopes, names = ("*", "a", "a.*", "a.b", "a.bc", "a.b.*"), ("*", "x", "x-*", "x-y", "x-yz")
    verbs = ("*:*", "run:*", "*:read", "run:read", "case:read")
    cases = [
        (
            [
                Grant(chance.choice(verbs), chance.choice(scopes), chance.choice(names), deny=chance.random() < 0.25)
                for _ in range(chance.randrange(4))
            ],
            chance.choice(("run:read", "run:start", "case:read")),
            chance.choice(("*", "a", "a.b", "a.b.c", "a.bc")),
            chance.choice((None, "x", "x-y", "x-yz", "y")),
        )
        for _ in range(1000)
    ]
    asked = [([asdict(grant) for grant in held], *rest) for held, *rest in cases]
    script = (
        "import('/console/may.js').then(({ learn, may }) => { const found = " + json.dumps(asked) + ".map(([held, ...asked])"
        " => { learn(held); return may(...asked); }); learn(null); return found; })"
    )
    assert await page.run(script) == [permits(*case) for case in cases]


async def test_who_may_not_is_told_so_before_trying(page, machine):
    """Pages of no use are not offered, buttons say what they take, and an address that is typed all the same says why."""
    await page.click("Log out")
    await page.until("!document.querySelector('#login').hidden")
    assert await page.run("sessionStorage.length") == 0
    assert await page.run("document.querySelector('#page').innerText + document.querySelector('#news').innerText") == ""
    await page.fill("[name=user]", "console-vera")
    await page.fill("#login [name=password]", PASSWORD)
    await page.click("Log in", "#login")
    await page.reads("console-vera", "#who")
    await page.until("document.querySelector('nav#pages:not([hidden])')")
    shown = await page.run(
        "[...document.querySelectorAll('nav#pages a')].filter((it) => it.checkVisibility()).map((it) => it.innerText)"
    )
    assert "Runs" in shown
    assert "Access" not in shown
    await opened(page, machine, "workflows/default/hello")
    await page.until("document.querySelector('#page button[aria-disabled=true]')?.title.includes('run:start in default')")
    await page.click("Start", "#page")
    await page.reads("run:start in default, which you do not hold", "#news [role=alert]")
    case = machine.get("cases?limit=1")["items"][0]["id"]
    await opened(page, machine, f"cases/{case}")
    enabled = (
        "[...document.querySelectorAll('#page button')].filter((it) => it.ariaDisabled !== 'true').map((it) => it.innerText)"
    )
    assert set(await page.run(enabled)) <= {"Report", "Answer"}
    await opened(page, machine, "access")
    await page.reads("user:read", "#page")
    page.complaints[:] = [it for it in page.complaints if "403" not in it]


async def test_who_logs_out_leaves_nothing_behind(page, machine):
    """Neither a token nor what was on the page."""
    await page.click("Log out")
    await page.until("!document.querySelector('#login').hidden")
    assert await page.run("sessionStorage.length") == 0
    assert await page.run("document.querySelector('#page').innerText") == ""
