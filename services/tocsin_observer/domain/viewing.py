"""Which part of the signals a reader asked for, and whether it can be one subscription."""

from collections.abc import Collection

from tocsin.errors import Invalid, Rejected
from tocsin.signals.subjects import ANY

ALL = "signals.>"
_TOKENS = 5


class PositionGone(Rejected):
    """The stream cannot be resumed there without a gap."""

    code = "position_gone"
    status = 410


def checked_filter(pattern: str) -> str:
    """``pattern`` itself, if it is a filter over subjects of signals.

    Raises:
        Invalid: It is not.
    """
    tokens = pattern.split(".")
    sound = (
        tokens[0] == "signals"
        and 2 <= len(tokens) <= _TOKENS
        and all(tokens)
        and all(part == ">" for part in tokens if ">" in part)
        and all(part == ANY for part in tokens if "*" in part)
        and (">" not in tokens or tokens.index(">") == len(tokens) - 1)
        and (len(tokens) == _TOKENS or tokens[-1] == ">")
        and not any(character.isspace() or not character.isprintable() for character in pattern)
    )
    if not sound:
        raise Invalid(
            f"{pattern[:120]!r} is not a filter over signals",
            hint="signals.<namespace>.<entity>.<transition>.<id>, with * for any one part and > for all that follow",
        )
    return pattern


def narrowed(pattern: str, namespaces: Collection[str]) -> tuple[str, ...]:
    """The subscriptions that cover ``pattern`` in these namespaces and nothing else.

    Args:
        pattern: A checked filter.
        namespaces: The namespaces the reader may see, each by its name.
    """
    head, namespace, *rest = pattern.split(".")
    if namespace == ">":
        return tuple(f"{head}.{one}.>" for one in sorted(namespaces))
    if namespace == ANY:
        return tuple(".".join([head, one, *rest]) for one in sorted(namespaces))
    return (pattern,) if namespace in namespaces else ()
