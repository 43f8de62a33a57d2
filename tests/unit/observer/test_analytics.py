"""Facts of runs from their signals, and statistics of many of them."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tocsin.signals import derive, encode, root
from tocsin.signals.catalogue import executor as words
from tocsin.signals.kinds import ErrorObject
from tocsin.signals.make import make_signal
from tocsin_observer.domain.facts import cluster_of, covered, facts_of
from tocsin_observer.domain.statistics import differences, failure_clusters, run_statistics, spread, task_statistics

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
RUN = derive("run", "1")
NAME = f"orders-{RUN}.default"


def second(number):
    return AT + timedelta(seconds=number)


def signals(plan, run=RUN, workflow="orders"):
    """Signals from (kind, task, second) triples, numbered as the executor numbers them."""
    name, found = f"{workflow}-{run}.default", []
    definition = words.DefinitionReference(name=workflow, namespace="default", version="1.2.0")
    error = ErrorObject(type="https://example.com/errors/timeout", status=504, title="order 4711 took 3.2 s")
    for sequence, (kind, task, at) in enumerate(plan, start=1):
        about = {"workflow": name, "task": task} if task else {"name": name}
        prefix = "Task" if task else "Workflow"
        if kind in {"waiting", "running"}:
            named, more = "StatusChanged", {"updated_at": second(at), "status": kind}
        else:
            named, more = kind.capitalize(), {f"{kind}_at": second(at)}
            more |= (
                {"definition": definition} if kind == "started" and not task else {"error": error} if kind == "faulted" else {}
            )
        payload = getattr(words, f"{prefix}{named}")(**about, **more)
        found.append(
            make_signal(
                getattr(words, f"{prefix}_{kind if named != 'StatusChanged' else 'status_changed'}".upper()),
                namespace="default",
                entity_id=run,
                sequence=sequence,
                time=second(at),
                payload=payload,
                cause=root("r"),
                extensions={"activation": "a1"} if task else None,
            )
        )
    return found


def facts(events, run=RUN):
    """What is known of a run."""
    return facts_of(run, [encode(event) for event in events])


GOOD = [
    ("started", "", 0),
    ("created", "/do/0/a", 0),
    ("started", "/do/0/a", 2),
    ("completed", "/do/0/a", 5),
    ("created", "/do/1/b", 5),
    ("started", "/do/1/b", 6),
    ("retried", "/do/1/b", 7),
    ("completed", "/do/1/b", 9),
    ("completed", "", 10),
]
BAD = [("started", "", 0), ("created", "/do/0/a", 0), ("started", "/do/0/a", 1), ("faulted", "/do/0/a", 2), ("faulted", "", 2)]


def test_waiting_is_told_apart_from_work():
    """Ten seconds, of which three and three at work; each task with its own queue time and attempts."""
    found = facts(signals(GOOD))
    assert (found.workflow, found.version, found.status, found.whole) == ("orders", "1.2.0", "completed", True)
    assert (found.duration.seconds, found.busy.seconds, found.waiting.seconds) == (10, 6, 4)
    first, other = found.tasks
    assert (first.task, first.wait.seconds, first.work.seconds, first.retries) == ("/do/0/a", 2, 3, 0)
    assert (other.wait.seconds, other.work.seconds, other.retries, other.count) == (1, 3, 1, 1)


def test_a_task_that_pauses_does_not_work_and_one_that_holds_others_works_through_them():
    """A wait of an hour within a `do`, with a second of work on either side: two seconds of work."""
    plan = [
        ("started", "", 0),
        ("created", "/do/0/all", 0),
        ("started", "/do/0/all", 0),
        ("started", "/do/0/all/do/0/a", 0),
        ("completed", "/do/0/all/do/0/a", 1),
        ("started", "/do/0/all/do/1/pause", 1),
        ("waiting", "/do/0/all/do/1/pause", 1),
        ("running", "/do/0/all/do/1/pause", 3601),
        ("completed", "/do/0/all/do/1/pause", 3602),
        ("completed", "/do/0/all", 3602),
        ("completed", "", 3602),
    ]
    found = facts(signals(plan))
    assert (found.busy.total_seconds(), found.waiting.total_seconds()) == (2, 3600)
    pause = next(one for one in found.tasks if one.task.endswith("pause"))
    assert (pause.count, pause.wait.total_seconds(), pause.work.total_seconds()) == (1, 3600, 1)
    ended_early = facts(signals([*plan[:7], ("cancelled", "/do/0/all/do/1/pause", 100), ("cancelled", "", 100)]))
    assert (ended_early.busy.total_seconds(), ended_early.waiting.total_seconds()) == (1, 99)


@given(st.permutations(range(len(GOOD))))
def test_the_order_in_which_signals_are_found_does_not_matter(order):
    """They have numbers."""
    events = signals(GOOD)
    assert facts([events[n] for n in order]) == facts(events)


def test_a_run_that_has_not_ended_has_no_facts_and_one_with_a_gap_says_so():
    """So that they are made again when the missing signal has come."""
    assert facts(signals(GOOD[:-1])) is None
    events = signals(GOOD)
    assert facts(events[:3] + events[4:]).whole is False


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), max_size=20))
def test_time_at_work_is_counted_once_however_many_work(spans):
    """As a brute count of seconds says."""
    seconds = {second for begin, length in spans for second in range(begin, begin + length)}
    assert covered((second(b), second(b + n)) for b, n in spans) == timedelta(seconds=len(seconds))


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=200))
def test_percentiles_are_values_that_occurred_in_order(values):
    """Half are not above the median."""
    found = spread(timedelta(seconds=value) for value in values)
    assert found.p50 <= found.p90 <= found.p99 <= found.longest == max(values)
    for percent, rank in ((50, found.p50), (90, found.p90), (99, found.p99)):  # nearest rank, by its definition
        enough = [value for value in values if sum(one <= value for one in values) * 100 >= percent * len(values)]
        assert rank == min(enough)


def test_failures_that_differ_in_numbers_and_names_are_one_cluster():
    """Ids, numbers and quoted names are noise."""
    one = cluster_of("https://example.com/errors/timeout", "order 4711 of 'ada' took 3.2 s")
    assert one == cluster_of("https://example.com/errors/timeout", "order 17 of 'bob' took 12 s")
    assert one != cluster_of("https://example.com/errors/timeout", "invoice 17 of 'bob' took 12 s")


def test_statistics_of_many_runs():
    """Rates, clusters, flaky tasks, and two runs side by side."""
    good = [facts(signals(GOOD, run), run) for run in (derive("g", n) for n in range(3))]
    bad = facts(signals(BAD, derive("b", 1)), derive("b", 1))
    found = run_statistics([*good, bad], AT, AT + timedelta(minutes=1))
    assert (found.runs, found.failure_rate, found.by_status) == (4, 0.25, {"completed": 3, "faulted": 1})
    assert sum(bucket.runs for bucket in found.trend) == 4
    (cluster,) = failure_clusters([*good, bad])
    assert (cluster.count, cluster.workflows, cluster.runs) == (1, {"orders": 1}, (bad.run,))
    flaky = task_statistics([*good, bad], flakiest=True)[0]
    assert (flaky.task, flaky.flaky) == ("/do/1/b", 1.0)
    gap = differences(good[0], bad)
    assert [one.task for one in gap] == ["/do/1/b", "/do/0/a"]
    assert gap[1].slower == -2.0
