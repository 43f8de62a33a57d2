"""Lists in pages: ``?limit=&cursor=`` in, ``{"items": [...], "next_cursor": ...}`` out.

Only the shapes live here. Cursors are made and checked by ``tocsin_kit.store`` (``Repository.page``), which knows the order
of a list.
"""

from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

Item = TypeVar("Item", bound=BaseModel)


class Input(BaseModel):
    """What requests are made of: unknown members are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PageQuery(Input):
    """The query of every list; subclass it to add filters."""

    limit: int = Field(default=50, ge=1, le=500, description="At most this many items.")
    cursor: str | None = Field(default=None, max_length=1024, description="`next_cursor` of the page before.")


class Page(BaseModel, Generic[Item]):
    """One page of a list."""

    items: list[Item]
    next_cursor: str | None = Field(default=None, description="Ask for the next page with it; null on the last page.")
