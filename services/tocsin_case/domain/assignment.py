"""Who gets a case that nobody has."""

from collections.abc import Mapping, Sequence


def in_turn(members: Sequence[str], turn: int) -> str | None:
    """The member whose turn it is.

    Args:
        members: In the order of turns.
        turn: How many turns there were before.
    """
    return members[turn % len(members)] if members else None


def least_loaded(members: Sequence[str], load: Mapping[str, int]) -> str | None:
    """The member with the fewest active cases; of several the first.

    Args:
        members: In the order of preference.
        load: Active cases by member; a member without any may be missing.
    """
    return min(members, key=lambda member: load.get(member, 0), default=None)
