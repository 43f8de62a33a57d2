"""The how-to pages, typed in as they are printed: each block of commands, in its order, in one shell."""

import shutil
import subprocess

import pytest

from e2e.machine import ROOT, Machine, console_blocks

pytestmark = [pytest.mark.server, pytest.mark.slow]

# What must have been printed at the end, besides every command having ended well.
PAGES = {
    "write-a-workflow": ("price", "completed"),
    "receive-webhooks": ('"outcome":"started"', "signature_invalid", "refused"),
    "connect": ('"duplicate":true', '"outcome":"limited"', "with 2 others", "fires_later", "default/drill applied"),
    "start-on": ("paid-and-packed applied", "with 1 other"),
    "publish-an-event": ("on disk: EVENTS", "parcels started run"),
    "track-data": ("2 partitions in backfill", " missing", "shop/raw-orders materialized", "flowchart LR"),
    "schedule": ("hourly-hello paused", "schedule.paused", "completed: 4 completed", "2025-11-01T03:00"),
    "explain-events": ("com.example.order.placed in default",),
    "see-what-happened": ("No trigger of namespace default listens", "run.completed"),
    "limit-runs": ("limit 'workflow:default/bill#acme' is held by run ", "billing-database"),
    "repair-runs": ("taken off the scales", "done again", "1 can move to 1.1.0", "2 passed, 0 failed"),
    "wait-for-events": ('"paid":20', "com.example.payment.made", "= 8", "completed"),
    "call-services": ("looked up with ***", "completed"),
    "run-programs": ("read 3 values", '"stdout":"the sum is 6\\n"', "default 0/256"),
    "operate": ("ready", '"handled":', "cancelled"),
    "keep-secrets": ("payment-token", "billing-*", "mail-server deleted"),
    "use-the-console": ("viewer",),
    "say-who-may-do-what": ("grace", "sre", "yes (*:*@*)", "denies", "workflow:*"),
    "alerts": ("failures",),
    "send-webhooks": ("failures",),
    "work-cases": ("Printer on fire", "case.opened"),
}


def test_every_page_is_tried_here():
    """But those about deployment, which have tests of their own."""
    pages = {page.stem for page in (ROOT / "docs" / "how-to").glob("*.md") if not page.stem.startswith("deploy-")}
    assert pages == PAGES.keys()


@pytest.mark.skipif(not all(map(shutil.which, ("curl", "jq", "openssl"))), reason="the pages use curl, jq and openssl")
@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_true(machine: Machine, page: str):
    """Every command ends well, and the page's promises show."""
    lines = [line for block in console_blocks(ROOT / "docs" / "how-to" / f"{page}.md") for line in block]
    script = "\n".join(["set -e", *lines]).replace("http://127.0.0.1:7700", machine.url)
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=machine.folder,
        env=machine.environment | {"URL": machine.url, "TOKEN": machine.token},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    for promised in PAGES[page]:
        assert promised in done.stdout, done.stdout
