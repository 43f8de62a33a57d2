"""Repairing runs on real servers: run again, give an output, skip, terminate."""

from typing import Any

import pytest

from tocsin_executor.application.repeats import Repeats
from tocsin_executor.application.reruns import LABEL, Again, Reruns
from tocsin_executor.application.runs import RunAlreadyDone
from tocsin_executor.domain.inputs import Verb
from tocsin_kit.testing.waiting import eventually

pytestmark = pytest.mark.server


async def test_a_failed_run_is_run_again_from_where_it_failed_in_a_fixed_version(rig: Any, tmp_path: Any) -> None:
    """The first task is not done twice; the new run names the old one, and its tasks say where their outputs come from."""
    mark = tmp_path / "done"
    first = {"first": {"run": {"shell": {"command": f"echo x >> {mark}; echo 1"}}}}
    async with rig.replica() as replica, rig.worker():
        repeats = Repeats(replica.runs, replica.apart)
        reruns = Reruns(replica.runs, repeats, replica.definitions, replica.engine.host._programs, replica.reading)
        old = await rig.run([first, {"second": {"run": {"shell": {"command": "exit 3"}}}}], version="1.0.0")
        assert old.status == "faulted"
        await rig.publish([first, {"second": {"set": {"fixed": "${ . }"}}}], version="1.0.1")
        made = await reruns.rerun(old, Again(version="latest", actor="user:ada"))
        new = await rig.ended(made.id)
        assert (new.status, new.version) == ("completed", "1.0.1")
        assert str(new.output["fixed"]).strip() == "1"
        assert mark.read_text() == "x\n"
        assert new.labels[LABEL] == old.id
        assert new.trigger == {"kind": "rerun", "name": None, "event": old.id}
        await replica.runs.catch_up()
        tasks, _ = await replica.reading.finished_tasks(new.id, None, 10)
        assert [(task.name, task.worker) for task in tasks] == [("first", f"run:{old.id}"), ("second", None)]
        await rig.publish([{"w": {"wait": {"hours": 1}}}], name="slow")
        live = await replica.runs.get(await rig.start(name="slow"))
        with pytest.raises(RunAlreadyDone):
            await reruns.plan(live, Again())


async def test_hands_on_a_live_run_are_done_and_recorded(rig: Any) -> None:
    """An output by hand, a skip, and an end at once; each by a person whose name is in the record."""
    async with rig.replica() as replica:
        await rig.publish([{"a": {"wait": {"hours": 1}}}, {"b": {"wait": {"hours": 1}}}, {"c": {"call": "noop", "with": {}}}])
        run = await rig.start()

        async def at(name: str) -> bool:
            return name in [task.name for task in await replica.runs.live_tasks(run) if task.ended is None]

        await eventually(lambda: at("a"), within=5)
        await replica.runs.control(run, Verb.OVERRIDE, actor="user:ada", reason=None, task="a", output={"v": 1})
        await eventually(lambda: at("b"), within=5)
        await replica.runs.control(run, Verb.SKIP, actor="user:eve", reason="late", task="/do/1/b")
        await eventually(lambda: at("c"), within=5)
        with pytest.raises(RunAlreadyDone, match="no such live task"):
            await replica.runs.control(run, Verb.SKIP, actor="user:eve", reason=None, task="a")
        await replica.runs.control(run, Verb.TERMINATE, actor="user:ada", reason="no worker will come")
        view = await rig.ended(run)
        assert view.status == "faulted"
        assert "no worker will come" in str(view.error)
        await replica.runs.catch_up()
        tasks, _ = await replica.reading.finished_tasks(run, None, 10)
        assert [(t.name, t.status, t.worker) for t in tasks][:2] == [
            ("a", "completed", "user:ada"),
            ("b", "skipped", "user:eve"),
        ]
