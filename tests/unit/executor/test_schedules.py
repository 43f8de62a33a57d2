"""What a definition says about its own schedule."""

import pytest

from tocsin.definitions import DefinitionInvalid
from tocsin_executor.application.schedules import schedule_of


def test_the_block_becomes_words_for_the_scheduler() -> None:
    """Days stay days; an object of parts becomes exact seconds; events are the triggers' matter."""
    assert schedule_of({"do": []}) is None
    assert schedule_of({"schedule": {"on": {}}}) is None
    block = schedule_of({"schedule": {"every": "P1D", "cron": "0 9 * * MON", "after": {"minutes": 1, "seconds": 30}}})
    assert block is not None
    assert (block.every, block.cron, block.after) == ("P1D", "0 9 * * MON", "PT90.000S")


@pytest.mark.parametrize(("kind", "text"), [("cron", "61 * * * *"), ("every", "PT0S"), ("after", "${ .x }")])
def test_a_timetable_that_makes_no_sense_is_not_published(kind: str, text: str) -> None:
    """The violation points into the document."""
    with pytest.raises(DefinitionInvalid) as caught:
        schedule_of({"schedule": {kind: text}})
    assert caught.value.violations[0].pointer == f"/schedule/{kind}"
