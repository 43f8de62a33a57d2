"""`python -m bench [NAME ...] [--sync lazy|always|both] [--repeat N]`: one JSON line for each measurement.

Engine and worker are processes of their own, JetStream is file-backed, runs are saved in MongoDB. Values are medians of several
runs after a warm-up; every line has the machine's facts, because absolute numbers do not travel.
"""

import argparse
import asyncio
import logging
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from itertools import pairwise

import orjson
import structlog
import uvloop

from bench.cases import cases
from bench.cluster import Cluster, Plain, Sync, cluster, processor_seconds
from bench.footprint import footprint
from bench.ingest import ingest
from bench.lineage import lineage
from bench.loads import Starter, Watch, fan, sequence
from bench.machine import machine
from bench.probe import Probe
from bench.projections import projections
from bench.rotation import rotation
from bench.scale import FINISHED, LONG, MAP, WAITING, begin_waiting, long, map_, startup, waiting
from bench.verify import verify
from bench.webhooks import webhooks

RUNS, TASKS = 500, 5
SEQUENCE, FAN, STARTS = 100, 100, 200


def report(bench: str, sync: Sync, **facts: object) -> None:
    """One line on standard output."""
    sys.stdout.write(orjson.dumps({"bench": bench, "sync": sync, **facts, "machine": machine()}).decode() + "\n")
    sys.stdout.flush()


def percentile(values: list[float], share: float) -> float:
    """A percentile, the nearest value."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3)


def processor_us(before: dict[str, float], steps: int) -> dict[str, int]:
    """Microseconds of processor time a step since ``before``, by process."""
    return {name: round((now - before.get(name, 0.0)) * 1e6 / steps) for name, now in processor_seconds().items()}


async def steps(system: Cluster, sync: Sync, repeat: int) -> None:
    """500 runs of 5 sequential tasks, started at once: completed steps a second."""
    digest = await system.publish(sequence(TASKS))
    watch, starter = Watch(system), Starter(system)
    await watch.start()
    rates = []
    before: dict[str, float] = {}
    for number in range(repeat + 2):
        if number == 2:
            before = processor_seconds()
        runs = [starter.new_run() for _ in range(RUNS)]
        ends = [watch.expect(run) for run in runs]
        began = time.perf_counter()
        await starter.start(digest, runs)
        async with asyncio.timeout(60):
            finished = max(await asyncio.gather(*ends))
        if number >= 2:  # the first two warm caches up
            rates.append(RUNS * TASKS / (finished - began))
        await asyncio.sleep(0.3)
    value = round(statistics.median(rates), 1)
    spent = processor_us(before, repeat * RUNS * TASKS)
    report(
        "steps", sync, value=value, unit="steps/s", n=repeat, min=round(min(rates), 1), max=round(max(rates), 1), cpu_us=spent
    )


async def in_sequence(system: Cluster, sync: Sync, repeat: int) -> None:
    """One run of 100 sequential tasks: milliseconds from one result to the next, and for the whole run, a step."""
    digest = await system.publish(sequence(SEQUENCE))
    watch, starter = Watch(system), Starter(system)
    await watch.start(tasks=True)
    gaps: list[float] = []
    whole: list[float] = []
    before: dict[str, float] = {}
    for number in range(repeat + 2):
        if number == 2:
            before = processor_seconds()
        run = starter.new_run()
        end = watch.expect(run)
        began = time.perf_counter()
        await starter.start(digest, [run])
        async with asyncio.timeout(60):
            finished = await end
        if number >= 2:
            times = watch.tasks[run]
            gaps += [(after - before) * 1000 for before, after in pairwise(times)]
            whole.append((finished - began) * 1000 / SEQUENCE)
        await asyncio.sleep(0.2)
    report(
        "sequence",
        sync,
        p50=percentile(gaps, 0.5),
        p99=percentile(gaps, 0.99),
        unit="ms a step",
        n=len(gaps),
        value=round(statistics.median(whole), 3),
        cpu_us=processor_us(before, repeat * SEQUENCE),
    )


async def fanout(system: Cluster, sync: Sync, repeat: int) -> None:
    """One run of 100 parallel tasks and a join: milliseconds from start to end."""
    digest = await system.publish(fan(FAN))
    watch, starter = Watch(system), Starter(system)
    await watch.start()
    taken = []
    for number in range(repeat * 4 + 3):
        run = starter.new_run()
        end = watch.expect(run)
        began = time.perf_counter()
        await starter.start(digest, [run])
        async with asyncio.timeout(60):
            finished = await end
        if number >= 3:
            taken.append((finished - began) * 1000)
        await asyncio.sleep(0.1)
    report("fanout", sync, p50=percentile(taken, 0.5), p99=percentile(taken, 0.99), unit="ms", n=len(taken))


async def latency(system: Cluster, sync: Sync, _repeat: int) -> None:
    """API call until the first task's body begins in a worker process (this one), on an idle platform."""
    await system.publish(sequence(1))
    for process in system.workers:
        process.stop()
    probe = Probe(system)
    client = Plain(system.api, system.headers)
    order = orjson.dumps({"namespace": "bench", "workflow": "sequence-1"})
    async with probe.running():
        taken, answered = [], []
        for number in range(STARTS + 20):
            began = time.perf_counter()
            status, body = await client.post("/api/v1/runs", order)
            if status != 202:
                raise RuntimeError(f"{status} {body}")
            accepted = time.perf_counter()
            async with asyncio.timeout(10):
                body_began = await probe.began(body["id"])
            if number >= 20:
                taken.append((body_began - began) * 1000)
                answered.append((accepted - began) * 1000)
            await asyncio.sleep(0.02)
    client.close()
    report(
        "latency",
        sync,
        p50=percentile(taken, 0.5),
        p99=percentile(taken, 0.99),
        unit="ms",
        n=len(taken),
        accepted_p50=percentile(answered, 0.5),
    )


async def long_runs(system: Cluster, sync: Sync, _repeat: int) -> None:
    """A curve: runs of more and more tasks."""
    for size in LONG:
        report("long", sync, **await long(system, size))


async def map_runs(system: Cluster, sync: Sync, _repeat: int) -> None:
    """A curve: more and more items, a hundred of them at once."""
    for size in MAP:
        report("map", sync, **await map_(system, size))


async def waiting_runs(system: Cluster, sync: Sync, _repeat: int) -> None:
    """A curve: more and more runs that wait for an event each."""
    for size in WAITING:
        report("waiting", sync, **await waiting(system, size))


async def start_ups(system: Cluster, sync: Sync, _repeat: int) -> None:
    """A curve: starts beside more and more runs."""
    await long(system, 10)
    runs = await begin_waiting(system, WAITING[-1])
    for size in FINISHED:
        report("startup", sync, **await startup(system, size, len(runs)))


async def behind(system: Cluster, sync: Sync, repeat: int) -> None:
    """How far the observer's projections fall behind `steps`, and how soon they have caught up."""
    report("projections", sync, **await projections(system, repeat))


BENCHES: dict[str, Callable[[Cluster, Sync, int], Awaitable[None]]] = {
    "steps": steps,
    "sequence": in_sequence,
    "fanout": fanout,
    "latency": latency,
    "long": long_runs,
    "map": map_runs,
    "waiting": waiting_runs,
    "startup": start_ups,
    "projections": behind,
}
ALONE = ("footprint", "ingest", "verify", "cases", "webhooks", "rotation")  # which bring their own platform


CURVES = ("lineage",)  # which bring their own as well, and print several lines


async def main(names: list[str], syncs: list[Sync], repeat: int) -> None:
    """Measure."""
    for sync in syncs:
        for name in names:
            if name == "footprint":
                report(name, sync, **await footprint(sync))
                continue
            if name == "webhooks":
                report(name, sync, **await webhooks(sync))
                continue
            if name == "rotation":
                report(name, sync, **await rotation(sync))
                continue
            if name == "cases":
                report(name, sync, **await cases())
                continue
            if name == "verify":
                report(name, sync, **await verify(repeat))
                continue
            if name == "ingest":
                report(name, sync, **await ingest(sync, repeat))
                continue
            if name == "lineage":
                async for facts in lineage():
                    report(name, sync, **facts)
                continue
            async with cluster(sync) as system:
                await BENCHES[name](system, sync, repeat)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join([*BENCHES, *ALONE, *CURVES])}; all without")
    parser.add_argument("--sync", choices=["lazy", "always", "both"], default="both")
    parser.add_argument("--repeat", type=int, default=5)
    parsed = parser.parse_args()
    unknown = set(parsed.names) - {*BENCHES, *ALONE, *CURVES}
    if unknown:
        parser.error(f"unknown bench: {', '.join(sorted(unknown))}")
    return parsed


if __name__ == "__main__":
    # Standard output is for the JSON lines alone.
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    chosen = arguments()
    durabilities: list[Sync] = ["lazy", "always"] if chosen.sync == "both" else [chosen.sync]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(chosen.names or [*BENCHES, *ALONE, *CURVES], durabilities, chosen.repeat))
