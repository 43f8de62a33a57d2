"""Publishing that takes two people: whatever anybody tries in whatever order, nobody publishes what they proposed."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin_executor.domain.proposals import (
    Deed,
    Person,
    Proposal,
    ProposalDecided,
    SecondReviewerNeeded,
    Stand,
    decided,
)

NOW = datetime(2026, 11, 23, tzinfo=UTC)
ADA, HER_KEY, BOB = Person("user:ada", "user:ada"), Person("key:01", "user:ada"), Person("user:bob", "user:bob")
PEOPLE = st.sampled_from([ADA, HER_KEY, BOB])
MOVES = st.lists(st.tuples(PEOPLE, st.sampled_from([Stand.APPROVED, Stand.DECLINED, Stand.WITHDRAWN])), max_size=8)


def proposal(by: Person) -> Proposal:
    return Proposal(
        id="p", namespace="prod", name="pay", deed=Deed.PUBLISH, version="1.0.0", digest="d", note="", by=by, at=NOW
    )


@given(by=PEOPLE, moves=MOVES)
def test_nobody_decides_about_their_own_and_nothing_is_decided_twice(by: Person, moves: list[tuple[Person, Stand]]) -> None:
    """Also with an API key of theirs; only they take it back; the first decision stays."""
    now = proposal(by)
    for number, (who, stand) in enumerate(moves):
        try:
            after = decided(now, stand, who, NOW + timedelta(seconds=number), None)
        except (ProposalDecided, SecondReviewerNeeded):
            continue
        assert now.stand is Stand.OPEN
        assert (who.person == by.person) == (stand is Stand.WITHDRAWN)
        assert (after.digest, after.version, after.by) == (now.digest, now.version, now.by), "what was looked at"
        now = after


def test_the_refusals_say_what_to_do() -> None:
    """Another person is wanted, or another proposal."""
    with pytest.raises(SecondReviewerNeeded, match="two people"):
        decided(proposal(ADA), Stand.APPROVED, HER_KEY, NOW, None)
    with pytest.raises(SecondReviewerNeeded, match="takes it back"):
        decided(proposal(ADA), Stand.WITHDRAWN, BOB, NOW, None)
    with pytest.raises(ProposalDecided, match="approved"):
        decided(decided(proposal(ADA), Stand.APPROVED, BOB, NOW, None), Stand.DECLINED, BOB, NOW, None)
