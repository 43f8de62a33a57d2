"""Why a run waits, and what the engine measures, on real servers."""

from prometheus_client import CollectorRegistry

from tocsin_executor.application.measures import Measures
from tocsin_executor.domain.inputs import Verb
from tocsin_kit.telemetry import Metrics
from tocsin_kit.testing.waiting import eventually


async def test_a_waiting_run_says_until_when_and_a_measured_engine_counts_it(rig) -> None:
    """From memory and, in a process that has never seen it, from what was saved; nothing when it has ended."""
    registry = CollectorRegistry()
    async with rig.replica() as replica:
        await rig.publish([{"nap": {"wait": {"hours": 1}}}], name="sleepy")
        run = await rig.start(name="sleepy")

        async def waits() -> list:
            return await replica.runs.explain(run)

        (wait,) = await eventually(waits)
        assert (wait["for"], wait["name"], wait["reference"]) == ("time", "nap", "/do/0/nap")
        assert wait["until"] in str(wait["detail"])
        await Measures(replica.engine.host, Metrics("executor", registry)).take()
        started = {"service": "executor", "transition": "workflow.started"}
        counted = [s for f in registry.collect() for s in f.samples if s.name == "tocsin_executor_transitions_total"]
        assert any(sample.value >= 1 for sample in counted), (started, counted)
    async with rig.replica() as replica:
        (again,) = await eventually(lambda: replica.runs.explain(run))
        assert again["until"] == wait["until"]
        await replica.runs.control(run, Verb.CANCEL, actor="user:ada", reason=None)

        async def nothing() -> bool:
            return await replica.runs.explain(run) == []

        await eventually(nothing)
