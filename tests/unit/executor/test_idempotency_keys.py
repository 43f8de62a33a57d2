"""A start has one idempotency key, wherever it stands."""

import pytest

from tocsin.errors import Invalid
from tocsin_executor.http.runs import intent


def test_two_different_keys_are_refused_and_one_may_stand_anywhere() -> None:
    """Whichever would count, the sender may mean the other one."""
    assert [intent(None, None), intent("a", None), intent(None, "a"), intent("a", "a")] == [None, "a", "a", "a"]
    with pytest.raises(Invalid, match="two idempotency keys"):
        intent("a", "b")
