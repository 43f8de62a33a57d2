"""What the tests of the console share: who they are, what they try everywhere, and how a page is opened."""

from typing import Final

import pytest

from e2e.browser import CHROMIUM

MARKS: Final = [
    pytest.mark.server,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt-get install chromium)"),
    pytest.mark.asyncio(loop_scope="package"),
]
HOSTILE = "<img src=x onerror=\"document.title='owned'\"> **loud** <script>document.title='owned'</script>"
PASSWORD = "seven quiet harbours at night"


async def opened(page, machine, name):
    """A page, once it is there; until then, the one before is."""
    await page.go(f"{machine.url}/#/{name}")
    await page.until(f"document.querySelector('#page:not([aria-busy])')?.dataset.hash === '#/{name}'")
