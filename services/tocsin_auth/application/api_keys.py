"""API keys: make (shown once), list, revoke, and exchange for a short token.

A key acts for its owner and never gives more than the owner holds at that moment; disabling the owner disables the key.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from tocsin.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from tocsin.signals.catalogue.auth import API_KEY_CREATED, API_KEY_REVOKED, ApiKeyChanged
from tocsin_auth.application.authority import Authority, narrowed, require_within
from tocsin_auth.application.saying import Asker, said
from tocsin_auth.application.tokens import Issued, Tokens
from tocsin_auth.domain.api_keys import KeyRecord, Scope
from tocsin_auth.domain.users import User
from tocsin_auth.ports import Records, Teller
from tocsin_kit.chance import Chance, new_id
from tocsin_kit.clock import Clock
from tocsin_kit.store import EVERYTHING, Entry, Page, Sort, undisputed
from tocsin_kit.web.access import Grant, Principal
from tocsin_kit.web.api_keys import ApiKey, make_api_key, parse_api_key

MOST_KEYS: Final = 200  # of one owner that are not revoked; a program with more should use fewer, or another account
_USE_NOTED: Final = timedelta(minutes=1)  # a key in use must not cost a write each time
_UNKNOWN: Final = "the API key is unknown, revoked or expired"


@dataclass(frozen=True, slots=True)
class Made:
    """A new key: the only time its text is there."""

    key: ApiKey
    record: KeyRecord


class ApiKeys:
    """Keys of users.

    Args:
        keys: Their records.
        users: Owners.
        authority: Resolves roles.
        tokens: Issues access tokens.
        teller: Has every service hear what was revoked.
        clock: Time.
        chance: Makes secrets.
    """

    def __init__(
        self,
        *,
        keys: Records[KeyRecord],
        users: Records[User],
        authority: Authority,
        tokens: Tokens,
        teller: Teller,
        clock: Clock,
        chance: Chance,
    ) -> None:
        self._keys, self._users, self._authority, self._tokens = keys, users, authority, tokens
        self._teller, self._clock, self._chance = teller, clock, chance

    async def create(
        self,
        *,
        name: str,
        scopes: Sequence[Scope],
        expires_at: datetime | None,
        asker: Asker,
        owner: str | None = None,
    ) -> Made:
        """A key for the asker, or for a service account.

        Raises:
            Forbidden: The asker is no user: keys do not make keys. Or the owner is another person.
            WiderThanOwn: A scope that the asker does not hold, or a service account that holds more.
            Invalid: Expired before it begins.
            Conflict: The owner has very many.
        """
        own = _user_name(asker.principal)
        now = self._clock.now()
        if expires_at is not None and expires_at <= now:
            raise Invalid("the key would have expired already")
        if owner is not None and owner != own:
            await self._may_act_for(owner, asker)
        else:
            require_within([_grant(scope) for scope in scopes], asker.principal.grants, asker.principal.name, deed="this key")
        living = await self._keys.find(EVERYTHING.eq("owner", owner or own).eq("revoked_at", None), limit=MOST_KEYS)
        if len(living) == MOST_KEYS:
            raise Conflict(f"there are {MOST_KEYS} keys of this owner already", hint="revoke those that nobody uses")
        return await self._make(
            KeyRecord(
                id="",
                name=name,
                owner=owner or own,
                digest=b"",
                scopes=tuple(scopes),
                created_at=now,
                expires_at=expires_at,
            ),
            asker,
        )

    async def rotate(self, key_id: str, overlap: timedelta, asker: Asker) -> Made:
        """Another key with the same owner and scopes; the old one works on for the overlap, so that programs can follow.

        Raises:
            NotFound: There is none for the asker.
            Conflict: It was replaced, revoked or expired before.
        """
        _user_name(asker.principal)
        entry = await self.show(key_id, asker, permission="api-key:write")
        old, now = entry.value, self._clock.now()
        assert old is not None
        if old.replaced_by is not None or old.refusal(old.digest, now) is not None:
            raise Conflict("the key is replaced, revoked or expired already")
        if asker.principal.subject != f"user:{old.owner}":
            await self._may_act_for(old.owner, asker)
        made = await self._make(replace(old, created_at=now, last_used_at=None, replaces=old.id), asker)
        try:
            await self._replace(key_id, made.record.id, now + overlap)
        except Conflict:  # somebody else replaced or revoked it at this moment: there is no successor
            await self._withdraw(made.record.id, asker)
            raise
        return made

    @undisputed
    async def _replace(self, key_id: str, successor: str, ends: datetime) -> None:
        entry, now = await self._keys.load(key_id), self._clock.now()
        old = entry.value
        if old is None or old.replaced_by is not None or old.refusal(old.digest, now) is not None:
            raise Conflict("the key is replaced, revoked or expired already")
        await self._keys.commit(entry, replace(old, expires_at=min(ends, old.expires_at or ends), replaced_by=successor))

    async def _make(self, wanted: KeyRecord, asker: Asker) -> Made:
        entry = await self._keys.load(new_id(wanted.created_at, self._chance))
        key = make_api_key(entry.key, self._chance.token(32))
        record = replace(wanted, id=key.id, digest=key.digest)
        signal = said(API_KEY_CREATED, entry, _payload(record), asker=asker, now=wanted.created_at, to=record)
        await self._keys.commit(entry, record, outbox=[signal])
        return Made(key, record)

    async def _may_act_for(self, owner: str, asker: Asker) -> None:
        """Keys of a service account are made by those who may change users and hold what it holds; of people by nobody else."""
        account = (await self._users.load(owner)).value
        if account is None or not account.machine or not asker.principal.may("user:write", "*"):
            raise Forbidden("keys of others are made for service accounts only, by those who may change users")
        await self._authority.require_within(await self._authority.widest_of(account), asker.principal, deed="this key")

    async def page(self, *, owner: str | None, limit: int, cursor: str | None) -> Page[Entry[KeyRecord]]:
        """Keys of one owner or of all, oldest first."""
        where = EVERYTHING if owner is None else EVERYTHING.eq("owner", owner)
        return await self._keys.page(where, sort=Sort(), limit=limit, cursor=cursor)

    async def show(self, key_id: str, asker: Asker, *, permission: str = "api-key:read") -> Entry[KeyRecord]:
        """One key, for its owner or whoever may see all; for others it does not exist.

        Raises:
            NotFound: There is none for the asker.
        """
        entry = await self._keys.load(key_id)
        own = entry.value is not None and asker.principal.subject == f"user:{entry.value.owner}"
        if entry.value is None or not (own or asker.principal.may(permission, "*")):
            raise NotFound(f"there is no API key {key_id[:64]}")
        return entry

    async def revoke(self, key_id: str, asker: Asker) -> None:
        """Refuse the key from now on; services follow within seconds.

        Raises:
            NotFound: There is none for the asker.
        """
        await self.show(key_id, asker, permission="api-key:write")
        await self._withdraw(key_id, asker)

    @undisputed
    async def _withdraw(self, key_id: str, asker: Asker) -> None:
        entry = await self._keys.load(key_id)
        if entry.value is None or entry.value.revoked_at is not None:
            return
        now = self._clock.now()
        revoked = entry.value.revoked(now)
        signal = said(API_KEY_REVOKED, entry, _payload(entry.value), asker=asker, now=now, to=revoked)
        await self._keys.commit(entry, revoked, outbox=[signal])
        await self._teller.tell()

    async def token_for(self, text: str) -> Issued:
        """A short token for a key.

        Raises:
            Unauthenticated: Unknown, wrong, revoked, expired, or its owner is disabled: not said which.
        """
        principal = await self.exchange(text)
        return await self._tokens.issue(
            subject=principal.subject,
            name=principal.name,
            grants=principal.grants,
            proof=principal.proof,
            until=principal.expires,
        )

    async def exchange(self, api_key: str) -> Principal:
        """Who holds the key (``tocsin_kit.web.tokens.ApiKeyExchange``).

        Raises:
            Unauthenticated: As above.
        """
        key = parse_api_key(api_key)
        if key is None:
            raise Unauthenticated(_UNKNOWN)
        now = self._clock.now()
        entry = await self._keys.load(key.id)
        record = entry.value
        if record is None or record.refusal(key.digest, now) is not None:
            raise Unauthenticated(_UNKNOWN)
        holder = await self._users.load(record.owner)
        owner = holder.value
        # A name may be given again after its user was deleted; the keys of the old one stay dead.
        if owner is None or owner.disabled or record.created_at < owner.created_at:
            raise Unauthenticated(_UNKNOWN)
        await self._note_use(entry, record, now)
        standing = await self._authority.standing(holder)
        ends = [moment for moment in (record.expires_at, standing.until) if moment is not None]
        return Principal(
            subject=f"key:{record.id}",
            name=f"{record.owner}/{record.name}",
            grants=narrowed(record.scopes, standing.grants),
            expires=min(ends, default=None),
            proof=standing.proof,
        )

    async def _note_use(self, entry: Entry[KeyRecord], record: KeyRecord, now: datetime) -> None:
        if record.last_used_at is not None and now - record.last_used_at < _USE_NOTED:
            return
        try:
            await self._keys.commit(entry, replace(record, last_used_at=now))
        except Conflict:
            return  # somebody else noted it, or revokes it at this moment


def _user_name(principal: Principal) -> str:
    kind, _, name = principal.subject.partition(":")
    if kind != "user":
        raise Forbidden("API keys are made by users, not by keys or services", hint="log in with a password")
    return name


def _grant(scope: Scope) -> Grant:
    try:
        return Grant(scope.permission, scope.namespace, scope.name)
    except ValueError as error:
        raise Invalid(str(error)) from error


def _payload(record: KeyRecord) -> ApiKeyChanged:
    return ApiKeyChanged(key=record.id, owner=f"user:{record.owner}", name=record.name, expires_at=record.expires_at)
