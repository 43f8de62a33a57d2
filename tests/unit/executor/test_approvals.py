"""Who may answer a question, and who may hand it over for whom."""

from typing import Any

import pytest

from tocsin.errors import Forbidden, Invalid
from tocsin_executor.application.approvals import Handed, may_answer, seat
from tocsin_executor.domain.deciding import standing
from tocsin_executor.domain.questions import Question
from unit.executor.people import Person


def question(*handed: tuple[str, str], answers: tuple[str, ...] = (), **request: Any) -> Question:
    """One that was handed over so, and answered by these."""
    delegations = [{"from": source, "to": target, "by": f"user:{source}"} for source, target in handed]
    by_now = standing(request, delegations)
    given = [{"person": person, "approved": True} for person in answers]
    known = (f"{'0' * 26}-h-3", "0" * 26, "default", "flow", "h:3", "ask", "/do/0/ask")
    return Question(*known, request, None, 0, None, 0, by_now.names, by_now.away, given, delegations)


ADA, BOB, EVE = Person("user:ada"), Person("user:bob"), Person("user:eve")
KEY = Person("key:k1", owner="user:ada")
CASHIER = Person("user:cas", ("approve:finance",))
ROOT = Person("user:root", ("approval:answer-any",))


def test_who_has_handed_it_over_does_not_answer_and_who_got_it_does() -> None:
    """However far it went on; not by another credential, nor by a role; who takes it back answers again."""
    once = question(("ada", "bob"), assignees=["user:ada"], roles=["finance"])
    assert [may_answer(once, who) for who in (ADA, KEY, BOB, EVE, CASHIER, ROOT)] == [False, False, True, False, True, True]
    on = question(("ada", "bob"), ("bob", "eve"), assignees=["ada"])
    assert [may_answer(on, who) for who in (ADA, BOB, EVE)] == [False, False, True]
    back = question(("ada", "bob"), ("bob", "ada"), assignees=["ada"])
    assert [may_answer(back, who) for who in (ADA, BOB)] == [True, False]
    role = question(("cas", "eve"), roles=["finance"])
    assert [may_answer(role, who) for who in (CASHIER, EVE)] == [False, True]


def test_nobody_gives_two_of_several_answers() -> None:
    """Not by another credential either."""
    asked = question(answers=("user:ada",), approvals=2)
    assert [may_answer(asked, who) for who in (ADA, KEY, BOB)] == [False, False, True]


def test_a_place_is_handed_over_by_whose_it_is_or_was() -> None:
    """Or by who may answer for anybody, who says whose it is if there are several."""
    two = question(assignees=["ada", "bob"], roles=["finance"])
    assert seat(two, Handed("zoe"), ADA) == ("ada", True)
    assert seat(two, Handed("zoe"), CASHIER) == ("cas", False)
    assert seat(two, Handed("zoe", "bob"), ROOT) == ("bob", True)
    assert seat(question(assignees=["ada"]), Handed("zoe"), ROOT) == ("ada", True)
    further = question(("ada", "bob"), ("bob", "eve"), assignees=["ada"])
    assert [seat(further, Handed("zoe"), who) for who in (ADA, BOB, EVE)] == [("eve", True)] * 3
    with pytest.raises(Forbidden, match="not asked"):
        seat(two, Handed("zoe"), EVE)
    with pytest.raises(Forbidden, match="for bob to hand this over"):
        seat(two, Handed("zoe", "bob"), ADA)
    with pytest.raises(Invalid, match="eve is not asked"):
        seat(two, Handed("zoe", "eve"), ROOT)
    with pytest.raises(Invalid, match="Several are asked"):
        seat(two, Handed("zoe"), ROOT)
    for who in (ADA, ROOT):  # it is everybody's, and handing it over would take it from them
        with pytest.raises(Forbidden, match="not asked"):
            seat(question(), Handed("zoe"), who)
