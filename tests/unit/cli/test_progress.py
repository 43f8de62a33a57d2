"""What a watcher knows of a run: snapshots and signals in any order."""

import io
import json
from datetime import timedelta

from platform_fake import START, run_signal, task_signal
from rich.console import Console

from tocsin.cli.output import duration
from tocsin.cli.progress import Progress
from tocsin.cli.watch import screen
from tocsin.signals import CloudEvent, decode


def event(members) -> CloudEvent:
    return decode(json.dumps(members))


def progress(*signals) -> Progress:
    made = Progress({"id": "01run0", "status": "pending", "workflow": "slow"})
    for signal in signals:
        made.apply(event(signal))
    return made


def text(made: Progress) -> str:
    console = Console(width=100, force_terminal=False, record=True, file=io.StringIO())
    console.print(screen(made))
    return console.export_text()


def test_tasks_form_a_tree_in_the_order_of_the_definition():
    """Ten comes after two, children under their parents."""
    made = progress(
        task_signal("started", "/do/10/last", 0),
        task_signal("started", "/do/2/outer", 0),
        task_signal("started", "/do/2/outer/do/0/inner", 0),
        task_signal("started", "/do/0/first", 0),
    )
    assert [(depth, line.name) for depth, line in made.lines()] == [(0, "first"), (0, "outer"), (1, "inner"), (0, "last")]


def test_a_retried_task_counts_its_attempts_and_keeps_its_error():
    """So that one sees why it takes so long."""
    made = progress(
        task_signal("started", "/do/0/x", 0),
        task_signal("faulted", "/do/0/x", 1, error={"type": "t", "status": 500, "title": "broke"}),
        task_signal("retried", "/do/0/x", 2),
    )
    line = made.tasks["/do/0/x"]
    assert (line.status, line.attempts, line.latest.error) == ("retrying", 2, "broke")
    assert "attempt 2" in text(made)


def test_iterations_are_one_line_with_a_count():
    """A loop of a thousand does not fill the screen."""
    signals = []
    for n in range(3):
        signals.append({**task_signal("started", "/do/0/x", n), "activation": f"0:{n}"})
        if n < 2:
            signals.append({**task_signal("completed", "/do/0/x", n + 0.5), "activation": f"0:{n}"})
    made = progress(*signals)
    assert len(made.tasks) == 1
    assert made.tasks["/do/0/x"].finished() == 2
    assert made.tasks["/do/0/x"].status == "running"
    assert "2/3" in text(made)


def test_a_loop_says_how_many_of_its_items_have_ended():
    """While it goes on; ten thousand items are no riddle until the end."""
    task = {"reference": "/do/0/each", "activation": "h:1", "status": "running", "done": 1234, "total": 10000}
    made = progress()
    made.load([task])
    assert "1,234 of 10,000 ended" in text(made)
    made.load([{**task, "status": "completed"}])
    assert "of 10,000" not in text(made)


def test_an_old_signal_does_not_undo_a_newer_snapshot():
    """The stream may repeat what the snapshot already knows."""
    made = progress()
    ended = (START + timedelta(seconds=5)).isoformat()
    made.load(
        [{"name": "x", "reference": "/do/0/x", "status": "completed", "started_at": START.isoformat(), "ended_at": ended}]
    )
    assert not made.apply(event(task_signal("started", "/do/0/x", 1))) or made.tasks["/do/0/x"].status == "completed"


def test_a_run_that_is_over_stays_over():
    """A late signal changes nothing."""
    made = progress(run_signal("started", 0), run_signal("completed", 2))
    assert made.is_over
    assert not made.apply(event(run_signal("started", 3)))
    assert made.status == "completed"
    assert made.elapsed(START + timedelta(hours=1)) == timedelta(seconds=2)


def test_durations_are_short():
    """A few characters, two digits of meaning."""
    spans = [0.012, 3.44, 42, 75, 3600 * 5, 86400 * 9]
    assert [duration(timedelta(seconds=span)) for span in spans] == ["12 ms", "3.4 s", "42 s", "1.2 min", "5.0 h", "9 d"]
