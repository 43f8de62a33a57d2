"""Containers: what is asked of an engine, and a real engine where there is one.

``DOCKER_HOST`` names it, or it is at its usual place. Its image is made here from a static busybox; nothing is pulled.
"""

import asyncio
import io
import os
import shutil
import tarfile
from collections.abc import AsyncIterator, Awaitable, Collection
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import aiodocker
import pytest
from aiohttp import web

from local_http import serving
from tocsin_executor.worker.containers import Allowance, plan_of
from tocsin_executor.worker.leftovers import Leftovers, Owner
from tocsin_executor.worker.neighbours import Neighbours
from tocsin_executor.worker.runners.container import ContainerRunner
from tocsin_executor.worker.tasks import Failed, TakenOver, Task
from tocsin_kit.clock import Clock, SystemClock
from tocsin_kit.testing import ManualClock, eventually
from unit.worker.calls_world import runners, task_of

ENGINE = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"  # noqa: TID251  # as every Docker client does
IMAGE = "tocsin-test-busybox:1"
BUSYBOX = shutil.which("busybox")
on_an_engine = pytest.mark.skipif(
    not os.path.exists(ENGINE.removeprefix("unix://")) or BUSYBOX is None, reason="needs a Docker engine and busybox"
)


def plan(allowance: Allowance | None = None, **spec: Any) -> Any:
    return plan_of(task_of("container", {"image": "alpine", **spec}), allowance or Allowance())


def test_a_container_is_bounded_and_named_after_its_run() -> None:
    """Memory without swap, processors, processes, no new privileges; a name that tells what it is."""
    found = plan(
        workflow="flow", command="echo $1", arguments=["x", 2], environment={"A": 1}, limits={"memory": "64Mi", "cpus": 0.5}
    )
    host = found.config["HostConfig"]
    assert (found.memory, host["MemorySwap"], host["NanoCpus"], host["PidsLimit"]) == (67108864, 67108864, 500_000_000, 512)
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert (found.name, found.image, found.pull, found.cleanup) == (
        "flow-r-h-1-1.n-t",
        "alpine:latest",
        "ifNotPresent",
        "always",
    )
    assert found.config["Entrypoint"] == ["/bin/sh", "-c"]
    assert found.config["Cmd"] == ["echo $1", "sh", "x", "2"]
    assert found.config["Env"] == ["A=1"]


def test_volumes_belong_to_their_namespace_and_the_host_stays_closed() -> None:
    """Named volumes; folders of the host only below those that the operator opened; ports on loopback."""
    found = plan(volumes={"data": "/data", "more": "/more:ro"}, ports={"8080": 80, "5353": "53/udp"})
    assert [(mount["Source"], mount["ReadOnly"]) for mount in found.config["HostConfig"]["Mounts"]] == [
        ("tocsin-n-data", False),
        ("tocsin-n-more", True),
    ]
    assert found.config["HostConfig"]["PortBindings"]["80/tcp"] == [{"HostIp": "127.0.0.1", "HostPort": "8080"}]
    assert "53/udp" in found.config["ExposedPorts"]
    opened = Allowance(folders=("/srv/shared",))
    assert plan(opened, volumes={"/srv/shared/a": "/a"}).config["HostConfig"]["Mounts"][0]["Type"] == "bind"
    for source in ("/etc", "/srv/sharedx", "/srv/shared/../x", "../x", "/"):
        with pytest.raises(Failed) as failure:
            plan(opened, volumes={source: "/a"})
        assert failure.value.problem["status"] == 403


@pytest.mark.parametrize(
    "spec",
    [
        {"image": ""},
        {"limits": {"memory": "8Gi"}},
        {"limits": {"cpus": 64}},
        {"limits": {"memory": "much"}},
        {"ports": {"x": 80}},
        {"volumes": {"a": "relative"}},
        {"lifetime": {"cleanup": "eventually"}},
        {"lifetime": {"cleanup": "someday"}},
        {"name": "-bad name"},
    ],
)
def test_what_makes_no_sense_is_a_configuration_error(spec: dict[str, Any]) -> None:
    """Before anything is asked of the engine."""
    with pytest.raises(Failed) as failure:
        plan(**spec)
    assert str(failure.value.problem["type"]).endswith("configuration")


async def test_without_an_engine_a_container_is_refused_with_the_setting() -> None:
    """Never tried on whatever engine happens to be there."""
    async with runners() as opened:
        with pytest.raises(Failed) as failure:
            await opened.by_kind["container"].run(task_of("container", {"image": "alpine"}))
    assert "worker.docker" in str(failure.value.problem["detail"])


@pytest.fixture
async def docker() -> AsyncIterator[aiodocker.Docker]:
    """An engine with the image on it; what a test leaves behind is removed."""
    async with aiodocker.Docker(url=ENGINE) as docker:
        try:
            await docker.images.inspect(IMAGE)
        except aiodocker.DockerError:
            assert BUSYBOX is not None
            archive = io.BytesIO()
            with tarfile.open(fileobj=archive, mode="w") as tar:
                tar.add(BUSYBOX, "bin/busybox")
                for name in ("sh", "cat", "echo", "sleep", "env", "head", "tail", "true", "kill"):
                    link = tarfile.TarInfo(f"bin/{name}")
                    link.type, link.linkname = tarfile.SYMTYPE, "/bin/busybox"
                    tar.addfile(link)
            name, _, tag = IMAGE.partition(":")
            parameters = {"fromSrc": "-", "repo": name, "tag": tag}
            async with docker._query(
                "images/create", "POST", params=parameters, data=io.BytesIO(archive.getvalue())
            ) as response:
                await response.read()
        yield docker
        for container in await docker.containers.list(all=True, filters={"label": ["tocsin.run=r"]}):
            await container.delete(force=True)


def task(said: list[tuple[str, str]] | None = None, **spec: Any) -> Task:
    lines = [] if said is None else said
    return task_of("container", {"image": IMAGE, "pullPolicy": "never", **spec}, say=lambda *line: lines.append(line))


@on_an_engine
async def test_a_container_reads_prints_and_is_gone(docker: aiodocker.Docker) -> None:
    """Standard input, arguments, environment; both streams apart, as lines in the log; nothing is left."""
    async with runners(docker=ENGINE) as opened:
        runner = opened.by_kind["container"]
        command = 'read line; echo "in: $line"; echo "args: $1 $2 $A"; echo oops >&2'
        said: list[tuple[str, str]] = []
        given = task(said, command=command, stdin="hello\n", arguments=["x", "y"], environment={"A": "1"}, **{"return": "all"})
        output: Any = (await runner.run(given)).output
        assert output == {"code": 0, "stdout": "in: hello\nargs: x y 1\n", "stderr": "oops\n"}
        assert ("stdout", "in: hello") in said
        assert (await runner.run(task(command="exit 3", **{"return": "code"}))).output == 3
        with pytest.raises(Failed) as failure:
            await runner.run(task(command="echo broken >&2; exit 4"))
        assert "code 4: broken" in str(failure.value.problem["detail"])
        with pytest.raises(Failed) as failure:
            await runner.run(task(image="tocsin-test-missing:1"))
        assert failure.value.problem["status"] == 404
        assert await docker.containers.list(all=True, filters={"label": ["tocsin.run=r"]}) == []


@on_an_engine
async def test_a_cancelled_container_runs_no_more(docker: aiodocker.Docker) -> None:
    """Stopped and deleted before the cancellation passes."""
    async with runners(docker=ENGINE) as opened, asyncio.TaskGroup() as group:
        said: list[tuple[str, str]] = []
        given = task(said, command="echo up; sleep 60")
        running = group.create_task(opened.by_kind["container"].run(given))

        async def up() -> bool:
            return ("stdout", "up") in said

        await eventually(up, within=10)
        running.cancel()
        await asyncio.wait([running])
        assert running.cancelled()
        assert await docker.containers.list(all=True, filters={"label": ["tocsin.run=r"]}) == []


@on_an_engine
async def test_memory_is_bounded_and_what_a_dead_worker_left_is_replaced(docker: aiodocker.Docker) -> None:
    """Too much memory is an error that says so; a container of the same attempt is removed first."""
    config = {"Image": IMAGE, "Cmd": ["sleep", "60"], "Labels": {"tocsin.run": "r", "tocsin.attempt": "h:1#1"}}
    left = await docker.containers.create(config, name="run-r-h-1-1.n-t")
    await left.start()
    async with runners(docker=ENGINE) as opened:
        given = task(command="head -c 64000000 /dev/zero | tail", limits={"memory": "8Mi"})
        with pytest.raises(Failed) as failure:
            await opened.by_kind["container"].run(given)
    assert failure.value.problem["title"] == "Out Of Memory"
    assert await docker.containers.list(all=True, filters={"label": ["tocsin.run=r"]}) == []


@on_an_engine
async def test_containers_stay_as_long_as_their_lifetime_says(docker: aiodocker.Docker) -> None:
    """`never` stays; `eventually` goes when its time has come, whoever looks next."""
    clock = ManualClock(SystemClock().now())
    runner = _owned(ContainerRunner(ENGINE, Allowance(), clock))
    try:
        await runner.run(task(name="tocsin-stays", command="true", lifetime={"cleanup": "never"}))
        await runner.run(task(name="tocsin-goes", command="true", lifetime={"cleanup": "eventually", "after": "PT5M"}))
        clock.jump(timedelta(minutes=6))
        await runner.look(_leftovers(clock=clock))
        left = await docker.containers.list(all=True, filters={"label": ["tocsin.run=r"]})
        assert [(await one.show())["Name"] for one in left] == ["/tocsin-stays"]
    finally:
        await runner.close()


@on_an_engine
async def test_what_a_dead_worker_left_running_ends_on_its_engine(docker: aiodocker.Docker) -> None:
    """Whoever looks: the worker's own next start, or another one. What belongs to a living worker or another platform stays."""
    for instance, name in (("dead", "tocsin-left"), ("alive", "tocsin-held"), ("dead", "tocsin-kept")):
        labels = {"tocsin.run": "r", "tocsin.platform": "p", "tocsin.instance": instance}
        labels["tocsin.cleanup"] = "never" if name == "tocsin-kept" else "always"
        config = {"Image": IMAGE, "Cmd": ["sleep", "60"], "Labels": labels}
        await (await docker.containers.create(config, name=name)).start()
    runner = ContainerRunner(ENGINE, Allowance(), SystemClock())
    try:
        await runner.look(_leftovers(dead={"dead"}, platform="q"))
        assert len(await docker.containers.list(filters={"label": ["tocsin.run=r"]})) == 3
        await runner.look(_leftovers(dead={"dead"}))
    finally:
        await runner.close()
    left = await docker.containers.list(all=True, filters={"label": ["tocsin.run=r"]})
    found = {(shown := await one.show())["Name"]: shown["State"]["Status"] for one in left}
    assert found == {"/tocsin-held": "running", "/tocsin-kept": "exited"}


@on_an_engine
@pytest.mark.parametrize("deaf", [False, True])
async def test_a_container_that_somebody_removed_is_an_error_unless_another_worker_has_the_attempt(
    docker: aiodocker.Docker, *, deaf: bool
) -> None:
    """A worker that was silent meanwhile says nothing of an attempt that is no longer its own."""
    async with runners(docker=ENGINE) as opened, asyncio.TaskGroup() as group:
        said: list[tuple[str, str]] = []
        opened.containers.neighbours = _Neighbours(set(), deaf=deaf)
        running = group.create_task(_failing(opened.by_kind["container"].run(task(said, command="echo up; sleep 60"))))
        await eventually(lambda: ("stdout", "up") in said, within=60)
        for container in await docker.containers.list(filters={"label": ["tocsin.run=r"]}):
            await container.delete(force=True)
        error = await running
    assert isinstance(error, TakenOver) if deaf else "removed from outside" in str(getattr(error, "problem", error))


async def _failing(work: Awaitable[Any]) -> Exception:
    try:
        await work
    except (Failed, TakenOver) as error:
        return error
    raise AssertionError("it did not fail")


class _Neighbours(Neighbours):
    """Some are dead."""

    def __init__(self, dead: set[str], *, deaf: bool = False) -> None:
        self._dead, self._deaf = dead, deaf

    def was_deaf_since(self, when: float) -> bool:
        """As told."""
        return self._deaf

    def is_dead(self, instance: str) -> bool:
        """As told."""
        return instance in self._dead


async def _mine(platform: str = "p") -> Owner:
    return Owner(platform, "w", "mine")


def _owned(runner: ContainerRunner) -> ContainerRunner:
    runner.owner = _mine
    return runner


def _leftovers(
    *, dead: Collection[str] = (), held: Collection[str] = (), platform: str = "p", clock: Clock | None = None
) -> Leftovers:
    return Leftovers(lambda: _mine(platform), _Neighbours(set(dead)), lambda: held, clock or SystemClock())


class _Container:
    """As the engine shows it."""

    def __init__(self, instance: str, name: str, *, status: str = "running", cleanup: str = "always") -> None:
        labels = {"tocsin.instance": instance, "tocsin.cleanup": cleanup, "tocsin.run": "r"}
        self.shown = {"Name": f"/{name}", "Config": {"Labels": labels}, "State": {"Status": status}}
        self.done: list[str] = []

    async def show(self) -> Any:
        """All of it."""
        return self.shown

    async def delete(self, **_: Any) -> None:
        """It goes."""
        self.done.append("deleted")

    async def kill(self) -> None:
        """It ends."""
        self.done.append("killed")


async def test_only_what_nobody_waits_for_ends() -> None:
    """Of dead workers, and of this one what it is not at; what has ended and is to be kept stays."""
    judged = [
        (_Container("dead", "a"), ["deleted"]),
        (_Container("dead", "b", cleanup="never"), ["killed"]),
        (_Container("dead", "c", status="exited", cleanup="never"), []),
        (_Container("dead", "d", status="created", cleanup="eventually"), ["deleted"]),
        (_Container("alive", "e"), []),
        (_Container("mine", "f"), []),
        (_Container("mine", "g"), ["deleted"]),
    ]

    class Engine:
        containers: Any = None

        async def list(self, **_: Any) -> list[_Container]:
            return [container for container, _ in judged]

    Engine.containers = Engine()
    await _leftovers(dead={"dead"}, held={"f"}).tidy(Engine())
    assert [container.done for container, _ in judged] == [done for _, done in judged]


class _Bus:
    """Hands what is said to whoever listens."""

    async def subscribe(self, _subject: str, callback: Any) -> None:
        """Listen."""
        self.hear = callback


async def test_a_worker_that_was_deaf_judges_nobody() -> None:
    """It counts others as dead only when it has heard itself for long enough, and knows when its own tasks may be elsewhere."""
    clock, bus = ManualClock(), _Bus()
    neighbours: Any = Neighbours(bus, "me", clock)  # type: ignore[arg-type]
    await neighbours.start()

    async def said(*instances: str, seconds: float = 2.0) -> None:
        clock.jump(timedelta(seconds=seconds))
        for instance in instances:
            await bus.hear(SimpleNamespace(data=f'{{"instance": "{instance}", "state": "working"}}'.encode()))

    await said("me", "it")
    began = clock.monotonic()
    assert not neighbours.is_dead("never heard of"), "it has not listened for long enough"
    for _ in range(6):
        await said("me", "it")
    assert (neighbours.is_dead("it"), neighbours.is_dead("never heard of"), neighbours.is_dead("me")) == (False, True, False)
    for _ in range(6):
        await said("me")
    assert neighbours.is_dead("it")
    assert not neighbours.was_deaf_since(began)
    clock.jump(timedelta(seconds=11))
    assert (neighbours.is_dead("never heard of"), neighbours.was_deaf_since(began)) == (False, True)
    await said("me")
    assert (neighbours.is_dead("never heard of"), neighbours.was_deaf_since(began)) == (False, True)
    assert not neighbours.was_deaf_since(clock.monotonic() + 1)


class _AtOnce(SystemClock):
    """Sleeps are over at once."""

    async def sleep(self, seconds: float) -> None:
        """Not at all."""


@pytest.mark.parametrize(("status", "times", "tries"), [(503, 2, 3), (500, 9, 5), (400, 9, 1)])
async def test_an_engine_in_trouble_is_asked_again_and_one_that_refuses_is_not(status: int, times: int, tries: int) -> None:
    """Before a container has begun nothing has been done, so asking again is harmless."""
    created: list[int] = []

    async def version(_: web.Request) -> web.Response:
        return web.json_response({"ApiVersion": "1.43"})

    async def create(_: web.Request) -> web.Response:
        created.append(1)
        if len(created) <= times:
            return web.json_response({"message": "in trouble"}, status=status)
        return web.json_response({"Id": "c", "Warnings": []}, status=201)

    async def none(_: web.Request) -> web.Response:
        return web.json_response([])

    async def image(_: web.Request) -> web.Response:
        return web.json_response({"Id": "i"})

    routes = {"/version": version, "/v1.43/containers/create": create, "/v1.43/containers/json": none}
    routes["/v1.43/images/{image}/json"] = image
    async with serving(routes) as url:
        runner = ContainerRunner(url, Allowance(), _AtOnce())
        with pytest.raises(Failed) as failure:  # this engine can make containers and not run them
            await runner.run(task_of("container", {"image": "box", "pullPolicy": "never"}))
        await runner.close()
    assert len(created) == tries
    assert ("in trouble" in str(failure.value.problem["detail"])) is (times >= tries)
