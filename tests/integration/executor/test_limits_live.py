"""Limits on real servers: runs wait for their turn, whoever ends and whoever decides."""

import asyncio
from typing import Any

import pytest

from tocsin.signals import root
from tocsin_executor.application.admission import LimitReached
from tocsin_executor.application.pools import Pool
from tocsin_executor.domain.inputs import Verb
from tocsin_kit.testing.waiting import eventually

pytestmark = pytest.mark.server

FOREVER = [{"w": {"wait": {"hours": 1}}}]
ALIVE = {"running", "waiting"}


async def statuses(replica: Any, runs: list[str]) -> list[str]:
    """How they are."""
    return [(await replica.runs.get(run)).status for run in runs]


async def test_runs_over_the_limit_wait_and_say_for_whom(rig: Any) -> None:
    """One at a time for each key; the explanation names the holder; its end lets the next one begin, the urgent one first."""
    async with rig.replica() as replica:
        await rig.publish(FOREVER, limits={"concurrency": {"limit": 1, "key": ".k"}})
        first, other = await rig.start({"k": "a"}), await rig.start({"k": "b"})
        slow, urgent = await rig.start({"k": "a"}), await rig.start({"k": "a"}, priority=9)

        async def begun() -> bool:
            return set(await statuses(replica, [first, other])) <= ALIVE

        await eventually(begun, within=60)
        assert await statuses(replica, [slow, urgent]) == ["pending", "pending"]
        (wait,) = await replica.runs.explain(slow)
        assert (wait["for"], wait["held_by"], wait["ahead"]) == ("limit", [first], 1)
        await replica.runs.control(first, Verb.CANCEL, actor="user:ada", reason=None)

        async def next_one() -> bool:
            return (await statuses(replica, [urgent]))[0] in ALIVE

        await eventually(next_one, within=60)
        assert await statuses(replica, [slow]) == ["pending"]
        await replica.runs.control(slow, Verb.CANCEL, actor="user:ada", reason="no longer wanted")
        view = await replica.runs.get(slow)
        assert view.status == "cancelled"
        assert "user:ada" in str(view.error)

        async def said() -> list[dict[str, Any]]:
            return (await replica.reading.signals("default", slow, 0, 10))[0]

        (event,) = await eventually(said, within=60)
        assert event["data"]["code"] == "cancelled"


async def test_two_replicas_never_let_more_in_than_the_limit(rig: Any) -> None:
    """Forty starts at once through two replicas, a limit of three and a pool of two more: never exceeded, and all end."""
    naps = [{"w": {"wait": {"milliseconds": 60}}}]
    async with rig.replica("one") as one, rig.replica("two") as two:
        await one.pools.put(Pool("default", "few", 4, None), actor="user:ada", cause=root("t"))
        await rig.publish(naps, limits={"concurrency": {"limit": 3}, "pools": ["few"]}, name="flow")
        await rig.publish(naps, limits={"pools": ["few"]}, name="other")
        main, runs = rig.main, []
        for number in range(24):
            rig.main = (one, two)[number % 2]
            runs.append(asyncio.ensure_future(rig.start(name=("flow", "other")[number % 3 == 0])))  # noqa: TID251  # gathered
        found = await asyncio.gather(*runs)
        rig.main = main
        most = 0

        async def all_ended() -> bool:
            nonlocal most
            state = await one.pools.get("default", "few")
            most = max(most, state.holding)
            return set(await statuses(two, found)) == {"completed"}

        await eventually(all_ended, within=20)
        assert 0 < most <= 4
        collection = one.database.collection("runs")

        async def ended_flows() -> list[tuple[Any, Any]]:
            found = [(d["started"], d["ended"]) async for d in collection.find({"name": "flow"}, {"started": 1, "ended": 1})]
            return found if all(ended for _, ended in found) else []

        spans = await eventually(ended_flows)  # what the other replica ended is saved a moment later
        assert max(sum(1 for b, e in spans if b <= at < e) for at, _ in spans) <= 3


async def test_policies_refuse_or_make_room(rig: Any) -> None:
    """``skip`` refuses, ``cancel-newest`` keeps a cancelled run, ``cancel-oldest`` cancels the run that was there."""
    async with rig.replica() as replica:
        for policy in ("skip", "cancel-newest", "cancel-oldest"):
            await rig.publish(FOREVER, name=policy, limits={"concurrency": {"limit": 1, "policy": policy}})
        held = {policy: await rig.start(name=policy) for policy in ("skip", "cancel-newest", "cancel-oldest")}

        async def begun() -> bool:
            return set(await statuses(replica, list(held.values()))) <= ALIVE

        await eventually(begun, within=60)
        with pytest.raises(LimitReached):
            await rig.start(name="skip")
        refused = await rig.start(name="cancel-newest")
        assert await statuses(replica, [refused]) == ["cancelled"]
        newer = await rig.start(name="cancel-oldest")

        async def replaced() -> bool:
            old, new = await statuses(replica, [held["cancel-oldest"], newer])
            return old == "cancelled" and new in ALIVE

        await eventually(replaced, within=60)


async def test_a_rate_lets_runs_begin_as_it_opens(rig: Any) -> None:
    """Two in half a second: of five the last begins a second after the first, not before."""
    async with rig.replica() as replica:
        await rig.publish([{"s": {"set": {"a": 1}}}], limits={"rate": {"limit": 2, "every": {"milliseconds": 500}}})
        runs = [await rig.start() for _ in range(5)]
        for run in runs:
            await rig.ended(run)
        granted = [d["slots"]["granted"] async for d in replica.database.collection("runs").find({}, {"slots.granted": 1})]
        granted.sort()
        assert all(later - earlier >= 500 for earlier, later in zip(granted, granted[2:], strict=False))


async def test_what_a_killed_engine_let_in_and_never_began_passes_its_rate_again(rig: Any) -> None:
    """Its start was not written: it waits until the rate opens again, or more would begin at once than the rate allows."""
    async with rig.replica() as replica:
        await rig.publish([{"s": {"set": {"a": 1}}}], limits={"rate": {"limit": 1, "every": {"hours": 1}}})
        await rig.ended(await rig.start(), within=60)
        second = await rig.start()
        runs = replica.database.collection("runs")
        long_ago = {"$set": {"slots.state": "granted", "slots.granted": 1}}  # as it is after a kill between the two writes
        await runs.update_one({"_id": second}, long_ago)

        async def waits_again() -> bool:
            return (await runs.find_one({"_id": second}))["slots"]["state"] == "waiting"

        await eventually(waits_again, within=60)
        assert await statuses(replica, [second]) == ["pending"]
        (wait,) = await replica.runs.explain(second)
        assert wait["until"] is not None


async def test_a_rate_counts_when_runs_began_however_long_their_start_took(rig: Any) -> None:
    """One that was let in before the time that counts, and began within it, is counted."""
    async with rig.replica() as replica:
        await rig.publish([{"s": {"set": {"a": 1}}}], limits={"rate": {"limit": 1, "every": {"hours": 1}}})
        first = await rig.ended(await rig.start(), within=60)
        runs = replica.database.collection("runs")

        async def saved() -> bool:
            return (await runs.find_one({"_id": first.id})).get("started") is not None

        await eventually(saved, within=60)
        an_hour_ago = {"$inc": {"slots.granted": -3_601_000}}
        await runs.update_one({"_id": first.id}, an_hour_ago)
        second = await rig.start()
        assert await statuses(replica, [second]) == ["pending"]
        (wait,) = await replica.runs.explain(second)
        assert wait["until"] is not None
