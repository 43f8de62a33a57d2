"""Asking an address: what goes with the question, and what becomes of answers that are not as expected."""

from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tocsin.errors import Invalid, Rejected, Unavailable
from tocsin_kit.config import Secret
from tocsin_kit.web.outgoing import OutgoingGuard
from tocsin_trigger.adapters.polling import ANSWER, Fetching, HttpPolls
from tocsin_trigger.domain.sources import ManualSource, PollSource
from tocsin_trigger.domain.triggers import Target, Trigger

NOW = datetime(2026, 3, 2, tzinfo=UTC)
TRIGGER = Trigger("id", "team", "feed", ManualSource(), Target("w"), NOW, NOW)


class Secrets:
    """Those of one namespace."""

    async def resolve(self, namespace: str, names: Collection[str], *, used_by: Mapping[str, str]) -> Mapping[str, Secret]:
        assert (namespace, used_by) == ("team", {"trigger": "feed"})
        known = {"token": '"Bearer t"', "pair": '{"a": "b"}'}
        return {name: Secret(known[name]) for name in names}


class Feed:
    """An address, and what it was asked."""

    def __init__(self) -> None:
        self.answer: tuple[int, bytes, dict[str, str]] = (200, b"[]", {})
        self.asked: list[dict[str, str]] = []
        self.url = ""
        self.polls = HttpPolls(Fetching(OutgoingGuard(allow_private=True, setting="x")), Secrets())

    @property
    def source(self) -> PollSource:
        return PollSource(self.url, timedelta(seconds=1))


@pytest.fixture
async def feed() -> AsyncIterator[Feed]:
    """It, on this machine."""
    feed = Feed()

    async def handle(request: web.Request) -> web.Response:
        feed.asked.append(dict(request.headers))
        status, body, headers = feed.answer
        return web.Response(status=status, body=body, headers=headers)

    app = web.Application()
    app.router.add_get("/feed", handle)
    async with TestServer(app) as server:
        feed.url = f"http://127.0.0.1:{server.port}/feed"
        yield feed
        await feed.polls.close()


async def test_what_has_not_changed_is_not_sent_again(feed: Feed) -> None:
    """By ETag and date, remembered with the cursor; an empty answer of 304 changes nothing."""
    feed.answer = (200, b'[{"a": 1}]', {"ETag": '"v1"', "Last-Modified": "Mon, 02 Mar 2026 00:00:00 GMT"})
    first = await feed.polls.look(TRIGGER, feed.source, None)
    feed.answer = (304, b"", {})
    second = await feed.polls.look(TRIGGER, feed.source, first.cursor)
    assert (len(first.items), second.items, second.cursor) == (1, (), first.cursor)
    assert (feed.asked[1]["If-None-Match"], feed.asked[1]["If-Modified-Since"]) == ('"v1"', "Mon, 02 Mar 2026 00:00:00 GMT")


async def test_a_secret_is_a_header_at_the_moment_of_asking(feed: Feed) -> None:
    """Text, and nothing else; it is not in the cursor."""
    look = await feed.polls.look(TRIGGER, replace(feed.source, secrets=(("Authorization", "token"),)), None)
    assert feed.asked[0]["Authorization"] == "Bearer t"
    assert "Bearer" not in f"{look}"
    with pytest.raises(Invalid):
        await feed.polls.look(TRIGGER, replace(feed.source, secrets=(("X-Pair", "pair"),)), None)


async def test_an_item_without_an_id_is_named_by_what_it_says(feed: Feed) -> None:
    """Whatever the order of its members."""
    feed.answer = (200, b'[{"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 2}]', {})
    ids = [item.id for item in (await feed.polls.look(TRIGGER, feed.source, None)).items]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (500, b"[]", Unavailable),
        (302, b"[]", Unavailable),
        (200, b"<html>", Unavailable),
        (200, b" " * (ANSWER + 1), Unavailable),
        (200, b'[{"id": {}}]', Rejected),
        (200, b"[" + b"1," * 1000 + b"1]", Rejected),
    ],
)
async def test_an_answer_that_cannot_be_used_is_an_error(feed: Feed, status: int, body: bytes, kind: type[Exception]) -> None:
    """And never half of it."""
    feed.answer = (status, body, {"Location": "http://169.254.169.254/"} if status == 302 else {})
    with pytest.raises(kind):
        await feed.polls.look(TRIGGER, replace(feed.source, id=".id"), None)
    assert len(feed.asked) == 1
