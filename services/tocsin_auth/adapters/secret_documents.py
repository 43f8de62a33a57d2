"""Secrets and their keys as plain documents and back; what an older version wrote must stay readable."""

from tocsin_auth.adapters.documents import Stored
from tocsin_auth.domain.data_keys import DataKey, DataKeyRing
from tocsin_auth.domain.secrets import Provider, SecretRecord, SecretUse, SecretVersion
from tocsin_kit.store import Document


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
