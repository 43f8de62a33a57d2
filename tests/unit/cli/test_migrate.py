"""Moving all live runs by the command line: what it says became of each is what became of it."""

import json


async def test_all_that_can_move_are_moved_however_many_a_report_looks_at(logged_in, tocsin):
    """A report that is not of all is asked for again until nothing in it can be moved."""
    logged_in.old_runs = {"a": "blocked", "b": "moves", "c": "moves", "d": "moves"}
    outcome = await tocsin("workflow", "migrate", "w", "--apply", "--json")
    assert outcome.code == 0, outcome.err
    said = json.loads(outcome.out)
    assert (said["moved"], said["stayed"], said["unknown"]) == (3, {}, {})
    assert list(logged_in.old_runs) == ["a"]


async def test_a_run_of_which_it_is_not_known_is_not_said_to_be_moved(logged_in, tocsin):
    """One that went on stays; one that was asked and has not moved, or could not be asked, is named, and the code says so."""
    logged_in.old_runs, logged_in.looked_at = {"a": "moves", "b": "asked", "c": "goes on", "d": "cannot be asked"}, 9
    outcome = await tocsin("workflow", "migrate", "w", "--apply")
    assert outcome.code == 1
    assert "1 moved" in outcome.out
    assert "c stays: it has gone on" in outcome.out
    for run in ("b", "d"):
        assert f"{run} is not known to be moved" in outcome.out
