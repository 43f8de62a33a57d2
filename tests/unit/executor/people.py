"""People who answer, as the approvals see them."""

from dataclasses import dataclass


@dataclass
class Person:
    """Somebody, by themselves or by a key of theirs."""

    subject: str
    permissions: tuple[str, ...] = ()
    owner: str = ""

    @property
    def person(self) -> str:
        """Who is behind it."""
        return self.owner or self.subject

    def may(self, permission: str, namespace: str) -> bool:
        """Whether they hold it."""
        return permission in self.permissions
