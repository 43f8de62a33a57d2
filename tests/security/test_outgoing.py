"""Where a workflow may send a worker: names, spellings and redirects that lead inside."""

import socket

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.test_utils import TestServer

from tocsin_executor.domain.values import ErrorKind
from tocsin_executor.worker.calling import Caller
from tocsin_executor.worker.runners.http import HttpRunner
from tocsin_executor.worker.tasks import Failed, Task
from tocsin_kit.chance import SystemChance
from tocsin_kit.clock import SystemClock
from tocsin_kit.web.outgoing import OutgoingGuard as Guard
from tocsin_kit.web.outgoing import OutgoingRefused


def http_runner(guard: Guard) -> HttpRunner:
    return HttpRunner(Caller(guard, SystemClock(), SystemChance()))


def guarded(*, allow_private: bool, inner: AbstractResolver | None = None) -> Guard:
    return Guard(allow_private=allow_private, setting="worker.allow_private", inner=inner)


class Names(AbstractResolver):
    """A name server that the attacker owns: another answer each time."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers, self.asked = list(answers), 0

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [ResolveResult(hostname=host, host=one, port=port, family=family, proto=0, flags=0) for one in answer]

    async def close(self) -> None:
        return


ALWAYS = (
    "169.254.169.254",
    "169.254.0.1",
    "fe80::1",
    "fe80::1%eth0",
    "::ffff:169.254.169.254",
    "::169.254.169.254",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::169.254.169.254",
    "64:ff9b:1:a9fe:a9:fe00::",
    "64:ff9b:1:ffa9:fe:a9fe::",
    "64:ff9b:1:ffff:a9:fea9:fe00:0",
    "::ffff:0:169.254.169.254",
    "2606:2800::5efe:169.254.169.254",
    "fe80::200:5efe:169.254.169.254",
    "2002:a9fe:a9fe::1",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd20:ce::254",
    "100.100.100.200",
    "168.63.129.16",
    "224.0.0.1",
    "ff02::1",
)
INSIDE = (
    "127.0.0.1",
    "127.255.0.9",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fc00::1",
    "::ffff:127.0.0.1",
    "::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "2002:7f00:1::1",
    "240.0.0.1",
    "192.0.0.8",
    "192.88.99.1",
    "198.18.0.1",
    "fec0::1",
    "4000::1",
    "5f00::1",
    "3fff::1",
    "2001:db8::1",
    "64:ff9b:1::10.0.0.1",
    "2606:2800::200:5efe:10.0.0.1",
)
OUTSIDE = ("93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c")


@pytest.mark.parametrize("address", ALWAYS)
async def test_metadata_and_link_local_addresses_are_never_called(address: str) -> None:
    """Whatever is allowed, as a name and as an address, in every form that carries one."""
    guard = guarded(allow_private=True, inner=Names([address]))
    with pytest.raises(OutgoingRefused):
        guard.check(address)
    with pytest.raises(OutgoingRefused):
        await guard.resolve("innocent.example")


@pytest.mark.parametrize("address", INSIDE)
async def test_the_inside_is_called_only_where_that_is_allowed(address: str) -> None:
    """Refused by default, let through by the setting."""
    guard = guarded(allow_private=False, inner=Names([address]))
    with pytest.raises(OutgoingRefused):
        guard.check(address)
    with pytest.raises(OutgoingRefused):
        await guard.resolve("innocent.example")
    open_guard = guarded(allow_private=True, inner=Names([address]))
    open_guard.check(address)
    assert await open_guard.resolve("service.internal")


@pytest.mark.parametrize("address", OUTSIDE)
async def test_the_world_is_called(address: str) -> None:
    """Ordinary addresses pass."""
    guard = guarded(allow_private=False, inner=Names([address]))
    guard.check(address)
    assert [one["host"] for one in await guard.resolve("example.com")] == [address]


async def test_one_address_inside_spoils_the_name() -> None:
    """A name with an address outside and one inside is refused whole, wherever the one inside stands."""
    for answer in ([OUTSIDE[0], "127.0.0.1"], ["127.0.0.1", OUTSIDE[0]]):
        with pytest.raises(OutgoingRefused):
            await guarded(allow_private=False, inner=Names(answer)).resolve("both.example")


def task(url: str) -> Task:
    spec = {"method": "GET", "endpoint": {"uri": url}}
    return Task("run", "attempt", "http", "call", "/do/0/call", "default", spec, None, None, None, None, "reply")


@pytest.fixture
async def inside():
    """A service on this machine that redirects and answers, and counts."""
    seen: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.path)
        if request.path == "/away":
            raise web.HTTPFound("http://169.254.169.254/latest/meta-data/")
        return web.json_response({"secret": "inside"})

    app = web.Application()
    app.router.add_get("/{tail:.*}", answer)
    async with TestServer(app) as server:
        server.seen = seen
        yield server


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "localhost", "[::ffff:7f00:1]", "127.0.0.1."]
)
async def test_no_spelling_of_this_machine_is_reached(inside, host: str) -> None:
    """Through the runner itself: refused or unreachable, and the service on this machine never asked."""
    runner = http_runner(guarded(allow_private=False))
    try:
        with pytest.raises(Failed) as error:
            await runner.run(task(f"http://{host}:{inside.port}/secret"))
        assert "inside" not in str(error.value.problem)
    finally:
        await runner.caller.close()
    assert inside.seen == []


async def test_a_name_that_changes_after_the_check_is_not_asked_again(inside) -> None:
    """The connection goes to the addresses that were looked at; a second answer would lead inside, and is refused as well."""
    names = Names(["203.0.113.1"], ["127.0.0.1"])
    guard = guarded(allow_private=False, inner=names)
    runner = http_runner(guard)
    try:
        with pytest.raises(Failed):
            await runner.run(task(f"http://rebinding.example:{inside.port}/secret"))
        with pytest.raises(Failed):
            await runner.run(task(f"http://rebinding.example:{inside.port}/secret"))
    finally:
        await runner.caller.close()
    assert inside.seen == []


async def test_a_redirect_is_not_followed(inside) -> None:
    """An allowed service cannot send the worker on: what it answers is an error of the task, with the status."""
    runner = http_runner(guarded(allow_private=True))
    try:
        with pytest.raises(Failed) as error:
            await runner.run(task(f"http://127.0.0.1:{inside.port}/away"))
    finally:
        await runner.caller.close()
    assert error.value.problem["status"] == 302
    assert inside.seen == ["/away"]


async def test_a_refusal_says_why_and_not_what_it_found() -> None:
    """An authorization error of the language; the address behind the name is not told."""
    guard = guarded(allow_private=False, inner=Names(["10.1.2.3"]))
    runner = http_runner(guard)
    try:
        with pytest.raises(Failed) as error:
            await runner.run(task("http://db.internal/"))
    finally:
        await runner.caller.close()
    problem = error.value.problem
    assert (problem["status"], ErrorKind.AUTHORIZATION.value[0] in str(problem["type"])) == (403, True)
    assert "10.1.2.3" not in f"{problem}"
    assert "worker.allow_private" in f"{problem}"
