"""Webhooks on a real stream and database, to real endpoints: signed, in order, once each by any number of replicas."""

import asyncio
import base64
import hmac
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import orjson
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tocsin.errors import Conflict
from tocsin.signals import decode, root
from tocsin_kit.bus.api import call
from tocsin_kit.bus.lease import PartitionLeases
from tocsin_kit.chance import SystemChance
from tocsin_kit.config import Secret
from tocsin_kit.store import Relay
from tocsin_kit.telemetry import Metrics
from tocsin_kit.testing.components import running
from tocsin_kit.testing.waiting import eventually
from tocsin_observer.adapters.channel_store import MongoChannelStore
from tocsin_observer.adapters.delivery_store import PARTITIONS, MongoDeliveryStore
from tocsin_observer.adapters.http_sender import HttpSender
from tocsin_observer.adapters.keys import MESSAGES, AesSeal, Ed25519Signer
from tocsin_observer.adapters.waking import BusWaker
from tocsin_observer.adapters.webhook_store import WEBHOOKS, MongoWebhookStore
from tocsin_observer.application import Observer
from tocsin_observer.application.dispatching import Dispatcher
from tocsin_observer.application.duties import Duties
from tocsin_observer.application.endpoints import AllEndpoints, WebhookEndpoints
from tocsin_observer.application.named_secrets import SecretUnusable
from tocsin_observer.application.telling import Telling
from tocsin_observer.application.webhooks import Webhooks
from tocsin_observer.domain.deliveries import DeliveryState
from tocsin_observer.domain.webhooks import Format, Verification, WebhookSpec, WebhookState
from tocsin_observer.ports import DeliverySearch, Search

CAUSE = root("test")
PAGE = {"limit": 50, "cursor": None}
ADA = {"actor": "user:ada", "cause": CAUSE}


class Partner:
    """Endpoints of somebody else: ``/ok/<n>`` takes everything, ``/dead`` never answers, ``/broken`` and ``/gone`` refuse."""

    def __init__(self) -> None:
        self.never = asyncio.Event()
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.broken = True
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if b"webhook.verification" in body:
            challenge = orjson.loads(body)["data"]["challenge"]
            return web.Response(text=challenge if "silent" not in request.path else "hello")
        kind = request.path.split("/")[1]
        if kind == "dead":
            await self.never.wait()
        if kind == "echo":
            return web.Response(text=f"you sent {request.headers['X-Token']}")
        if kind == "drip":
            response = web.StreamResponse(status=200)
            await response.prepare(request)
            await response.write(b"thank you, and ")
            self.got.append((request.path, {}, body))
            await self.never.wait()
        if kind == "gone":
            return web.Response(status=410)
        if kind == "broken" and self.broken:
            return web.Response(status=500, text="not today")
        self.got.append((request.path, {k.lower(): v for k, v in request.headers.items()}, body))
        return web.Response(status=204)

    def at(self, path: str):
        """What arrived there."""
        return [(headers, body) for where, headers, body in self.got if where == path]


@pytest.fixture
async def partner():
    partner = Partner()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", partner.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    partner.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield partner
    partner.never.set()
    await runner.cleanup()


class Replica:
    """One replica of what tells the world."""

    def __init__(self, ground, name: str, relay: Relay) -> None:
        chance, clock = SystemChance(), ground.clock
        self.store, self.queues = MongoWebhookStore(ground.database, relay), MongoDeliveryStore(ground.database)
        self.sender = HttpSender(clock, allow_private=True)
        seal = AesSeal(Secret("k" * 40), chance)
        signer = Ed25519Signer(Secret("k" * 40), MESSAGES)
        named = ground.named
        self.hooks = hooks = WebhookEndpoints(
            self.store, self.queues, self.sender, seal, named=named, signer=signer, clock=clock
        )
        self.dispatcher = Dispatcher(
            self.queues, AllEndpoints({"webhook": hooks}), clock=clock, chance=chance, metrics=Metrics("observer")
        )
        self.waker = BusWaker(ground.bus, self.dispatcher.wake)
        self.reader = ground.reader("webhooks", from_now=True, restore=ground.signals.between)
        self.telling = telling = Telling(self.store, self.queues, self.reader, self.waker.wake, clock=clock)
        lease = timedelta(seconds=4)
        leases = PartitionLeases(ground.bus, "OBSERVER", partitions=1 + PARTITIONS, replica=name, instance=name, lease=lease)

        async def work(duty: int) -> None:
            await (telling.work() if duty == 0 else self.dispatcher.work(duty - 1))

        self.duties = Duties(leases, work, lease=lease, clock=clock)
        self.webhooks = Webhooks(
            store=self.store,
            channels=MongoChannelStore(ground.database, relay),
            queues=self.queues,
            signals=ground.signals,
            endpoints=hooks,
            sender=self.sender,
            seal=seal,
            wake=self.waker.wake,
            clock=clock,
            chance=chance,
        )

    @asynccontextmanager
    async def working(self):
        """While it works."""
        async with running(self.sender, self.dispatcher, self.waker, self.duties):
            await self.reader.prepare()
            yield self


@pytest.fixture
async def relay(ground):
    relay = Relay(ground.database, ground.bus, (WEBHOOKS,))
    await MongoWebhookStore(ground.database, relay).prepare()
    await MongoDeliveryStore(ground.database).prepare()
    async with running(relay):
        yield relay


async def put(replica, partner, name, path, **more):
    spec = WebhookSpec(**{"url": partner.url + path, "subject": "signals.default.case.>", **more})
    return await replica.webhooks.put("default", name, spec, expect=None, **ADA)


async def test_signals_reach_their_endpoints_signed_and_in_order_and_a_dead_one_delays_nobody(ground, relay, partner):
    """Twenty endpoints and a dead one; the twenty have everything long before the dead one's first attempt is over."""
    async with Replica(ground, "one", relay).working() as replica:
        made = [await put(replica, partner, f"ok-{n}", f"/ok/{n}") for n in range(20)]
        dead = await put(replica, partner, "dead", "/dead", timeout=timedelta(seconds=60))
        assert {m.entry.value.state for m in (*made, dead)} == {WebhookState.ACTIVE}
        await ground.say(*[ground.signal(n % 3, sequence=n + 1, title=str(n)) for n in range(30)])
        await eventually(lambda: len(partner.got) == 600, within=30)
        headers, body = partner.at("/ok/7")[0]
        key = base64.b64decode(made[7].secret.reveal().removeprefix("whsec_"))
        content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        wanted = base64.b64encode(hmac.digest(key, content, "sha256")).decode()
        symmetric, asymmetric = headers["webhook-signature"].split(" ")
        assert symmetric == f"v1,{wanted}"
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(replica.hooks.public_key.removeprefix("whpk_")))
        public.verify(base64.b64decode(asymmetric.removeprefix("v1a,")), content)
        assert headers["content-type"] == "application/cloudevents+json"
        for n in range(20):
            events = [decode(body) for _, body in partner.at(f"/ok/{n}")]
            for case in ("c0", "c1", "c2"):
                sequence = [event.sequence for event in events if event.subject == case]
                assert sequence == sorted(sequence)
        assert await replica.webhooks.waiting(dead.entry.value) == 30
        partner.never.set()  # or the stop would wait for it


async def test_replicas_send_each_message_once_and_one_takes_over_from_another(ground, relay, partner):
    """Two replicas share the endpoints; when one is stopped the other has them. An orderly stop repeats nothing."""
    one, two = Replica(ground, "one", relay), Replica(ground, "two", relay)
    async with one.working():
        async with two.working():
            for n in range(8):
                await put(one, partner, f"ok-{n}", f"/ok/{n}")
            await eventually(lambda: one.duties.held and two.duties.held)
            await ground.say(*[ground.signal(n) for n in range(10)])
            await eventually(lambda: len(partner.got) >= 80, within=30)
        await ground.say(*[ground.signal(n) for n in range(10, 20)])
        await eventually(lambda: len(partner.got) >= 160, within=30)
    seen = Counter((path, headers["webhook-id"]) for path, headers, _ in partner.got)
    assert (len(seen), set(seen.values())) == (160, {1})


async def test_what_fails_is_tried_again_seen_in_the_log_and_sent_again_on_demand(ground, relay, partner):
    """The request and the answer are in the log; after the repair a window brings everything, under the same ids."""
    async with Replica(ground, "one", relay).working() as replica:
        made = await put(replica, partner, "broken", "/broken", retry_for=timedelta(0))
        observer = Observer(ground.signals, ground.stream, clock=ground.clock, retention=timedelta(days=1))
        async with running(ground.keeping(observer)):
            began = ground.clock.now()
            await ground.say(*[ground.signal(n) for n in range(3)])
            search = DeliverySearch(endpoint=made.entry.value.endpoint)

            async def given_up():
                page = await replica.webhooks.deliveries(search, limit=10, cursor=None)
                return page.items if len([d for d in page.items if d.state is DeliveryState.GIVEN_UP]) == 3 else None

            log = await eventually(given_up, within=20)
            attempt = log[0].log[0].answer
            assert (attempt.status, attempt.answer) == (500, "not today")
            assert '"io.tocsin.case.opened.v1"' in attempt.request
            partner.broken = False
            assert await replica.webhooks.again("default", "broken", log[0].id, **ADA) == 1
            await eventually(lambda: len(partner.got) == 1)
            assert partner.got[0][1]["webhook-id"] == log[0].message

            async def kept():
                return len((await observer.search(Search(entity="case"), limit=10, cursor=None)).records) == 3

            await eventually(kept, within=60)
            sent = await replica.webhooks.window("default", "broken", began, None, actor="user:ada", cause=root("again"))
            assert sent == 3
            await eventually(lambda: len(partner.got) == 4)
            assert {headers["webhook-id"] for _, headers, _ in partner.got} == {one.message for one in log}


async def test_an_endpoint_that_says_it_is_gone_is_disabled_and_that_is_said(ground, relay, partner):
    """410 ends it at once; nothing more is sent, and the signal says why."""
    async with Replica(ground, "one", relay).working() as replica:
        await put(replica, partner, "gone", "/gone")
        await ground.say(ground.signal(1))

        async def disabled():
            webhook = (await replica.webhooks.get("default", "gone")).value
            return webhook if webhook.state is WebhookState.DISABLED else None

        webhook = await eventually(disabled, within=20)
        assert webhook.reason == "the endpoint answered 410 Gone"
        await replica.webhooks.put(
            "default", "gone", replace(webhook.spec, url=partner.url + "/ok/1?token=canary"), expect=None, **ADA
        )
        changed = await anext(ground.stream.follow(("signals.default.webhook.updated.gone",), after=0))
        told = {one["field"]: (one["before"], one["after"]) for one in orjson.loads(changed.event)["data"]["changes"]}
        assert told["url"] == (partner.url + "/gone", partner.url + "/ok/1")
        assert b"canary" not in changed.event
        said = []
        async for batch in ground.stream.read(("signals.default.webhook.disabled.gone",), after=0):
            said += batch
            break
        assert b"410 Gone" in said[0].payload


async def test_what_an_endpoint_does_after_its_status_and_what_goes_wrong_before_it_harms_nobody(ground, partner):
    """A body that never ends is no failure; an answer that is no HTTP is one, and the log of it does not hold the URL."""
    sender = HttpSender(ground.clock, allow_private=True)
    answer, _ = await sender.post(partner.url + "/drip", b"{}", {}, within=timedelta(milliseconds=300))
    assert (answer.good, answer.error, answer.answer) == (True, None, "thank you, and ")

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 what?\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    url = f"http://127.0.0.1:{port}/services/canary?token=canary"
    answer, _ = await sender.post(url, b"{}", {}, within=timedelta(seconds=10))
    assert not answer.good
    assert answer.error
    assert "canary" not in str(answer)
    server.close()
    partner.never.set()
    await sender.stop()


async def test_a_webhook_that_moves_is_asked_there_first_and_goes_on_without_losing_anything(ground, relay, partner):
    """What waits goes to the new place once that has agreed; until then it is kept; a pause is no way around the question."""
    async with Replica(ground, "one", relay).working() as replica:
        made = await put(replica, partner, "mover", "/broken")
        await ground.say(ground.signal(1))
        waits = made.entry.value
        await eventually(lambda: replica.webhooks.waiting(waits), within=60)
        moved = await put(replica, partner, "mover", "/silent")
        assert moved.entry.value.state is WebhookState.UNVERIFIED
        await ground.say(ground.signal(2))  # not told: nobody knows whether that place wants it
        assert await replica.webhooks.waiting(waits) == 1
        agreed = await put(replica, partner, "mover", "/ok/9")
        assert agreed.entry.value.state is WebhookState.ACTIVE
        await replica.webhooks.step("default", "mover", "pause", **ADA)
        hidden = await put(replica, partner, "mover", "/silent")
        assert hidden.entry.value.state is WebhookState.UNVERIFIED
        with pytest.raises(Conflict):
            await replica.webhooks.step("default", "mover", "resume", **ADA)
        assert (await put(replica, partner, "mover", "/ok/9")).entry.value.state is WebhookState.ACTIVE


async def test_nothing_is_sent_to_whom_has_not_agreed_or_may_not_be_called(ground, relay, partner):
    """An endpoint that does not answer its challenge stays unverified; an address of the inside is refused by default."""
    async with Replica(ground, "one", relay).working() as replica:
        silent = await put(replica, partner, "silent", "/silent")
        assert silent.entry.value.state is WebhookState.UNVERIFIED
        assert "challenge" in silent.entry.value.reason
        guarded = HttpSender(ground.clock, allow_private=False)
        answer, _ = await guarded.post(partner.url, b"{}", {}, within=timedelta(seconds=2))
        assert answer.status is None
        assert "refused" in answer.error
        await guarded.stop()
        trusted = await put(replica, partner, "trusted", "/ok/0", verification=Verification.NONE)
        assert trusted.entry.value.state is WebhookState.ACTIVE
        await ground.say(ground.signal(1))
        await eventually(lambda: len(partner.got) == 1)


async def test_whoever_goes_on_with_telling_leaves_nothing_out_and_repeats_nothing(ground, relay, partner):
    """A replica dies behind its place: the next reads some signals again, and what came meanwhile; each goes out once."""
    one, two = Replica(ground, "one", relay), Replica(ground, "two", relay)
    async with one.working():
        await put(one, partner, "ok", "/ok/0")
        begin = await ground.places.load("webhooks")
        await ground.say(*[ground.signal(n) for n in range(5)])
        await eventually(lambda: len(partner.got) == 5, within=30)
    await ground.say(*[ground.signal(n) for n in range(5, 8)])
    await ground.places.keep("webhooks", begin)  # as if it had been killed before it noted its place
    async with two.working():
        await eventually(lambda: len(partner.got) >= 8, within=30)

        async def noted():
            return await ground.places.load("webhooks") >= begin + 8

        await eventually(noted, within=30)
    assert Counter(headers["webhook-id"] for _, headers, _ in partner.got).most_common(1)[0][1] == 1
    assert len(partner.got) == 8


async def test_what_the_stream_dropped_is_told_from_what_is_kept_and_the_rest_is_named(ground, relay, partner):
    """Nobody told for too long: what search has kept goes out all the same; what nobody has is counted as lost."""
    one, two = Replica(ground, "one", relay), Replica(ground, "two", relay)
    async with one.working():
        await put(one, partner, "ok", "/ok/0")
    observer = Observer(ground.signals, ground.stream, clock=ground.clock, retention=timedelta(days=1))
    async with running(ground.keeping(observer)):
        await ground.say(*[ground.signal(n) for n in range(5)])

        async def kept():
            found = await observer.search(Search(), limit=10, cursor=None)
            return len(found.records) == 7  # with the webhook's creation and verification

        await eventually(kept, within=60)
    await ground.say(*[ground.signal(n) for n in range(5, 7)])
    await call(ground.bus, "STREAM.PURGE.SIGNALS")
    await ground.say(ground.signal(7))
    async with two.working():
        await eventually(lambda: len(partner.got) >= 6, within=60)
        assert sorted(str(decode(body).subject) for _, body in partner.at("/ok/0")) == ["c0", "c1", "c2", "c3", "c4", "c7"]
        assert two.reader.health().facts["lost"] == 2
    (gap,) = await ground.places.gaps("webhooks")
    assert (gap.lost, gap.restored >= 5) == (2, True)


async def test_secrets_of_the_store_sign_and_go_along_and_are_in_no_log(ground, relay, partner):
    """Named, not copied: a new version is used soon, one that is missing is refused where it is named, each asking says who."""
    ground.secrets.values |= {"partner-key": "just text", "partner-token": "Bearer canary-of-the-store"}
    async with Replica(ground, "one", relay).working() as replica:
        named = {"signing_secret": "partner-key", "header_secrets": {"X-Partner": "partner-token"}}
        made = await put(replica, partner, "named", "/ok/0", **named)
        assert (made.secret, made.entry.value.secrets, made.entry.value.state) == (None, (), WebhookState.ACTIVE)
        await ground.say(*[ground.signal(n) for n in range(3)])
        await eventually(lambda: len(partner.got) == 3, within=60)
        headers, body = partner.at("/ok/0")[0]
        content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        signature = base64.b64encode(hmac.digest(b"just text", content, "sha256")).decode()
        assert headers["webhook-signature"].startswith(f"v1,{signature} v1a,")
        assert headers["x-partner"] == "Bearer canary-of-the-store"
        assert ground.secrets.asked == [("default", {"webhook": "named"})]
        search = DeliverySearch(endpoint=made.entry.value.endpoint)

        async def logged():
            page = await replica.webhooks.deliveries(search, limit=10, cursor=None)
            return [one for one in page.items if one.log]

        log = await eventually(logged, within=60)
        assert dict(log[0].log[0].answer.headers)["X-Partner"] == "(hidden)"
        assert "canary" not in str(log) + str(made.entry.value)
        with pytest.raises(Conflict):
            await replica.webhooks.rotate("default", "named", overlap=timedelta(0), **ADA)
        with pytest.raises(SecretUnusable):
            await put(replica, partner, "other", "/ok/1", signing_secret="nobody-stored-it")
        own = await put(replica, partner, "named", "/ok/0")
        assert own.secret is not None
        assert len(own.entry.value.secrets) == 1


async def test_webhooks_that_fail_and_are_told_of_each_other_come_to_an_end(ground, relay, partner):
    """What cannot be made is given up with a signal, but not what was to tell of such a signal: each would cause the next."""
    wrong = {"format": Format.TEMPLATE, "template": ".data | fromjson", "verification": Verification.NONE}
    async with Replica(ground, "one", relay).working() as replica:
        made = [await put(replica, partner, name, "/ok/0", subject="signals.default.>", **wrong) for name in ("a", "b")]

        async def given_up():
            of = [DeliverySearch(endpoint=one.entry.value.endpoint) for one in made]
            found = [await replica.webhooks.deliveries(one, **PAGE) for one in of]
            return Counter(
                one.subject.split(".")[3] for page in found for one in page.items if one.state is DeliveryState.GIVEN_UP
            )

        for number in (1, 2):  # of the first nothing more comes than of the second
            await ground.say(ground.signal(number))

            async def told(count=2 * number):
                seen = await given_up()
                return min(seen["opened"], seen["delivery-given-up"]) >= count and seen

            seen = await eventually(told, within=60)
        assert (seen["opened"], seen["delivery-given-up"]) == (4, 4)


async def test_what_an_endpoint_repeats_of_secrets_is_in_no_log(ground, relay, partner):
    """Some answer with the request that they got."""
    ground.secrets.values |= {"token": "Bearer canary-of-the-store"}
    async with Replica(ground, "one", relay).working() as replica:
        await put(replica, partner, "echo", "/echo", header_secrets={"X-Token": "token"}, verification=Verification.NONE)
        answer = await replica.webhooks.test("default", "echo")
        assert answer.answer == "you sent (hidden)"
