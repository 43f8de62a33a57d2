"""Entities as plain documents and back; what an older version wrote must stay readable."""

from collections.abc import Mapping
from typing import Any

from tocsin_auth.adapters.binding_documents import decode_binding, encode_binding
from tocsin_auth.domain.api_keys import KeyRecord, Scope
from tocsin_auth.domain.bus_access import BusConnection, Place
from tocsin_auth.domain.key_ring import KeyRing, SigningKey
from tocsin_auth.domain.oidc import Attempt
from tocsin_auth.domain.roles import Role
from tocsin_auth.domain.second_factor import SecondFactor
from tocsin_auth.domain.sessions import Ending, RunTokenEnd, Session
from tocsin_auth.domain.throttle import Failures
from tocsin_auth.domain.users import Departure, User
from tocsin_kit.store import Document

Stored = Mapping[str, Any]  # what BSON holds; the edge of the codec


def encode_user(user: User) -> Document:
    """A user."""
    return {
        "name": user.name,
        "password_hash": user.password_hash,
        "bindings": [encode_binding(binding) for binding in user.bindings],
        "disabled": user.disabled,
        "created_at": user.created_at,
        "secure_since": user.secure_since,
        "changed_at": user.changed_at,
        "floor": user.floor,
        "claims": list(user.claims),
        "origin": user.origin,
        "machine": user.machine,
        "factor_grace": user.factor_grace,
        "session_floor": user.session_floor,
        "second": None if user.second is None else _encode_factor(user.second),
    }


def decode_user(stored: Stored) -> User:
    """A user."""
    return User(
        name=stored["name"],
        password_hash=stored["password_hash"],
        bindings=tuple(decode_binding(item) for item in stored["bindings"]),
        disabled=stored["disabled"],
        created_at=stored["created_at"],
        secure_since=stored["secure_since"],
        changed_at=stored.get("changed_at"),
        floor=stored.get("floor", 0),
        claims=tuple(stored.get("claims", ())),
        origin=stored.get("origin", ""),
        machine=stored.get("machine", False),
        second=_decode_factor(stored["second"]) if stored.get("second") else None,
        factor_grace=stored.get("factor_grace"),
        session_floor=stored.get("session_floor", 0),
    )


def _encode_factor(factor: SecondFactor) -> Document:
    return {
        "sealed": factor.sealed,
        "confirmed": factor.confirmed,
        "last_step": factor.last_step,
        "recovery": list(factor.recovery),
    }


def _decode_factor(stored: Stored) -> SecondFactor:
    recovery = tuple(bytes(one) for one in stored["recovery"])
    return SecondFactor(bytes(stored["sealed"]), stored["confirmed"], stored["last_step"], recovery)


def encode_attempt(attempt: Attempt) -> Document:
    """A login at an identity provider that has begun."""
    return {
        "ticket": attempt.ticket,
        "nonce": attempt.nonce,
        "verifier": attempt.verifier,
        "redirect_uri": attempt.redirect_uri,
        "until": attempt.until,
    }


def decode_attempt(stored: Stored) -> Attempt:
    """A login at an identity provider that has begun."""
    ticket = bytes(stored["ticket"])
    return Attempt(ticket, stored["nonce"], stored["verifier"], stored["redirect_uri"], stored["until"])


def encode_departure(departure: Departure) -> Document:
    """A user who is gone."""
    return {"floor": departure.floor, "at": departure.at}


def decode_departure(stored: Stored) -> Departure:
    """A user who is gone."""
    return Departure(stored["floor"], stored["at"])


def encode_role(role: Role) -> Document:
    """A role."""
    return {"name": role.name, "permissions": list(role.permissions), "summary": role.summary}


def decode_role(stored: Stored) -> Role:
    """A role."""
    return Role(stored["name"], tuple(stored["permissions"]), stored["summary"])


def encode_key(record: KeyRecord) -> Document:
    """An API key."""
    return {
        "id": record.id,
        "name": record.name,
        "owner": record.owner,
        "digest": record.digest,
        "scopes": [{"permission": one.permission, "namespace": one.namespace, "name": one.name} for one in record.scopes],
        "created_at": record.created_at,
        "expires_at": record.expires_at,
        "revoked_at": record.revoked_at,
        "last_used_at": record.last_used_at,
        "replaces": record.replaces,
        "replaced_by": record.replaced_by,
    }


def decode_key(stored: Stored) -> KeyRecord:
    """An API key."""
    return KeyRecord(
        id=stored["id"],
        name=stored["name"],
        owner=stored["owner"],
        digest=bytes(stored["digest"]),
        scopes=tuple(Scope(item["permission"], item["namespace"], item.get("name", "*")) for item in stored["scopes"]),
        created_at=stored["created_at"],
        expires_at=stored["expires_at"],
        revoked_at=stored["revoked_at"],
        last_used_at=stored["last_used_at"],
        replaces=stored.get("replaces"),
        replaced_by=stored.get("replaced_by"),
    )


def encode_session(session: Session) -> Document:
    """A session."""
    return {
        "id": session.id,
        "user": session.user,
        "digest": session.digest,
        "began_at": session.began_at,
        "idle_until": session.idle_until,
        "ends_at": session.ends_at,
        "address": session.address,
        "ending": session.ending.name if session.ending else None,
        "ended_at": session.ended_at,
        "agent": session.agent,
        "revision": session.revision,
    }


def decode_session(stored: Stored) -> Session:
    """A session."""
    return Session(
        id=stored["id"],
        user=stored["user"],
        digest=bytes(stored["digest"]),
        began_at=stored["began_at"],
        idle_until=stored["idle_until"],
        ends_at=stored["ends_at"],
        address=stored["address"],
        ending=Ending[stored["ending"]] if stored["ending"] else None,
        ended_at=stored.get("ended_at"),
        agent=stored.get("agent", ""),
        revision=stored.get("revision", 0),
    )


def encode_run_token_end(end: RunTokenEnd) -> Document:
    """The end of a token of a run."""
    return {"at": end.at}


def decode_run_token_end(stored: Stored) -> RunTokenEnd:
    """The end of a token of a run."""
    return RunTokenEnd(stored["at"])


def encode_connection(connection: BusConnection) -> Document:
    """A connection to the bus."""
    return {
        "server": connection.place.server,
        "client": connection.place.client,
        "subject": connection.subject,
        "holder": connection.holder,
        "session": connection.session,
        "revision": connection.revision,
        "policy": connection.policy,
        "address": connection.address,
        "ends_at": connection.ends_at,
    }


def decode_connection(stored: Stored) -> BusConnection:
    """A connection to the bus."""
    return BusConnection(
        place=Place(stored["server"], stored["client"]),
        subject=stored["subject"],
        holder=stored["holder"],
        session=stored["session"],
        revision=stored["revision"],
        policy=stored["policy"],
        address=stored["address"],
        ends_at=stored["ends_at"],
    )


def encode_failures(failures: Failures) -> Document:
    """A count of failures."""
    return {"count": failures.count, "last_at": failures.last_at}


def decode_failures(stored: Stored) -> Failures:
    """A count of failures."""
    return Failures(stored["count"], stored["last_at"])


def encode_ring(ring: KeyRing) -> Document:
    """The key ring; private keys are sealed already."""
    return {
        "keys": [
            {"kid": key.kid, "public": key.public, "sealed": key.sealed, "signs_from": key.signs_from} for key in ring.keys
        ]
    }


def decode_ring(stored: Stored) -> KeyRing:
    """The key ring."""
    keys = stored["keys"]
    return KeyRing(tuple(SigningKey(key["kid"], bytes(key["public"]), bytes(key["sealed"]), key["signs_from"]) for key in keys))
