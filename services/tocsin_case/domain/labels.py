"""The tags of a case in one text, so that one entry of an index holds them all and they are counted without the case."""

from collections.abc import Iterable

_MARK = "\x1f"  # the separator of units of text; what a tag has of it is taken out


def labelled(tags: Iterable[str]) -> str:
    """The text of some tags."""
    return _MARK.join(sorted(tag.replace(_MARK, " ") for tag in tags))


def labels_of(text: str | None) -> list[str]:
    """The tags of such a text."""
    return text.split(_MARK) if text else []
