"""A browser in which somebody is logged in, for all tests of this folder: nothing is complained about on any page."""

import json
import re

import pytest_asyncio

from e2e.browser import browsing
from e2e.console.screen import PASSWORD

# Who starts a run may be on its page before it is there, and what is proposed may be the first of its name: the pages say so,
# and the browser says so too.
EARLY = re.compile(r"404 .*/api/v1/(runs/\w{26}|workflows/console-pay/pay)$")


@pytest_asyncio.fixture(loop_scope="package", scope="package")
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
