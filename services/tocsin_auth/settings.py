"""Settings of the auth service."""

from datetime import timedelta
from pathlib import Path
from typing import Final, Literal

from pydantic import Field

from tocsin_kit.bus.permissions import PEOPLE_ACCOUNT
from tocsin_kit.config import Duration, Secret, Section

_URL: Final = "^https?://[^\\s?#]+$"


class AuthSettings(Section):
    """Users, tokens, and logins to the bus."""

    section = "auth"

    key: Secret = Field(
        description="Key-encryption key for what lies encrypted in the database: 32 random bytes in hexadecimal or base64. "
        "Keep it apart from the database's backups; without it nobody can log in."
    )
    previous_key: Secret | None = Field(
        None,
        description="A further key-encryption key that only opens. To change the key with several replicas: give the new one "
        "here to all, then swap the two, then `tocsin secret rotate-key --rewrap`, then take the old one away.",
    )
    secrets_folder: Path | None = Field(
        None, description="Folder below which secrets of the provider `file` are, such as Kubernetes mounts; off if not given."
    )
    secrets_prefix: str = Field(
        "WORKFLOW_SECRET_",
        min_length=3,
        pattern="^[A-Z][A-Z0-9_]*_$",
        description="Only variables of the environment that begin so can be secrets of the provider `environment`.",
    )
    vault_url: str | None = Field(
        None, pattern=_URL, description="URL of a Vault or OpenBao server, for the provider `vault`; off if not given."
    )
    vault_token: Secret | None = Field(None, description="Token for that server.")
    vault_mount: str = Field("secret", pattern="^[A-Za-z0-9_-]+$", description="Its key-value engine, version 2.")
    vault_transit_key: str | None = Field(
        None,
        pattern="^[A-Za-z0-9_-]+$",
        description="Wrap the data keys of secrets with this key of its transit engine instead of the key above.",
    )
    admin_file: Path | None = Field(
        None, description="Where the first start writes the administrator's password, readable for its own user only."
    )
    oidc_issuer: str | None = Field(
        None,
        pattern=_URL,
        description="Issuer of the OpenID Connect provider that people may log in at, exactly as it calls itself.",
    )
    oidc_client: str = Field("tocsin", description="Our client id there.")
    oidc_secret: Secret | None = Field(None, description="Our client secret there; a public client has none.")
    oidc_algorithms: list[Literal["RS256", "PS256", "ES256", "EdDSA"]] = Field(
        ["RS256"], min_length=1, description="Algorithms that its ID tokens may be signed with."
    )
    oidc_scopes: str = Field("openid profile", pattern="^openid( |$)", description="What is asked for there.")
    oidc_name_claim: str = Field("preferred_username", description="Claim of the ID token that names a new user.")
    oidc_groups_claim: str = Field("groups", description="Claim with groups, which `tocsin auth group` maps to roles.")
    oidc_label: str = Field("single sign-on", max_length=64, description="What the console's button says.")
    access_lifetime: Duration = Field(
        timedelta(minutes=15), ge=timedelta(seconds=30), le=timedelta(hours=1), description="Of an access token."
    )
    session_idle: Duration = Field(timedelta(days=7), description="A login that is not refreshed for so long ends.")
    session_longest: Duration = Field(timedelta(days=30), description="A login ends after so long in any case.")
    bus_lifetime: Duration = Field(
        timedelta(minutes=15),
        ge=timedelta(seconds=1),
        description="A NATS connection of a person or program is looked at again after so long.",
    )
    callout_seed: Secret | None = Field(
        None, description="Account seed (nkey, SA...) that signs answers to the NATS server's auth callout; off if not given."
    )
    callout_account: str = Field(
        PEOPLE_ACCOUNT, description="The NATS account that people and programs are put into: never that of the services."
    )
    nats_public_url: str | None = Field(
        None, description="The NATS URL that people are told to connect to; that of the service itself if not given."
    )
    service_secrets: dict[str, Secret] = Field(
        default_factory=dict, description="Secrets with which services get tokens to call one another, as a JSON object."
    )
    password_memory: int = Field(65536, ge=1024, description="KiB of memory for one argon2id hash.")
    password_rounds: int = Field(3, ge=1, le=20, description="Passes of argon2id.")
    password_parallel: int = Field(
        2, ge=1, le=64, description="Passwords hashed at the same time; each takes the memory above."
    )
