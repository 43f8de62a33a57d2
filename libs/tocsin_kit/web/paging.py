"""Lists in pages: ``?limit=&cursor=`` in, ``{"items": [...], "next_cursor": ...}`` out.

Only the shapes live here. Cursors are made and checked by ``tocsin_kit.store`` (``Repository.page``), which knows the order
of a list.
"""

from datetime import UTC, datetime
from typing import Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

Item = TypeVar("Item", bound=BaseModel)


class Input(BaseModel):
    """What requests are made of: unknown members are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="after")
    def _instants_are_within_reach(self) -> Self:
        """At the ends of the calendar there are instants that have no time in UTC, and cannot be stored."""
        for name, value in self:
            if isinstance(value, datetime) and value.tzinfo is not None:
                try:
                    value.astimezone(UTC)
                except OverflowError:
                    raise ValueError(f"{name} is beyond the calendar") from None
        return self


class PageQuery(Input):
    """The query of every list; subclass it to add filters."""

    limit: int = Field(default=50, ge=1, le=500, description="At most this many items.")
    cursor: str | None = Field(default=None, max_length=1024, description="`next_cursor` of the page before.")


class Page(BaseModel, Generic[Item]):
    """One page of a list."""

    items: list[Item]
    next_cursor: str | None = Field(default=None, description="Ask for the next page with it; null on the last page.")
