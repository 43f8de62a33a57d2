"""Entities as plain documents and back; what an older version wrote must stay readable."""

from collections.abc import Mapping
from typing import Any

from tocsin_auth.domain.api_keys import KeyRecord, Scope
from tocsin_auth.domain.data_keys import DataKey, DataKeyRing
from tocsin_auth.domain.key_ring import KeyRing, SigningKey
from tocsin_auth.domain.roles import Binding, Role
from tocsin_auth.domain.secrets import Provider, SecretRecord, SecretUse, SecretVersion
from tocsin_auth.domain.sessions import Ending, Session
from tocsin_auth.domain.throttle import Failures
from tocsin_auth.domain.users import User
from tocsin_kit.store import Document

Stored = Mapping[str, Any]  # what BSON holds; the edge of the codec


def encode_user(user: User) -> Document:
    """A user."""
    return {
        "name": user.name,
        "password_hash": user.password_hash,
        "bindings": [{"role": binding.role, "namespace": binding.namespace} for binding in user.bindings],
        "disabled": user.disabled,
        "created_at": user.created_at,
        "secure_since": user.secure_since,
    }


def decode_user(stored: Stored) -> User:
    """A user."""
    return User(
        name=stored["name"],
        password_hash=stored["password_hash"],
        bindings=tuple(Binding(item["role"], item["namespace"]) for item in stored["bindings"]),
        disabled=stored["disabled"],
        created_at=stored["created_at"],
        secure_since=stored["secure_since"],
    )


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
        "scopes": [{"permission": scope.permission, "namespace": scope.namespace} for scope in record.scopes],
        "created_at": record.created_at,
        "expires_at": record.expires_at,
        "revoked_at": record.revoked_at,
        "last_used_at": record.last_used_at,
    }


def decode_key(stored: Stored) -> KeyRecord:
    """An API key."""
    return KeyRecord(
        id=stored["id"],
        name=stored["name"],
        owner=stored["owner"],
        digest=bytes(stored["digest"]),
        scopes=tuple(Scope(item["permission"], item["namespace"]) for item in stored["scopes"]),
        created_at=stored["created_at"],
        expires_at=stored["expires_at"],
        revoked_at=stored["revoked_at"],
        last_used_at=stored["last_used_at"],
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


def encode_data_keys(ring: DataKeyRing) -> Document:
    """The data keys; they are wrapped already."""
    return {"keys": [{"id": key.id, "wrapped": key.wrapped, "made_at": key.made_at} for key in ring.keys]}


def decode_data_keys(stored: Stored) -> DataKeyRing:
    """The data keys."""
    return DataKeyRing(tuple(DataKey(key["id"], bytes(key["wrapped"]), key["made_at"]) for key in stored["keys"]))


def encode_secret(record: SecretRecord) -> Document:
    """A secret; its values are sealed already."""
    return {
        "scope": record.scope,
        "name": record.name,
        "provider": record.provider.value,
        "reference": record.reference,
        "versions": [
            {
                "number": version.number,
                "data_key": version.data_key,
                "sealed": version.sealed,
                "made_at": version.made_at,
                "made_by": version.made_by,
            }
            for version in record.versions
        ],
        "latest": record.latest,
        "workflows": list(record.workflows),
        "summary": record.summary,
        "created_at": record.created_at,
        "changed_at": record.changed_at,
        "last_used_at": record.last_used_at,
    }


def decode_secret(stored: Stored) -> SecretRecord:
    """A secret."""
    return SecretRecord(
        scope=stored["scope"],
        name=stored["name"],
        provider=Provider(stored["provider"]),
        reference=stored["reference"],
        versions=tuple(
            SecretVersion(item["number"], item["data_key"], bytes(item["sealed"]), item["made_at"], item["made_by"])
            for item in stored["versions"]
        ),
        latest=stored["latest"],
        workflows=tuple(stored["workflows"]),
        summary=stored["summary"],
        created_at=stored["created_at"],
        changed_at=stored["changed_at"],
        last_used_at=stored["last_used_at"],
    )


def encode_secret_use(use: SecretUse) -> Document:
    """A use."""
    return {"at": use.at}


def decode_secret_use(stored: Stored) -> SecretUse:
    """A use."""
    return SecretUse(stored["at"])
