"""Questions to people on real servers: listed, answered by who may, and gone with their run."""

from typing import Any

import pytest

from integration.executor.test_children import commands_of
from tocsin.errors import Forbidden, Invalid, NotFound
from tocsin_executor.application.approvals import Approvals, Handed
from tocsin_executor.application.reading import Scope
from tocsin_executor.application.runs import RunAlreadyDone, StartOrder
from tocsin_executor.domain.inputs import Verb
from tocsin_kit.testing.waiting import eventually
from unit.executor.people import Person

pytestmark = pytest.mark.server

FORM = {"type": "object", "required": ["approved"], "properties": {"approved": {"type": "boolean"}}}


async def test_four_eyes_are_those_of_two_people_and_not_of_two_credentials(rig: Any) -> None:
    """A key is its owner, whichever of the two started the run, a parent of it or an earlier one; nor do hands get round it."""
    ask = {"ask": {"call": "approval", "with": {"title": "Pay?", "fourEyes": True}}}
    key, ada, bob = Person("key:k1", owner="user:ada"), Person("user:ada"), Person("user:bob")
    async with rig.replica() as replica, commands_of(replica):
        approvals = Approvals(replica.runs, replica.reading)
        await rig.publish([ask], name="child")
        call = {"run": {"workflow": {"namespace": "default", "name": "child", "version": "latest"}}}
        await rig.publish([{"pay": call}], name="parent")
        for workflow, actor, trigger in (
            ("child", "user:ada", {"kind": "api"}),
            ("child", "key:k1", {"kind": "api", "person": "user:ada"}),
            ("parent", "key:k1", {"kind": "api", "person": "user:ada"}),
        ):
            order = StartOrder(namespace="default", workflow=workflow, input={}, actor=actor, trigger=trigger)
            run = (await replica.runs.start(order)).id

            async def asked() -> Any:
                return next(iter((await approvals.list(Scope(), None, 50, None))[0]), None)

            question = await eventually(asked)
            for same in (key, ada):
                with pytest.raises(Forbidden, match="started the run"):
                    await approvals.answer(question, True, same, None)
                with pytest.raises(Forbidden, match="another person's answer"):
                    await approvals.may_lend_a_hand(question.run, "ask", same)
            await approvals.may_lend_a_hand(question.run, "ask", bob)
            await approvals.answer(question, True, bob, None)
            assert (await rig.ended(run)).output is True


async def test_a_question_is_listed_and_answered_by_who_is_asked(rig: Any) -> None:
    """By name or by a role's permission, not by who started it where two are wanted; in the list until it is answered."""
    given = {"title": "Refund?", "assignees": ["ada", "test"], "roles": ["finance"], "form": FORM, "fourEyes": True}
    async with rig.replica() as replica:
        approvals = Approvals(replica.runs, replica.reading)
        await rig.publish([{"ask": {"call": "approval", "with": given}}])
        run, other = await rig.start({"n": 1}), await rig.start({"n": 2})

        async def listed() -> list[Any]:
            found, _ = await approvals.list(Scope(), "ada", 50, None)
            return list(found) if len(found) == 2 else []

        questions = {question.run: question for question in await eventually(listed, within=5)}
        question = questions[run]
        assert (await approvals.get(question.id)).form == FORM
        with pytest.raises(Forbidden):
            await approvals.answer(question, {"approved": True}, Person("user:eve"), None)
        with pytest.raises(Forbidden, match="started the run"):
            await approvals.answer(question, {"approved": True}, Person("user:test"), None)
        with pytest.raises(RunAlreadyDone, match="does not fit the form"):
            await approvals.answer(question, {"approved": 1}, Person("user:ada"), None)
        await approvals.answer(question, {"approved": True}, Person("user:bob", ("approve:finance",)), None)
        view = await rig.ended(run)
        assert (view.status, view.output) == ("completed", {"approved": True})
        with pytest.raises(NotFound):
            await approvals.get(question.id)
        await replica.runs.control(other, Verb.CANCEL, actor="user:ada", reason=None)
        await rig.ended(other)

        async def gone() -> bool:
            return not (await approvals.list(Scope(), None, 50, None))[0]

        await eventually(gone, within=5)

        async def told() -> list[str]:
            found = [await approvals.what_became_of(questions[each].id) for each in (run, other)]
            return [one[1].detail.partition(" at ")[0].split(" ", 2)[2] for one in found if one is not None]

        async def both() -> bool:
            return await told() == ["was answered by user:bob", "was withdrawn by user:ada"]

        await eventually(both, within=60)
        assert await approvals.what_became_of(f"{run}-h-99") is None
        assert await approvals.what_became_of("0" * 26 + "-h-3") is None


async def test_several_answers_and_hand_overs_are_seen_while_the_question_is_open_and_outlive_an_engine(rig: Any) -> None:
    """With four eyes who started the run neither answers nor is handed it nor hands it over, whatever their credential."""
    given = {"title": "Pay?", "assignees": ["ada", "test", "bob"], "approvals": 2, "fourEyes": True}
    ada, key, bob = Person("user:ada"), Person("key:k1", owner="user:test"), Person("user:bob")
    async with rig.replica(orderly=False) as replica:
        approvals = Approvals(replica.runs, replica.reading)
        await rig.publish([{"ask": {"call": "approval", "with": given}}])
        run = await rig.start()

        async def asked() -> Any:
            return next(iter((await approvals.list(Scope(), "ada", 50, None))[0]), None)

        question = await eventually(asked, within=60)
        with pytest.raises(Forbidden, match="test started the run"):
            await approvals.delegate(question, Handed("user:test"), ada)
        for same in (Person("user:test"), key):
            with pytest.raises(Forbidden, match="no say in who answers"):
                await approvals.delegate(question, Handed("zoe"), same)
        with pytest.raises(Invalid, match="bob is asked already"):
            await approvals.delegate(question, Handed("bob"), ada)
        question = await approvals.delegate(question, Handed("zoe", reason="on leave"), ada)
        assert question.assignees == ("zoe", "test", "bob")
        with pytest.raises(Forbidden, match="ada has handed this over to zoe"):
            await approvals.answer(question, {"approved": True}, ada, None)
        for alone in (ada, bob, key):
            with pytest.raises(Forbidden, match="Several people have to agree"):
                await approvals.may_lend_a_hand(run, "ask", alone)
        await approvals.answer(question, {"approved": True}, bob, "seen it")

        async def listed() -> Any:
            found, _ = await approvals.list(Scope(), "zoe", 50, None)
            return found[0] if found and found[0].answers else None

        await eventually(listed, within=60)
    async with rig.replica() as replica:
        approvals = Approvals(replica.runs, replica.reading)
        question = await approvals.get(question.id)
        assert [(one["person"], one["reason"]) for one in question.answers] == [("user:bob", "seen it")]
        assert [(one["from"], one["to"], one["reason"]) for one in question.delegations] == [("ada", "zoe", "on leave")]
        with pytest.raises(Forbidden, match="bob has answered this"):
            await approvals.answer(question, {"approved": True}, bob, None)
        await approvals.answer(question, {"approved": False}, Person("user:zoe"), "too much")
        view = await rig.ended(run, within=60)
        assert view.output["approved"] is False
        assert [(one["person"], one["approved"]) for one in view.output["answers"]] == [("user:bob", True), ("user:zoe", False)]


async def test_nobody_leaves_out_a_question_before_it_is_asked(rig: Any) -> None:
    """What is around it is neither skipped nor given an output by who started the run; what is before it is."""
    ask = {"ask": {"call": "approval", "with": {"title": "Pay?", "fourEyes": True}}}
    async with rig.replica() as replica:
        approvals = Approvals(replica.runs, replica.reading)
        await rig.publish([{"all": {"do": [{"before": {"wait": {"hours": 1}}}, ask]}}])
        run = await rig.start()

        async def begun() -> bool:
            return bool(await replica.runs.live_tasks(run))

        await eventually(begun, within=60)
        test = Person("user:test")
        for task in ("all", "/do/0/all"):
            with pytest.raises(Forbidden, match="you started it: Pay"):
                await approvals.may_lend_a_hand(run, task, test)
            await approvals.may_lend_a_hand(run, task, Person("user:bob"))
        await approvals.may_lend_a_hand(run, "before", test)
