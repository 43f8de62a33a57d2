"""Alerts on a real stream and database, told to a real mail server, a chat and a pager; one engine at a time, through kills."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from email import message_from_string
from email.policy import default

import orjson
import pytest
from aiohttp import web
from aiosmtpd.smtp import SMTP

from tocsin.errors import Conflict
from tocsin.expressions import ExpressionFailed
from tocsin.signals import derive, root
from tocsin.signals.catalogue import executor as run_words
from tocsin.signals.catalogue import observer as observer_words
from tocsin.signals.kinds import ErrorObject
from tocsin.signals.make import make_signal
from tocsin_kit.bus.lease import PartitionLeases
from tocsin_kit.bus.log import OrderedLog
from tocsin_kit.chance import SystemChance
from tocsin_kit.config import Secret
from tocsin_kit.store import Relay
from tocsin_kit.telemetry import Metrics
from tocsin_kit.testing.components import running
from tocsin_kit.testing.waiting import eventually
from tocsin_observer.adapters.alert_store import ALERTS, RULES, MongoAlertStore, MongoRuleStore
from tocsin_observer.adapters.channel_store import CHANNELS, MongoChannelStore
from tocsin_observer.adapters.delivery_store import PARTITIONS, MongoDeliveryStore
from tocsin_observer.adapters.http_sender import HttpSender
from tocsin_observer.adapters.keys import AesSeal
from tocsin_observer.adapters.mailer import MailServer, SmtpMailer
from tocsin_observer.adapters.waking import BusWaker
from tocsin_observer.adapters.webhook_store import MongoWebhookStore
from tocsin_observer.application.alerting import Alerting
from tocsin_observer.application.alerts import Alerts, Channels, ChannelSpec
from tocsin_observer.application.dispatching import Dispatcher
from tocsin_observer.application.duties import Duties
from tocsin_observer.application.endpoints import AllEndpoints
from tocsin_observer.application.notifying import ChannelEndpoints, Notifying
from tocsin_observer.domain.alert_rules import Actions, AlertRule, Kind, Promise, promised
from tocsin_observer.domain.alerts import AlertState
from tocsin_observer.domain.channels import ChannelInvalid, ChannelKind, ChannelUnknown
from tocsin_observer.domain.webhooks import Webhook, WebhookSpec, WebhookState
from tocsin_observer.ports.alerts import AlertSearch

ADA = {"actor": "user:ada", "cause": root("test")}


class Inbox:
    """A mail server that keeps what it gets."""

    def __init__(self) -> None:
        self.mails: list[str] = []

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802  # aiosmtpd's name
        self.mails.append(envelope.content.decode())
        return "250 taken"


@pytest.fixture
async def outside():
    """A mail server, and an HTTP server that plays chat and pager."""
    inbox, got = Inbox(), []
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(inbox, hostname="mail.test"), "127.0.0.1", 0)

    async def take(request: web.Request) -> web.Response:
        got.append((request.path, await request.json()))
        return web.Response(status=202 if "enqueue" in request.path else 200, text="ok")

    app = web.Application()
    app.router.add_route("POST", "/{path:.*}", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    port = server.sockets[0].getsockname()[1]
    yield inbox, got, url, port
    await runner.cleanup()
    server.close()


class Replica:
    """One replica of the alerts."""

    def __init__(self, ground, relay, port: int, name: str, measures) -> None:
        clock, chance, database = ground.clock, SystemChance(), ground.database
        self.rules, self.store = MongoRuleStore(database, relay), MongoAlertStore(database, relay)
        self.webhooks = MongoWebhookStore(database, relay)
        queues, channels, seal = (
            MongoDeliveryStore(database),
            MongoChannelStore(database, relay),
            AesSeal(Secret("k" * 40), chance),
        )
        self.sender = HttpSender(clock, allow_private=True)
        server = MailServer(host="127.0.0.1", port=port, sender="tocsin@example.com", user=None, password=None, security="none")
        endpoints = ChannelEndpoints(
            channels, self.sender, SmtpMailer(server, clock), seal, named=ground.named, clock=clock, url="http://tocsin"
        )
        self.dispatcher = dispatcher = Dispatcher(
            queues, AllEndpoints({"channel": endpoints}), clock=clock, chance=chance, metrics=Metrics("observer")
        )
        self.waker = BusWaker(ground.bus, dispatcher.wake)
        engine = Alerting(
            self.rules,
            self.store,
            ground.reader("alerts"),
            Notifying(self.store, self.webhooks, queues, self.waker.wake, clock=clock),
            measures=lambda: measures,
            clock=clock,
        )

        async def work(duty: int) -> None:
            await (engine.work() if duty == 0 else dispatcher.work(duty - 1))

        lease = timedelta(seconds=4)
        leases = PartitionLeases(ground.bus, "OBSERVER", partitions=1 + PARTITIONS, replica=name, instance=name, lease=lease)
        self.duties = Duties(leases, work, lease=lease, clock=clock)
        self.alerts = Alerts(self.rules, self.store, channels, clock=clock)
        users = {"rules": self.rules, "webhooks": self.webhooks}
        self.channels = Channels(channels, endpoints, seal, users=users, clock=clock, chance=chance)

    @asynccontextmanager
    async def working(self):
        async with running(self.sender, self.dispatcher, self.waker, self.duties):
            yield self

    async def watching(self):
        """Whether the engine has begun."""
        return (await self.store.trackers())[1] is not None

    async def found(self, **search):
        """Alerts that match."""
        page = await self.alerts.search(AlertSearch(**search), limit=50, cursor=None)
        return [entry.value for entry in page.items]


@pytest.fixture
async def make(ground, outside):
    """Makes replicas."""
    relay = Relay(ground.database, ground.bus, (RULES, ALERTS, CHANNELS))
    measures: dict[str, float] = {}
    for store in (MongoRuleStore(ground.database, relay), MongoAlertStore(ground.database, relay)):
        await store.prepare()
    await MongoDeliveryStore(ground.database).prepare()
    async with running(relay):
        yield lambda name: Replica(ground, relay, outside[3], name, measures)


def ended(ground, number: int, *, well: bool = False, began: bool = False):
    """The signal of a run of ``orders``."""
    run, now = derive("run", number), ground.clock.now()
    name = f"orders-{run}.default"
    if began:
        kind = run_words.WORKFLOW_STARTED
        definition = run_words.DefinitionReference(name="orders", namespace="default", version="1.0.0")
        payload = run_words.WorkflowStarted(name=name, definition=definition, started_at=now)
    elif well:
        kind, payload = run_words.WORKFLOW_COMPLETED, run_words.WorkflowCompleted(name=name, completed_at=now)
    else:
        error = ErrorObject(type="https://example.com/boom", status=500, title="boom")
        kind, payload = run_words.WORKFLOW_FAULTED, run_words.WorkflowFaulted(name=name, faulted_at=now, error=error)
    return make_signal(
        kind,
        namespace="default",
        entity_id=run,
        sequence=1 if began else 2,
        time=now,
        payload=payload,
        cause=root("r"),
    )


async def test_what_fires_is_told_to_people_worked_by_them_and_told_again_when_it_is_over(ground, make, outside):
    """Mail, chat and pager hear of the firing, of who takes care, and of the end; an alert is one alert."""
    inbox, got, url, _ = outside
    async with make("one").working() as replica:
        put = replica.channels.put
        await put("default", "mail", ChannelSpec(kind=ChannelKind.EMAIL, to=("ops@example.com",)), **ADA)
        await put("default", "chat", ChannelSpec(kind=ChannelKind.SLACK, url=Secret(f"{url}/chat")), **ADA)
        pager = ChannelSpec(kind=ChannelKind.PAGERDUTY, url=Secret(f"{url}/v2/enqueue"), key=Secret("R" * 32))
        await put("default", "pager", pager, **ADA)
        rule = AlertRule(
            namespace="default",
            name="failures",
            kind=Kind.COUNT,
            subject="signals.default.run.faulted.*",
            workflow="ord*",
            threshold=3,
            window=timedelta(hours=1),
            group_by=("workflow",),
            actions=Actions(notify=("mail", "chat", "pager")),
            summary="{group} fails\r\nBcc: everyone@example.com",
        )
        await replica.alerts.put(rule, expect=None, **ADA)
        await eventually(replica.watching)
        await ground.say(*[ended(ground, n) for n in range(5)])
        await eventually(lambda: len(inbox.mails) == 1 and len(got) == 2, within=20)
        (alert,) = await replica.found()
        assert (alert.state, alert.group, alert.workflow) == (AlertState.FIRING, {"workflow": "orders"}, "orders")
        assert "Subject: [warning] fired: orders fails Bcc: everyone@example.com" in inbox.mails[0]
        sent = dict(got)
        assert sent["/chat"]["attachments"][0]["title"] == "default/failures"
        page = sent["/v2/enqueue"]
        assert (page["event_action"], page["dedup_key"], page["routing_key"]) == ("trigger", alert.id, "R" * 32)
        await replica.alerts.step(alert.id, "acknowledge", note="on it", **ADA)
        await replica.alerts.delete("default", "failures", **ADA)

        async def over():
            return (await replica.found())[0].state is AlertState.RESOLVED

        await eventually(over, within=20)
        await eventually(lambda: [b["event_action"] for p, b in got if "enqueue" in p][-1] == "resolve", within=60)
        with pytest.raises(ChannelUnknown):
            await replica.alerts.put(replace(rule, actions=Actions(notify=("mial",))), expect=None, **ADA)
        await replica.alerts.put(rule, expect=None, **ADA)
        with pytest.raises(Conflict, match="failures"):
            await replica.channels.delete("default", "chat", **ADA)
        elsewhere = ChannelSpec(kind=ChannelKind.PAGERDUTY, url=Secret(f"{url}/mine"))
        with pytest.raises(ChannelInvalid, match="key"):  # or whoever may write channels could read the key
            await put("default", "pager", elsewhere, **ADA)


async def test_a_template_that_fails_keeps_nobody_from_being_told(ground, make, outside):
    """The plain words go out, and say that the template failed; who tries it is told why. So ends of webhooks are told."""
    inbox, got, url, _ = outside
    async with make("one").working() as replica:
        put = replica.channels.put
        wrong = {"template": ".data.group.workflow | fromjson"}
        mail = ChannelSpec(kind=ChannelKind.EMAIL, to=("ops@example.com",), **wrong)
        await put("default", "mail", mail, **ADA)
        await put("default", "chat", ChannelSpec(kind=ChannelKind.SLACK, url=Secret(f"{url}/chat"), template='"text"'), **ADA)
        await eventually(replica.watching)
        webhook = Webhook(
            namespace="default",
            name="partner",
            spec=WebhookSpec(url=url, subject="signals.default.>", notify=("mail", "chat")),
            state=WebhookState.DISABLED,
            secrets=(),
            created_at=ground.clock.now(),
            changed_at=ground.clock.now(),
        )
        await replica.webhooks.commit(await replica.webhooks.load(webhook.id), webhook, [])
        said = observer_words.WebhookChanged(name="partner", url=url, reason="the endpoint answered 410 Gone")
        signal = make_signal(
            observer_words.WEBHOOK_DISABLED,
            namespace="default",
            entity_id="partner",
            sequence=1,
            time=ground.clock.now(),
            payload=said,
            cause=root("w"),
        )
        await ground.say(signal)
        await eventually(lambda: inbox.mails and got, within=60)
        subject = message_from_string(inbox.mails[0], policy=default)["Subject"]
        assert subject == "[error] disabled: Webhook partner is not told any more: the endpoint answered 410 Gone."
        assert "The template of channel mail failed" in inbox.mails[0]
        assert "The template of channel chat failed" in got[0][1]["text"]
        with pytest.raises(ExpressionFailed, match="JSON object"):
            await replica.channels.test("default", "chat", cause=root("test"))


async def test_a_promise_that_is_broken_cancels_the_run_once_through_a_change_of_replicas(ground, make):
    """A run that takes too long: the alert fires after the replica that saw it begin is gone, and asks for its end."""
    rule = AlertRule(
        namespace="default",
        name="in-time",
        kind=Kind.COUNT,
        window=timedelta(seconds=2),
        actions=Actions(cancel_run=True, start_workflow="cleanup", open_case=True),
    )
    one, two = make("one"), make("two")
    async with one.working():
        await one.alerts.put(promised(Promise.ENDS_IN_TIME, rule), expect=None, **ADA)
        await eventually(one.watching)
        await ground.say(ended(ground, 1, began=True), ended(ground, 2, began=True), ended(ground, 2, well=True))

        async def stored():
            return [t.group["run"] for t in (await one.store.trackers())[0]] == [derive("run", 1)]

        await eventually(stored)
    async with two.working():

        async def fired():
            return await two.found(state="firing")

        (alert,) = await eventually(fired, within=20)
        assert alert.run == derive("run", 1)
        commands = []
        async for batch in _commands(ground):
            commands += [(one.subject, orjson.loads(one.payload)) for one in batch]
            if len(commands) == 2:
                break
        (cancel, asked), (start, begun) = sorted(commands)
        assert cancel == f"commands.executor.cancel.{alert.run}"
        assert asked["type"] == "io.tocsin.command.run.cancel.v1"
        assert start.startswith("commands.executor.start.")
        assert begun["data"]["workflow"] == "cleanup"
        assert begun["data"]["input"]["alert"]["id"] == alert.id
        said = await anext(ground.stream.follow((f"signals.default.alert.fired.{alert.id}",), after=0))
        assert orjson.loads(said.event)["data"]["open_case"] is True
        await ground.say(ended(ground, 1, well=True))

        async def over():
            return await two.found(state="resolved")

        await eventually(over, within=20)
        assert len(await two.found()) == 1


async def _commands(ground):
    reader = OrderedLog(ground.direct, "COMMANDS", ground.clock)
    try:
        await reader.open(["commands.executor.>"], 0)
        while True:
            yield await reader.take(100)
    finally:
        await reader.close()


async def test_a_failure_after_somebody_has_resolved_an_alert_fires_another_one(ground, make):
    """Within the same window, which would have to end first if the engine did not hear of it."""
    async with make("one").working() as replica:
        rule = AlertRule(
            namespace="default",
            name="failures",
            kind=Kind.COUNT,
            subject="signals.default.run.faulted.*",
            window=timedelta(hours=1),
            group_by=("workflow",),
        )
        await replica.alerts.put(rule, expect=None, **ADA)
        await eventually(replica.watching)
        await ground.say(ended(ground, 1))
        first = (await eventually(lambda: replica.found(state="firing"), within=60))[0]
        assert "1 or more within 1 h" in first.summary
        await replica.alerts.step(first.id, "resolve", note="repaired", **ADA)
        number = 1

        async def fired_again():
            nonlocal number
            number += 1
            await ground.say(ended(ground, number))  # the first of these may come before the word of the resolution
            return await replica.found(state="firing")

        second = (await eventually(fired_again, within=60))[0]
        assert second.id != first.id
        assert len(await replica.found()) == 2
        await replica.alerts.put(replace(rule, subject="signals.default.run.completed.*"), expect=None, **ADA)

        async def over():
            return [alert.note for alert in await replica.found(state="resolved") if alert.id == second.id]

        assert await eventually(over, within=60) == ["the rule looks for something else now"]
        assert await replica.store.forget(ground.clock.now() - timedelta(days=1)) == 0

        async def forgotten():
            return await replica.store.forget(ground.clock.now()) and await replica.found() == []

        await eventually(forgotten, within=60)


async def test_rules_that_watch_alerts_do_not_fire_each_other_for_ever(ground, make):
    """Each alert of an ordinary rule is worth one of each of them; theirs are worth none."""
    plain = {"namespace": "default", "kind": Kind.COUNT, "window": timedelta(hours=1)}
    async with make("one").working() as replica:
        for name in ("meta", "other"):
            meta = AlertRule(name=name, subject="signals.default.alert.fired.*", group_by=("id",), **plain)
            await replica.alerts.put(meta, expect=None, **ADA)
        failures = AlertRule(name="failures", subject="signals.default.run.faulted.*", group_by=("run",), **plain)
        await replica.alerts.put(failures, expect=None, **ADA)
        await eventually(replica.watching)
        for number in (1, 2):
            await ground.say(ended(ground, number))

            async def fired(count=3 * number):
                return len(await replica.found()) >= count

            await eventually(fired, within=60)
        assert sorted(alert.rule for alert in await replica.found()) == ["failures", "failures", *["meta"] * 2, *["other"] * 2]
