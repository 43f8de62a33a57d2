"""Alerts from outside: whoever can send an HTTP request can open a case, append to it, and say that it is over."""

from dataclasses import dataclass

from tocsin.signals import CloudEvent
from tocsin_case.application.intake import Intake
from tocsin_case.application.ledger import By, Ledger
from tocsin_case.domain.causes import Meaning, Occurrence
from tocsin_case.domain.rules import Rule
from tocsin_case.domain.types import Priority
from tocsin_case.ports import Configuration

FAMILY = "alert"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """What somebody sends.

    Attributes:
        namespace: Where.
        key: What alerts of one case have in common.
        firing: Whether it is wrong, or well again.
        title: One line; of the key without it.
        detail: What is wrong.
        kind: Type of the case, where no rule says otherwise.
        priority: The same.
        severity: The same.
        tags: The same.
    """

    namespace: str
    key: str
    firing: bool
    title: str | None = None
    detail: str = ""
    kind: str = "incident"
    priority: Priority = Priority.NORMAL
    severity: int = 3
    tags: tuple[str, ...] = ()


class Alerts:
    """Takes alerts.

    Args:
        ledger: Changes cases.
        intake: What opens cases.
        configuration: Where rules are.
    """

    def __init__(self, ledger: Ledger, intake: Intake, configuration: Configuration) -> None:
        self._ledger = ledger
        self._intake = intake
        self._configuration = configuration

    async def take(self, alert: Alert, *, by: By) -> list[str]:
        """Open, append or resolve; the cases that it is about.

        Rules over ``alert.fired`` decide what the case looks like; where none matches, the alert itself does.
        """
        now = self._ledger.clock.now()
        transition = "fired" if alert.firing else "resolved"
        event = CloudEvent(
            id=by.cause.id,
            source=f"/namespaces/{alert.namespace}/alerts/{alert.key}".replace(" ", "%20"),
            type=f"io.tocsin.alert.{transition}.v1",
            time=now,
            extensions={"namespace": alert.namespace, **by.cause.attributes()},
        )
        occurrence = Occurrence(
            namespace=alert.namespace,
            family=FAMILY,
            name=alert.key,
            meaning=Meaning.BROKEN if alert.firing else Meaning.WELL,
            signal=f"alert.{transition}",
            kind="alert",
            target=alert.key,
            detail=alert.detail or alert.title or "fired",
            # Alerts from outside have no place in the stream; their instants are in order for one key.
            position=int(now.timestamp() * 1_000_000),
            attributes={"namespace": alert.namespace, "subject": alert.key, "type": event.type, "authid": by.actor},
        )
        own = Rule(
            namespace=alert.namespace,
            name="alerts",
            signal="alert.*",
            title=alert.title,
            kind=alert.kind,
            priority=alert.priority,
            severity=alert.severity,
            tags=alert.tags,
        )
        before = await self._ledger.store.active([occurrence.key])
        await self._intake.take(occurrence, event, own if alert.firing else None)
        after = await self._ledger.store.active([occurrence.key])
        return sorted({entry.key for entry in (*before, *after)})
