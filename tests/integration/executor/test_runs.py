"""Runs, from the start to their end, through a real log, a real database and a real worker."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web

from tocsin.errors import NotFound
from tocsin.signals import subjects
from tocsin_executor.application.reading import tasks_of
from tocsin_executor.application.repeats import KeyReused, Repeats
from tocsin_executor.application.runs import RunAlreadyDone, StartOrder
from tocsin_executor.domain.inputs import Verb
from tocsin_kit.bus.consumer import Consumer
from tocsin_kit.bus.topology import consumer
from tocsin_kit.clock import SystemClock
from tocsin_kit.testing.waiting import eventually

pytestmark = pytest.mark.server

SLEEPER = "import time\nprint('asleep', flush=True)\ntime.sleep(60)\n"


async def test_a_run_goes_through_its_tasks_and_is_saved_with_its_history(rig: Any) -> None:
    """Start, tasks in a worker, end; state and records are in the database, also after the engine has forgotten the run."""
    async with rig.replica() as replica, rig.worker():
        view = await rig.run(
            [
                {"first": {"call": "noop", "with": {"value": "${ .x + 1 }"}}},
                {"then": {"set": {"got": "${ .value }"}}},
            ],
            {"x": 1},
        )
        assert (view.status, view.output, view.error) == ("completed", {"got": 2}, None)

        async def saved() -> bool:
            return replica.engine.host.live(view.id) is None

        await eventually(saved, within=5)
        again = await replica.runs.get(view.id)
        assert (again.status, again.output) == ("completed", {"got": 2})
        tasks, beyond = await replica.reading.finished_tasks(view.id, None, 50)
        assert [(task.name, task.status, task.output) for task in tasks] == [
            ("first", "completed", {"value": 2}),
            ("then", "completed", {"got": 2}),
        ]
        assert beyond is None


async def test_signals_of_a_run_are_dense_and_in_order(rig: Any) -> None:
    """One sequence without gaps for the run and its tasks, in the stream that everyone reads."""
    async with rig.replica() as replica, rig.worker():
        view = await rig.run([{"a": {"call": "noop", "with": {}}}, {"b": {"call": "noop", "with": {}}}])
        events: list[dict[str, Any]] = []

        async def complete() -> bool:
            events[:] = (await replica.reading.signals("default", view.id, 0, 100))[0]
            return bool(events) and events[-1]["type"].endswith("workflow.completed.v1")

        await eventually(complete, within=5)
        assert [int(event["sequence"]) for event in events] == list(range(1, len(events) + 1))
        assert events[0]["type"].endswith("workflow.started.v1")
        assert all(event["correlationid"] and event["causationid"] for event in events)
        for event in events[-3:]:  # as the next owner says it again that could not be saved before a crash
            kind = event["type"].split(".")
            subject = subjects.signal("default", kind[-3], kind[-2], view.id)
            await replica.bus.publish(subject, json.dumps(event).encode())
        assert (await replica.reading.signals("default", view.id, 0, 100))[0] == events
        first, beyond = await replica.reading.signals("default", view.id, 0, len(events) - 1)
        last, _ = await replica.reading.signals("default", view.id, beyond or 0, 100, len(first))
        assert first + last == events


async def test_an_accepted_run_is_found_at_once(rig: Any) -> None:
    """What was answered with 202 is there at the next GET, folded or not."""
    async with rig.replica() as replica:
        await rig.publish([{"a": {"wait": {"seconds": 30}}}])
        run = await rig.start()
        assert (await replica.runs.get(run)).status in {"pending", "running", "waiting"}
        with pytest.raises(NotFound):
            await replica.runs.get("0" * 26)


async def test_the_same_start_twice_is_one_run(rig: Any) -> None:
    """Ids derived from the cause: a repeated command changes nothing and is recorded as refused."""
    async with rig.replica() as replica, rig.worker():
        await rig.publish([{"a": {"call": "noop", "with": {}}}])
        run = "01jzzzzzzzzzzzzzzzzzzzzzzz"
        await rig.start(run=run)
        first = await rig.ended(run)

        async def forgotten() -> bool:
            return replica.engine.host.live(run) is None

        await eventually(forgotten, within=5)
        await rig.start(run=run)

        async def refused() -> bool:
            return len((await replica.runs.get(run)).decisions) == 1

        await eventually(refused, within=5)
        assert (await replica.runs.get(run)).ended == first.ended


async def test_a_key_that_started_something_else_is_refused(rig: Any) -> None:
    """Another workflow, version or input, small or large, also of two starts at once; the same again is the same run."""
    async with rig.replica() as replica:
        repeats = Repeats(replica.runs, replica.apart)
        for name in ("flow", "other"):
            await rig.publish([{"w": {"wait": {"hours": 1}}}], name=name)
        large = ["x" * 1000] * 200

        def order(workflow: str = "flow", given: Any = None, version: str | None = None) -> StartOrder:
            return StartOrder(namespace="default", workflow=workflow, version=version, input=given, actor="user:test")

        run = "1" * 26
        first = await repeats.start(run, order(given=large))
        assert (await repeats.start(run, order(given=list(large), version="latest"))).id == first.id
        for wrong, why in (
            (order("other", large), "another workflow"),
            (order(given=[*large, 1]), "another input"),
            (order(given=large, version="2.0.0"), "another version"),
        ):
            with pytest.raises(KeyReused, match=why):
                await repeats.start(run, wrong)
        both = [repeats.start("2" * 26, order(given={"n": n})) for n in (1, 2)]
        outcomes = await asyncio.gather(*both, return_exceptions=True)
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["KeyReused", "RunView"]


async def test_scripts_and_shell_get_arguments_environment_and_input(rig: Any) -> None:
    """Python, JavaScript and shell; a clean environment; what they print is kept as the task's log."""
    async with rig.replica() as replica, rig.worker():
        code = "import os, sys\nprint(sys.argv[1], os.environ['WHO'], sys.stdin.read(), len(os.environ) < 12)"
        script = {"language": "python", "code": code, "arguments": ["${ .a }"], "environment": {"WHO": "me"}, "stdin": "in"}
        view = await rig.run(
            [
                {"py": {"run": {"script": script}, "output": {"as": "${ {py: .} }"}, "export": {"as": "."}}},
                {"sh": {"run": {"shell": {"command": "echo $1; exit 3", "arguments": ["x"]}, "return": "all"}}},
            ],
            {"a": "arg"},
        )
        assert (view.status, view.error) == ("completed", None)
        assert view.output == {"code": 3, "stdout": "x\n", "stderr": ""}
        tasks, _ = await tasks_of(replica.runs, replica.reading, view.id, None, 50)
        assert next(task.output for task in tasks if task.name == "py") == {"py": "arg me in True"}


async def test_a_failing_script_is_an_error_with_its_last_words(rig: Any) -> None:
    """A code other than 0 faults the task; the error points into the definition."""
    async with rig.replica(), rig.worker():
        view = await rig.run([{"sh": {"run": {"shell": {"command": "echo broken >&2; exit 7"}}}}])
        assert view.status == "faulted"
        assert view.error is not None
        assert "7" in str(view.error["detail"])
        assert "broken" in str(view.error["detail"])
        assert view.error["instance"] == "/do/0/sh"


async def test_an_http_call_sends_what_it_says_and_its_failure_can_be_caught(rig: Any) -> None:
    """Method, headers, query and body arrive; a status outside the accepted ones is a communication error."""
    seen: list[Any] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append((request.method, request.query.get("q"), request.headers.get("X-A"), await request.json()))
        return web.json_response({"ok": True}, status=201 if len(seen) == 2 else 503)

    app = web.Application()
    app.router.add_route("*", "/items/{id}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    call = {
        "call": "http",
        "with": {
            "method": "post",
            "endpoint": f"http://127.0.0.1:{port}/items/{{id}}",
            "headers": {"X-A": "1"},
            "query": {"q": "${ .q }"},
            "body": {"n": "${ .n }"},
        },
    }
    caught = {"errors": {"with": {"status": 503}}, "retry": {"delay": {"milliseconds": 20}, "limit": {"attempt": {"count": 3}}}}
    try:
        async with rig.replica(), rig.worker():
            view = await rig.run([{"t": {"try": [{"c": call}], "catch": caught}}], {"q": "x", "n": 5, "id": "i7"})
            assert (view.status, view.output, view.error) == ("completed", {"ok": True}, None)
        assert seen == [("POST", "x", "1", {"n": 5})] * 2
    finally:
        await runner.cleanup()


async def test_a_cancel_is_confirmed_only_when_the_process_is_gone(rig: Any, tmp_path: Any) -> None:
    """The run is cancelling while the script lives, and cancelled when its whole process group has ended."""
    mark = tmp_path / "pid"
    code = f"import os, time\nopen({str(mark)!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)"
    async with rig.replica() as replica, rig.worker():
        await rig.publish([{"long": {"run": {"script": {"language": "python", "code": code}}}}])
        run = await rig.start()

        async def begun() -> bool:
            return mark.exists() and mark.read_text() != ""

        await eventually(begun, within=10)
        pid = int(mark.read_text())
        await replica.runs.control(run, Verb.CANCEL, actor="user:test", reason="enough")
        view = await rig.ended(run)
        assert view.status == "cancelled"
        with pytest.raises(ProcessLookupError):
            __import__("os").kill(pid, 0)
        with pytest.raises(RunAlreadyDone):
            await replica.runs.control(run, Verb.CANCEL, actor="user:test", reason=None)


async def test_a_task_that_was_revoked_while_no_worker_was_there_never_begins(rig: Any, tmp_path: Any) -> None:
    """The worker that comes later knows of the revocation before it takes the task, and confirms it."""
    mark = tmp_path / "ran"
    async with rig.replica() as replica:
        await rig.publish([{"sh": {"run": {"shell": {"command": f"touch {mark}"}}}}])
        run = await rig.start()

        async def begun() -> bool:
            return (await replica.runs.get(run)).status == "running"

        await eventually(begun, within=5)
        await replica.runs.control(run, Verb.CANCEL, actor="user:test", reason=None)
        assert (await replica.runs.get(run)).status == "cancelling"
        async with rig.worker():
            assert (await rig.ended(run)).status == "cancelled"
    assert not mark.exists()


async def test_waits_end_in_time_and_survive_another_owner(rig: Any) -> None:
    """An alarm is part of the state: the next owner finds it in the database and wakes the run."""
    async with rig.replica(orderly=False) as replica:
        await rig.publish([{"w": {"wait": {"milliseconds": 1500}}}, {"s": {"set": {"done": True}}}])
        run = await rig.start()

        async def saved() -> bool:
            stored = (await replica.engine.host._store.load([run])).get(run)
            return stored is not None

        await eventually(saved, within=5)
    async with rig.replica():
        view = await rig.ended(run)
        assert (view.status, view.output) == ("completed", {"done": True})


async def test_an_engine_that_dies_is_followed_by_one_that_goes_on(rig: Any) -> None:
    """Nothing of a hundred runs is lost or applied twice when the engine is dropped in the middle, several times."""
    tasks = [{f"t{n}": {"call": "noop", "with": {"n": f"${{ (.n // 0) + {n} }}"}}} for n in range(1, 9)]
    async with rig.worker():
        async with rig.replica(orderly=False):
            await rig.publish(tasks)
            runs = [await rig.start() for _ in range(100)]
        for _ in range(3):
            async with rig.replica(orderly=False) as replica:
                await SystemClock().sleep(0.05)  # any moment will do
        async with rig.replica() as replica:
            views = [await rig.ended(run) for run in runs]
            assert {(view.status, str(view.output)) for view in views} == {("completed", "{'n': 36}")}
            for run in runs[:10]:
                tasks_done, _ = await replica.reading.finished_tasks(run, None, 100)
                tasks_done += await replica.runs.live_tasks(run)
                assert [task.attempt for task in tasks_done] == [1] * 8


async def test_two_replicas_share_the_partitions_and_take_over(rig: Any) -> None:
    """A second replica gets its share, and the first gets everything back when the second leaves."""
    async with rig.replica("one", lease=1.5) as one, rig.worker():
        async with rig.replica("two", lease=1.5) as two:

            async def shared() -> bool:
                return len(one.engine.host.owned) == 2 and len(two.engine.host.owned) == 2

            await eventually(shared, within=10)
            await rig.publish([{"a": {"call": "noop", "with": {"v": 1}}}])
            runs = [await rig.start() for _ in range(20)]
            views = [await rig.ended(run) for run in runs]
            assert {view.status for view in views} == {"completed"}

        async def alone() -> bool:
            return len(one.engine.host.owned) == 4

        await eventually(alone, within=10)


async def test_an_open_expression_is_evaluated_outside_the_step(rig: Any) -> None:
    """What may take long goes to a process that can be killed, and its answer comes back through the log."""
    async with rig.replica(), rig.worker():
        view = await rig.run([{"s": {"set": {"all": "${ [range(0; 3; 1)] }"}}}])
        assert (view.status, view.output) == ("completed", {"all": [0, 1, 2]})


async def test_emitted_events_are_in_the_event_stream(rig: Any) -> None:
    """``emit`` publishes a CloudEvent in the run's namespace."""
    async with rig.replica() as replica, rig.worker():
        event = {"source": "/orders", "type": "com.example.order.placed.v1", "data": {"id": "${ .id }"}}
        view = await rig.run([{"e": {"emit": {"event": {"with": event}}}}], {"id": 7})
        assert view.status == "completed"

        async def there() -> bool:
            return await replica.reading._message("EVENTS", "events.default.com.example.order.placed.v1", 1) is not None

        await eventually(there, within=5)


async def test_a_child_run_is_started_and_its_output_comes_back(rig: Any) -> None:
    """``run.workflow``: the parent waits for the child, which is a run of its own."""
    async with rig.replica() as replica, rig.worker():
        commands = Consumer(replica.bus, consumer("executor-commands"), replica.commands.handle)
        await commands.start()
        serving = asyncio.create_task(commands.serve())  # noqa: TID251  # ended below
        try:
            await rig.publish([{"s": {"set": {"twice": "${ .n * 2 }"}}}], name="child")
            of = {"namespace": "default", "name": "child", "version": "1.0.0", "input": {"n": "${ .n }"}}
            view = await rig.run([{"c": {"run": {"workflow": of}}}], {"n": 21})
            assert (view.status, view.output, view.error) == ("completed", {"twice": 42}, None)
        finally:
            await commands.stop()
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
