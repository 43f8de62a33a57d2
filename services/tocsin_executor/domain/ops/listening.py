"""``listen``: consume events by strategy. Not offered yet: the compiler refuses it."""

from tocsin.errors import Defect
from tocsin_executor.domain.fold import Fold
from tocsin_executor.domain.inputs import Event
from tocsin_executor.domain.program import Node
from tocsin_executor.domain.state import Instance, Token
from tocsin_executor.domain.values import Json


def begin_listen(fold: Fold, token: Token, node: Node) -> None:
    """Refused by the compiler."""
    raise Defect("listen is not offered yet", node=node.ref)


def closed_listen(fold: Fold, token: Token, node: Node, instance: Instance, value: Json) -> None:
    """Refused by the compiler."""
    raise Defect("listen is not offered yet", node=node.ref)


def consume(fold: Fold, token: Token, node: Node) -> None:
    """Refused by the compiler."""
    raise Defect("listen is not offered yet", node=node.ref)


def event(fold: Fold, message: Event) -> str | None:
    """No subscription is open."""
    return "no such subscription"
