"""A real browser, spoken to over its DevTools protocol: Chromium without a window, where one is installed.

No driver and no library in between: a page is opened, asked, and watched for whatever it complains about.
"""

import asyncio
import base64
import contextlib
import itertools
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aiohttp import ClientError, ClientSession, ClientWebSocketResponse

from tocsin_kit.clock import SystemClock

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WITHIN = 60.0  # seconds until something must have happened; a busy machine may take its time
_clock = SystemClock()
_CLICK = """(place, text) => {
  const parts = [...document.querySelectorAll(`:is(${place}) :is(button, a, summary)`)];
  const found = parts.find((it) => !it.disabled && it.checkVisibility() && it.innerText.trim() === text);
  found?.click();
  return Boolean(found);
}"""
_FILL = """(selector, text) => {
  const field = document.querySelector(selector);
  if (!field?.checkVisibility()) return false;
  field.focus();
  field.value = text;
  for (const name of ["input", "change"]) field.dispatchEvent(new Event(name, { bubbles: true }));
  return true;
}"""


class Page:
    """One tab.

    Attributes:
        complaints: What the page complained about: exceptions, errors of the console, broken rules of the content policy,
            requests that failed; each as one line.
    """

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self.complaints: list[str] = []
        self._socket, self._numbers = socket, itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def listen(self) -> None:
        """Hear what the browser says, until it is gone."""
        async for message in self._socket:
            said = json.loads(message.data)
            if "id" in said and (waiting := self._answers.pop(said["id"], None)) and not waiting.done():
                waiting.set_result(said)
            elif complaint := _complaint(said.get("method", ""), said.get("params", {})):
                self.complaints.append(complaint)

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Ask the browser for something.

        Raises:
            AssertionError: It said no, or nothing.
        """
        number = next(self._numbers)
        self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": params})
        async with asyncio.timeout(WITHIN):
            answer = await self._answers[number]
        assert "error" not in answer, (method, answer)
        return dict(answer["result"])

    async def run(self, script: str) -> Any:
        """The value of an expression in the page; a promise is waited for."""
        answer = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, (script, answer["exceptionDetails"])
        return answer["result"].get("value")

    async def go(self, url: str) -> None:
        """To an address; a new one behind the ``#`` stays on the page."""
        await self.call("Page.navigate", url=url)

    async def until(self, script: str, *, within: float = WITHIN) -> None:
        """Until an expression is true in the page.

        Raises:
            AssertionError: It was not in time; with the text of the page.
        """
        deadline = _clock.monotonic() + within
        while True:
            with contextlib.suppress(AssertionError):  # the page may be on its way elsewhere
                if await self.run(f"Boolean({script})"):
                    return
            if _clock.monotonic() > deadline:
                raise AssertionError(
                    f"not within {within:g} s: {script}\n{await self.run('document.body.innerText')}\n{self.complaints}"
                )
            await _clock.sleep(0.03)

    async def reads(self, text: str, place: str = "main:not([hidden])") -> None:
        """Until a text can be read in a place, in whatever case it is shown."""
        await self.until(f"document.querySelector({place!r})?.innerText.toLowerCase().includes({json.dumps(text.lower())})")

    async def click(self, text: str, place: str = "body") -> None:
        """On the first button or link with this text, once it is there and may be used."""
        await self.until(f"({_CLICK})({json.dumps(place)}, {json.dumps(text)})")

    async def fill(self, selector: str, text: str) -> None:
        """A field with a text, as if it was typed, once it is there."""
        await self.until(f"({_FILL})({json.dumps(selector)}, {json.dumps(text)})")

    async def screenshot(self, file: Path, *, width: int, height: int = 0, dark: bool = False, scale: float = 1) -> None:
        """What a reader sees, as PNG; without a height the whole page."""
        await self.looks(width=width, height=height or 900, dark=dark, scale=scale)
        if not height:
            await _clock.sleep(0.2)
            height = min(6000, await self.run("document.documentElement.scrollHeight"))
            await self.looks(width=width, height=height, dark=dark, scale=scale)
        await _clock.sleep(0.2)
        shot = await self.call("Page.captureScreenshot", format="png")
        await asyncio.to_thread(file.write_bytes, base64.b64decode(shot["data"]))

    async def looks(self, *, width: int, height: int, dark: bool = False, scale: float = 1) -> None:
        """Give the page a size in CSS pixels and a colour scheme."""
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=width < 600
        )
        await self.call(
            "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        )


def _complaint(method: str, params: dict[str, Any]) -> str | None:
    match method:
        case "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            return f"exception: {details.get('exception', {}).get('description') or details['text']}"
        case "Runtime.consoleAPICalled" if params["type"] in {"error", "assert", "warning"}:
            return f"console: {[part.get('value') or part.get('description') for part in params['args']]}"
        case "Log.entryAdded" if params["entry"]["level"] in {"error", "warning"}:
            return f"{params['entry']['source']}: {params['entry']['text']} {params['entry'].get('url', '')}"
    return None


@contextlib.asynccontextmanager
async def browsing(folder: Path) -> AsyncIterator[Page]:
    """A browser with one empty page, gone at the end.

    Args:
        folder: Empty; its profile.
    """
    assert CHROMIUM is not None
    options = ["--headless=new", "--remote-debugging-port=0", f"--user-data-dir={folder}", "--no-first-run", "--mute-audio"]
    options += ["--disable-gpu", "--disable-dev-shm-usage", "--disable-extensions", "--disable-background-networking"]
    options += ["--disable-component-update", "--hide-scrollbars", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        CHROMIUM, *options, "about:blank", stdout=quiet, stderr=quiet, start_new_session=True
    )
    try:
        async with ClientSession() as http:
            address = await _address(http, folder / "DevToolsActivePort")
            async with http.ws_connect(address, max_msg_size=0) as socket, asyncio.TaskGroup() as tasks:
                page = Page(socket)
                hearing = tasks.create_task(page.listen())
                for domain in ("Page", "Runtime", "Log"):
                    await page.call(f"{domain}.enable")
                yield page
                hearing.cancel()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # its helpers, too
        await process.wait()


async def _address(http: ClientSession, file: Path) -> str:
    """Of the one page that there is, once the browser has written down where it listens."""
    deadline = _clock.monotonic() + WITHIN
    while _clock.monotonic() < deadline:
        with contextlib.suppress(ClientError, OSError, ValueError):
            port, _ = (await asyncio.to_thread(file.read_text)).split()
            async with http.get(f"http://127.0.0.1:{port}/json") as answer:
                pages = [it for it in await answer.json() if it["type"] == "page"]
            if pages:
                return str(pages[0]["webSocketDebuggerUrl"])
        await _clock.sleep(0.02)
    raise AssertionError(f"the browser did not start within {WITHIN:g} s")
