"""The console of whoever runs the platform: access, secrets, webhooks, pools, dead letters; every page; and the way out."""

import json
import random
from dataclasses import asdict

import nats

from e2e.console.screen import HOSTILE, MARKS, PASSWORD, opened
from e2e.machine import awaited
from tocsin_kit.web.access import Grant, permits

pytestmark = MARKS
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
_SEEN = """(() => { const all = (what) => [...document.querySelectorAll(what)]; return {
  problems: all("#page > section .problem, #page > section > .wrong").filter((it) => it.innerText && !it.closest("td")).length,
  titled: document.title.endsWith(" · Tocsin"), headed: all("#page h1").length > 0,
  here: all("#pages [aria-current=page]").length,
  unnamed: all("input, select, textarea").filter((it) => !it.ariaLabel && !it.labels?.length).length,
  owned: all("#page img, #page script, #page iframe").length } })()"""


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
