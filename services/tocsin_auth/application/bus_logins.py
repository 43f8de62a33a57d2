"""Who may connect to NATS, and to which subjects: people and programs prove themselves as they do to the API.

Refusals are recorded, but not one by one: somebody who tries all day long from one address must not fill the disk.
"""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from tocsin.errors import TocsinError, Unauthenticated
from tocsin.signals import derive
from tocsin.signals.catalogue.auth import BUS_LOGIN_FAILED, BusLoginFailed
from tocsin_auth.application.saying import Asker, said
from tocsin_auth.domain.bus_access import BusAccess, BusConnection, Place, bus_access
from tocsin_auth.domain.throttle import Failures
from tocsin_auth.ports import Records
from tocsin_kit.clock import Clock
from tocsin_kit.web.access import Namespaces, Principal

_QUIET: Final = timedelta(minutes=1)  # between two signals about one address
_ADDRESSES: Final = 1000  # remembered


class Verifier(Protocol):
    """Proves who sends a credential (``tocsin_kit.web.tokens.CredentialVerifier``)."""

    async def authenticate(self, credential: str) -> Principal:
        """The principal behind a token or API key."""
        ...


@dataclass(frozen=True, slots=True)
class BusLogin:
    """A connection that is let in.

    Attributes:
        principal: Who.
        access: To what.
        expires: The server ends the connection then; the client connects anew and is looked at again.
    """

    principal: Principal
    access: BusAccess
    expires: datetime


class BusLogins:
    """Decides about connections.

    Args:
        verifier: Proves identities.
        failures: Where refusals are recorded.
        connections: Those that were let in, so that they can be ended.
        clock: Time.
        lifetime: Of a connection at most.
    """

    def __init__(
        self,
        *,
        verifier: Verifier,
        failures: Records[Failures],
        connections: Records[BusConnection],
        clock: Clock,
        lifetime: timedelta,
    ) -> None:
        self._verifier, self._failures, self._connections = verifier, failures, connections
        self._clock, self._lifetime = clock, lifetime
        self._said: OrderedDict[str, tuple[datetime, int]] = OrderedDict()

    async def decide(self, credential: str | None, asker: Asker, place: Place) -> BusLogin:
        """Let somebody in.

        Args:
            credential: Access token or API key, from the password or the token of the connection.
            asker: With the address that the NATS server saw.
            place: Where the connection is; remembered before it is let in.

        Raises:
            Unauthenticated: It proves nothing; recorded.
            Unavailable: It cannot be decided now.
        """
        if not credential:
            await self._refused("no credential", asker)
            raise Unauthenticated("give an API key or an access token as the password")
        try:
            principal = await self._verifier.authenticate(credential)
        except Unauthenticated as error:
            await self._refused(error.detail, asker)
            raise
        latest = self._clock.now() + self._lifetime
        expires = min(latest, principal.expires) if principal.expires else latest
        if principal.proof.holder or principal.proof.session:  # the others are nobody's to withdraw
            proof = principal.proof
            entry = await self._connections.load(place.key)
            connection = BusConnection(
                place=place,
                subject=principal.subject,
                holder=proof.holder,
                session=proof.session,
                revision=proof.revision,
                policy=proof.policy,
                address=asker.address,
                ends_at=expires,
            )
            await self._connections.commit(entry, connection)
        return BusLogin(principal, access_of(principal), expires)

    async def _refused(self, reason: str, asker: Asker) -> None:
        now = self._clock.now()
        last, more = self._said.get(asker.address, (None, 0))
        if last is not None and now - last < _QUIET:
            self._said[asker.address] = (last, more + 1)
            return
        self._said[asker.address] = (now, 0)
        self._said.move_to_end(asker.address)
        if len(self._said) > _ADDRESSES:
            self._said.popitem(last=False)
        entry = await self._failures.load(derive("bus-login", now.date().isoformat(), asker.address))
        payload = BusLoginFailed(address=asker.address, reason=reason, more=more)
        signal = said(BUS_LOGIN_FAILED, entry, payload, asker=asker, now=now)
        try:
            await self._failures.commit(entry, (entry.value or Failures()).one_more(now), outbox=[signal])
        except TocsinError:
            return  # another replica records that address at this moment, or nothing can be recorded: refused all the same


def access_of(principal: Principal) -> BusAccess:
    """What a principal may do on the bus."""
    publishes, reads = principal.where("event:publish"), principal.where("signal:read")
    return bus_access(
        principal.subject,
        publishes_in=_names(publishes),
        reads_in=_names(reads),
        publishes_not_in=publishes.excluded,
        reads_not_in=reads.excluded,
    )


def _names(namespaces: Namespaces) -> list[str]:
    """Namespaces as subject tokens; a namespace is one token, so a prefix such as ``team.`` names none."""
    return ["*"] if namespaces.everywhere else sorted(namespaces.exact)
