"""The console in a real browser, as somebody works with it: nothing is complained about on any page."""

import json
import re

import pytest
import pytest_asyncio

from e2e.browser import CHROMIUM, browsing

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt-get install chromium)"),
    pytest.mark.asyncio(loop_scope="module"),
]

HOSTILE = "<img src=x onerror=\"document.title='owned'\"> **loud** <script>document.title='owned'</script>"
# Who starts a run may be on its page before it is there: the page says so and waits, and the browser says so too.
EARLY = re.compile(r"404 .*/api/v1/runs/\w{26}$")
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
    "work",
    "cases",
    "starts",
    "assets",
    "insight",
    "audit",
)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def page(machine, tmp_path_factory):
    """A browser in which the administrator has logged in, after a wrong password that was refused."""
    admin = json.loads((machine.folder / ".tocsin" / "admin.json").read_text())
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
    """The next instants, why an event started nothing, a pause with its reason, and a form for whoever starts something."""
    drill = {
        "name": "console-drill",
        "kind": "manual",
        "workflow": "hello",
        "schema": {"properties": {"name": {"type": "string"}}},
    }
    machine.ask("POST", "/api/v1/triggers", drill, token=machine.token)
    machine.tocsin("event", "publish", "com.example.console.unheard")
    await page.go(f"{machine.url}/#/starts")
    await page.click("Upcoming", "#page")
    await page.reads("fires next", "dialog")
    await page.click("Close", "dialog")
    await page.reads("com.example.console.unheard")
    await page.click("Why")
    await page.reads("com.example.console.unheard", "dialog")
    await page.click("Close", "dialog")
    await page.click("Pause", "section[aria-label=Triggers] tr:nth-child(1)")
    await page.fill("dialog [name=reason]", "holidays")
    await page.click("Pause", "dialog")
    await page.reads("holidays")
    await page.click("Resume", "#page")
    await page.until("![...document.querySelectorAll('button')].some((it) => it.innerText === 'Resume')")
    await page.click("Start", "#page")
    await page.fill("dialog [name=name]", "everybody")
    await page.click("Start", "dialog")
    await page.reads("hello, everybody!")


async def test_every_page_fits_every_screen(page, machine):
    """No page is wider than its screen, in the light and in the dark; each has a name, and the place in the menu is said."""
    runs = machine.get("runs?limit=1")["items"]
    for width, dark in ((390, True), (1280, False)):
        await page.looks(width=width, height=900, dark=dark)
        for name in (*PAGES, f"runs/{runs[0]['id']}"):
            await page.go(f"{machine.url}/#/{name}")
            await page.until(f"document.querySelector('#page[data-hash=\"#/{name}\"] > *')")
            assert await page.run("document.documentElement.scrollWidth") <= width, name
            assert await page.run("document.querySelectorAll('#page > section > .problem').length") == 0, name
            assert await page.run("document.title.endsWith(' · Tocsin')"), name
            assert await page.run("document.querySelectorAll('nav [aria-current=page]').length") == 1, name
            unnamed = (
                "[...document.querySelectorAll('input, select, textarea')].filter((it) => !it.ariaLabel && !it.labels?.length)"
            )
            assert await page.run(f"{unnamed}.length") == 0, name
    await page.go(f"{machine.url}/#/nowhere")
    await page.reads("there is no such page")


async def test_what_happens_elsewhere_is_seen_without_asking(page, machine):
    """Signals come in live: the first page shows what was just published."""
    await page.go(f"{machine.url}/#/")
    await page.until("document.querySelector('#live.on') && document.querySelector('.signals')")
    machine.tocsin("event", "publish", "com.example.console.seen")
    await page.reads("com.example.console.seen", ".signals")


async def test_who_logs_out_leaves_nothing_behind(page, machine):
    """Neither a token nor what was on the page."""
    await page.click("Log out")
    await page.until("!document.querySelector('#login').hidden")
    assert await page.run("sessionStorage.length") == 0
    assert await page.run("document.querySelector('#page').innerText") == ""
