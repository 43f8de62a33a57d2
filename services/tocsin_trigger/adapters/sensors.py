"""Looks at what is outside, by the kind of source."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import assert_never

from tocsin.expressions import Json
from tocsin_kit.chassis import Part
from tocsin_trigger.adapters.bucket import Buckets
from tocsin_trigger.adapters.folder import Folders
from tocsin_trigger.adapters.plugins import Plugins
from tocsin_trigger.adapters.polling import HttpPolls
from tocsin_trigger.domain.sources import BucketSource, FileSource, FunctionSource, OnceSource, PollSource, WatchedSource
from tocsin_trigger.domain.triggers import Trigger
from tocsin_trigger.domain.watching import Item, Look


class OutsideSensors(Part):
    """All of them.

    Args:
        folders: Local folders.
        polls: HTTP addresses.
        buckets: S3-compatible stores.
        plugins: Functions of plugins.
    """

    def __init__(self, folders: Folders, polls: HttpPolls, buckets: Buckets, plugins: Plugins) -> None:
        super().__init__("sensors")
        self._folders = folders
        self._polls = polls
        self._buckets = buckets
        self._plugins = plugins

    async def stop(self) -> None:
        """Close the connections."""
        await self._polls.close()
        await self._buckets.close()

    async def look(self, trigger: Trigger, source: WatchedSource, cursor: Json, now: datetime) -> Look:
        """What is new."""
        match source:
            case OnceSource():
                at = source.at.isoformat()
                return Look((Item(at, {"at": at}, source.at),), None)
            case FileSource():
                return await asyncio.to_thread(self._folders.look, source, cursor, now)
            case PollSource():
                return await self._polls.look(trigger, source, cursor)
            case FunctionSource():
                return await self._plugins.look(trigger, source, cursor)
            case BucketSource():
                return await self._buckets.look(trigger, source, cursor, now)
            case _:
                assert_never(source)

    async def accepted(self, source: WatchedSource, items: Sequence[Item]) -> None:
        """The events of these are on disk; do with them what the source asks for."""
        if isinstance(source, FileSource):
            await asyncio.to_thread(self._folders.accepted, source, items)
