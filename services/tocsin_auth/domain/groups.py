"""Groups: roles that several people hold together, by name or by what their identity provider says of them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from tocsin_auth.domain.roles import Binding


@dataclass(frozen=True, slots=True)
class Group:
    """A group.

    Attributes:
        name: Unique.
        members: Names of users.
        claimed: Values of the group claim of an identity provider; whoever logged in with one of them is a member.
        bindings: What all members hold.
        summary: For people.
    """

    name: str
    members: tuple[str, ...] = ()
    claimed: tuple[str, ...] = ()
    bindings: tuple[Binding, ...] = ()
    summary: str = ""

    def holds(self, name: str, claims: Collection[str]) -> bool:
        """Whether a user of this name, of whom an identity provider said this, is a member."""
        return name in self.members or bool(set(claims) & set(self.claimed))

    def without(self, member: str) -> "Group":
        """After a user is gone."""
        return Group(self.name, tuple(one for one in self.members if one != member), self.claimed, self.bindings, self.summary)


@dataclass(frozen=True, slots=True)
class Policy:
    """The number of the roles, groups and namespaces as they are; every change of one of them makes it greater.

    Attributes:
        number: From 0.
        settled_at: What was withdrawn before this needs no name any more: all tokens from before were refused at once.
    """

    number: int = 0
    settled_at: datetime | None = None
