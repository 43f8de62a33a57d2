"""A process starts in order, is ready when all of it is, stops in reverse, and says why it failed."""

import asyncio
import os
import signal
from datetime import timedelta

from tocsin.errors import Unavailable
from tocsin_kit.chassis import Chain, Health, Part, Process
from tocsin_kit.clock import SystemClock
from tocsin_kit.testing import eventually


class Recording(Part):
    """Writes down what happens to it."""

    def __init__(self, name: str, story: list[str], *, dies: asyncio.Event | None = None, fails: bool = False) -> None:
        super().__init__(name)
        self.story, self.dies, self.fails = story, dies, fails

    async def start(self) -> None:
        if self.fails:
            raise Unavailable("The moon is away.")
        self.story.append(f"start {self.name}")

    async def serve(self) -> None:
        if self.dies is not None:
            await self.dies.wait()
            raise RuntimeError("broken")
        try:
            await asyncio.Event().wait()
        finally:
            self.story.append(f"cancel {self.name}")

    async def stop(self) -> None:
        self.story.append(f"stop {self.name}")

    def health(self) -> Health:
        return Health(ready=True, detail="fine")


def process(*stages: list[Chain], stop_within: float = 5) -> Process:
    return Process(stages, clock=SystemClock(), stop_within=timedelta(seconds=stop_within))


async def test_components_start_in_order_and_stop_in_reverse() -> None:
    """Each serves until it has drained."""
    story: list[str] = []
    it = process([Chain("a", [Recording("one", story), Recording("two", story)])], [Chain("b", [Recording("three", story)])])

    async def ready() -> None:
        assert it.ready
        assert [each.name for each in it.components()] == ["a.one", "a.two", "b.three"]
        story.append("ready")
        os.kill(os.getpid(), signal.SIGTERM)

    assert await it.run(ready) == 0
    up = ["start one", "start two", "start three", "ready"]
    assert story == [*up, "stop three", "cancel three", "stop two", "cancel two", "stop one", "cancel one"]
    assert not it.ready


class Host(Recording):
    """Has guests."""

    def leave(self) -> None:
        self.story.append(f"leave {self.name}")


async def test_who_has_clients_is_told_before_the_stop_begins() -> None:
    """While the process is at work for a last moment, they can be sent elsewhere."""
    story: list[str] = []
    it = Process([[Chain("a", [Host("one", story)])]], clock=SystemClock(), lame=timedelta(milliseconds=1))

    async def ready() -> None:
        it.request_stop()

    assert await it.run(ready) == 0
    assert story == ["start one", "leave one", "stop one", "cancel one"]


async def test_a_component_that_dies_takes_the_process_down() -> None:
    """In an orderly way, with a code that is not zero."""
    story: list[str] = []
    dies = asyncio.Event()
    it = process([Chain("a", [Recording("one", story), Recording("two", story, dies=dies)])])
    async with asyncio.TaskGroup() as group:
        run = group.create_task(it.run())
        await eventually(lambda: it.ready)
        dies.set()
        assert await run == 1
    assert story == ["start one", "start two", "stop two", "stop one", "cancel one"]
    assert isinstance(it.failure, RuntimeError)


async def test_a_component_that_cannot_start_stops_those_that_have() -> None:
    """Nothing after it starts, and nothing was ever ready."""
    story: list[str] = []
    chain = Chain("a", [Recording("one", story), Recording("two", story, fails=True), Recording("three", story)])
    it = process([chain], [Chain("b", [Recording("four", story)])])
    ready: list[str] = []

    async def when_ready() -> None:
        ready.append("ready")

    assert await it.run(when_ready) == 1
    assert ready == []
    assert isinstance(it.failure, Unavailable)
    assert story == ["start one", "stop two", "stop one", "cancel one"]


async def test_a_stop_that_takes_too_long_ends_at_the_deadline() -> None:
    """With a code that says so."""

    class Stubborn(Recording):
        async def stop(self) -> None:
            await asyncio.Event().wait()

    it = process([Chain("a", [Stubborn("one", [])])], stop_within=0.05)

    async def ready() -> None:
        it.request_stop()

    assert await it.run(ready) == 1


async def test_a_stop_while_starting_does_not_wait_for_the_start() -> None:
    """Ctrl-C works while something waits for a dependency."""

    class Waiting(Recording):
        async def start(self) -> None:
            self.story.append("waiting")
            await asyncio.Event().wait()

    story: list[str] = []
    it = process([Chain("a", [Waiting("one", story)])])
    async with asyncio.TaskGroup() as group:
        run = group.create_task(it.run())
        await eventually(lambda: story)
        it.request_stop()
        assert await run == 0
    assert story == ["waiting", "stop one"]


async def test_a_start_that_takes_too_long_names_what_it_waited_for() -> None:
    """Instead of hanging without a word."""

    class Waiting(Recording):
        async def start(self) -> None:
            await asyncio.Event().wait()

    chains = [Chain("a", [Recording("one", []), Waiting("two", [])])]
    it = Process([chains], clock=SystemClock(), start_within=timedelta(seconds=0.05))
    assert await it.run() == 1
    assert str(it.failure) == "a.two did not start within 0.05 s."


class Deaf(Part):
    """Goes on whatever it is told, until the test lets it go."""

    def __init__(self, released: asyncio.Event) -> None:
        super().__init__("deaf")
        self.released = released

    async def serve(self) -> None:
        while not self.released.is_set():
            try:
                await self.released.wait()
            except asyncio.CancelledError:
                continue


async def test_what_does_not_end_does_not_hold_the_process() -> None:
    """After the deadline and a moment more the process is abandoned, with a code that is not zero."""
    released, abandoned = asyncio.Event(), []

    def abandon(code: int) -> None:
        abandoned.append(code)
        released.set()  # a real process would be gone

    chain = Chain("a", [Deaf(released)])
    it = Process([[chain]], clock=SystemClock(), stop_within=timedelta(seconds=0.05), abandon=abandon)

    async def ready() -> None:
        it.request_stop()

    assert await it.run(ready) == 1
    assert abandoned == [1]


async def test_a_stop_that_is_deaf_does_not_hold_the_process() -> None:
    """Neither one that goes on when it is cancelled, as client libraries do."""
    released, abandoned = asyncio.Event(), []

    class DeafStop(Deaf):
        async def stop(self) -> None:
            await self.serve()

    def abandon(code: int) -> None:
        abandoned.append(code)
        released.set()  # a real process would be gone

    stages = [[Chain("a", [DeafStop(released)])]]
    it = Process(stages, clock=SystemClock(), stop_within=timedelta(seconds=0.05), abandon=abandon)

    async def ready() -> None:
        it.request_stop()

    assert await it.run(ready) == 1
    assert abandoned == [1]


async def test_whoever_asks_for_the_end_need_not_be_there_to_hear_of_it() -> None:
    """The terminal is gone, and telling it fails: the process stops all the same."""

    def tell() -> None:
        raise BrokenPipeError

    story: list[str] = []
    it = Process([[Chain("a", [Recording("one", story)])]], clock=SystemClock(), stopping=tell)
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: story.append(str(context["message"])))

    async def ready() -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    assert await it.run(ready) == 0
    assert story[-2:] == ["stop one", "cancel one"]
