"""Who gets a case that nobody has."""

from collections.abc import Mapping, Sequence


def in_turn(members: Sequence[str], turn: int) -> str | None:
    """The member whose turn it is.

    Args:
        members: In the order of turns.
        turn: How many turns there were before.
    """
    return members[turn % len(members)] if members else None


def least_loaded(members: Sequence[str], counts: Mapping[str, int], turn: int = 0) -> str | None:
    """The member with the fewest active cases; of several the one whose turn it is.

    Args:
        members: In their order.
        counts: Active cases of each who has any.
        turn: Another number each time, so that cases that come at once, and see the same counts, go to different people.
    """
    fewest = min((counts.get(member, 0) for member in members), default=0)
    return in_turn([member for member in members if counts.get(member, 0) == fewest], turn)
