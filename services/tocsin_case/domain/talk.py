"""What is said about a case: comments in threads, who is mentioned, what was said before an edit."""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

from tocsin.errors import Forbidden

EDITS = 50  # earlier texts kept with a comment
MENTIONS = 50
_MENTION = re.compile(r"(?<![\w@./`])@([a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?)")
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


class Visibility(Enum):
    """Who may read a comment."""

    PUBLIC = "public"  # whoever may read the case
    INTERNAL = "internal"  # whoever may work on it


@dataclass(frozen=True, slots=True)
class Edit:
    """A text that a comment had before."""

    text: str
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """Something somebody said about a case.

    Attributes:
        id: Its id; sorts by time.
        case: Of which case.
        author: Who.
        text: Markdown, kept as it was written.
        at: When.
        visibility: Who may read it.
        parent: The comment it answers.
        mentions: Who is mentioned, ``user:<name>``.
        edited_at: When it was last changed.
        edits: What it said before, oldest first.
    """

    id: str
    case: str
    author: str
    text: str
    at: datetime
    visibility: Visibility = Visibility.PUBLIC
    parent: str | None = None
    mentions: tuple[str, ...] = ()
    edited_at: datetime | None = None
    edits: tuple[Edit, ...] = ()


def mentioned(text: str) -> tuple[str, ...]:
    """Who is mentioned in a text as ``@name``, each once; nobody in code."""
    found = _MENTION.findall(_CODE.sub(" ", text))
    return tuple(dict.fromkeys(f"user:{name}" for name in found))[:MENTIONS]


def edited(comment: Comment, text: str, *, actor: str, now: datetime) -> Comment:
    """The comment with another text; what it said before stays.

    Raises:
        Forbidden: It is somebody else's.
    """
    if actor != comment.author:
        raise Forbidden("a comment is changed by who wrote it", hint="answer it instead")
    if text == comment.text:
        return comment
    edits = (*comment.edits, Edit(comment.text, now))[-EDITS:]
    return replace(comment, text=text, mentions=mentioned(text), edited_at=now, edits=edits)
