"""How every part and replica is, with degraded modes in words."""

from datetime import UTC, datetime, timedelta

from tocsin_observer.domain.fleet import EXPECTED, Component, Replica, ReplicaState, absent, measures

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def replica(service="executor", *parts, heard=AT, instance="host:1"):
    return Replica(service=service, instance=instance, version="1", started="-", heard=heard, components=parts)


def part(name, ready=True, **facts):
    return Component(name, ready, "detail", facts)


def test_a_replica_that_cannot_work_says_in_which_way():
    """The name of a component becomes what it means for people."""
    one = replica(
        "executor", part("bus", ready=False), part("consumer:executor-commands", ready=False), part("odd", ready=False)
    )
    assert one.state(AT) is ReplicaState.DEGRADED
    assert [mode.split(":")[0].split(" (")[0] for mode in one.modes()] == [
        "cut off from NATS",
        "does not get on with its messages; they wait in the stream",
        "odd cannot work",
    ]


def test_what_still_works_can_be_degraded_too():
    """Outboxes that are stuck, a consumer far behind, signals that nobody read before they were gone."""
    one = replica("case", part("relay", stuck=2), part("consumer:case-signals", lag=20_000), part("reader:search", lost=7))
    assert len(one.modes()) == 3
    assert "reader:search never saw 7 signals" in one.modes()[2]
    assert replica("case", part("relay", stuck=0), part("consumer:case-signals", lag=5)).modes() == ()


def test_silence_is_told_apart_from_health():
    """Three beats missed; then its service is absent unless another replica is heard."""
    old = replica("executor", heard=AT - timedelta(seconds=20))
    assert old.state(AT) is ReplicaState.SILENT
    assert old.told(AT) == ("not heard for 20 s: it has ended, hangs, or is cut off from NATS",)
    assert "executor" in absent({"a": old}, AT)
    assert "executor" not in absent({"a": old, "b": replica(instance="host:2")}, AT)
    assert absent({name: replica(name) for name in EXPECTED}, AT) == ()


def test_measures_are_of_the_worst_replica():
    """Alert rules watch them by name; what is silent does not count."""
    fleet = {
        "a": replica("executor", part("relay", waiting=3, said=7)),
        "b": replica("executor", part("relay", waiting=9), part("bus", ready=False), instance="host:2"),
        "c": replica("executor", part("relay", waiting=99), heard=AT - timedelta(minutes=1), instance="host:3"),
    }
    found = measures(fleet, AT)
    assert found["executor.relay.waiting"] == 9
    assert (found["executor.replicas"], found["executor.degraded"], found["auth.replicas"]) == (2, 1, 0)
