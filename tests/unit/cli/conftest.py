"""A platform to talk to, a place to remember, and the command line as a function."""

import asyncio
import dataclasses
import pathlib
import sys

import pytest
from aiohttp.test_utils import TestServer

sys.path.insert(0, str(pathlib.Path(__file__).parent))  # the fake is imported by its plain name under importmode=importlib

from platform_fake import FakePlatform

from tocsin.cli.context import Context, save
from tocsin.cli.root import run


@dataclasses.dataclass
class Outcome:
    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path):
    """Nothing of the machine reaches a test."""
    for name in ("TOCSIN_URL", "TOCSIN_TOKEN", "TOCSIN_NAMESPACE", "TOCSIN_WEBHOOK_SECRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TOCSIN_CONTEXT", str(tmp_path / "config" / "config.toml"))


@pytest.fixture
async def platform(clean_environment):
    """A fake platform on a real port."""
    fake = FakePlatform()
    server = TestServer(fake.application())
    await server.start_server()
    fake.url = str(server.make_url("")).rstrip("/")
    yield fake
    fake.cut()
    await server.close()


@pytest.fixture
def logged_in(platform):
    """As after `tocsin login`."""
    save(Context(url=platform.url, user="admin", access_token="access-1", refresh_token="refresh-1"))
    return platform


@pytest.fixture
def tocsin(capsys):
    """The command line: arguments in, exit code and texts out."""

    async def call(*arguments: str) -> Outcome:
        code = await asyncio.to_thread(run, list(arguments))
        captured = capsys.readouterr()
        return Outcome(int(code), captured.out, captured.err)

    return call
