"""Puts the auth service together."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from tocsin.errors import Invalid
from tocsin.signals import root
from tocsin_auth.adapters.admin_file import JsonAdminFile
from tocsin_auth.adapters.nats_callout import Callout
from tocsin_auth.adapters.nats_jwt import Issuer
from tocsin_auth.adapters.passwords import Argon2Hasher
from tocsin_auth.adapters.repositories import Collections
from tocsin_auth.adapters.sealing import AesSealer
from tocsin_auth.adapters.secret_requests import SecretRequests
from tocsin_auth.adapters.sources import EnvironmentSource, FolderSource, VaultSource
from tocsin_auth.adapters.vault import VaultClient
from tocsin_auth.adapters.wrapping import LocalWrapper, TransitWrapper
from tocsin_auth.application.accounts import Accounts, Roles
from tocsin_auth.application.api_keys import ApiKeys
from tocsin_auth.application.authority import Authority
from tocsin_auth.application.bootstrap import Bootstrap
from tocsin_auth.application.bus_access_keys import BusKeys
from tocsin_auth.application.bus_logins import BusLogins
from tocsin_auth.application.data_keys import DataKeys
from tocsin_auth.application.logins import Logins
from tocsin_auth.application.saying import Asker
from tocsin_auth.application.secret_uses import SecretUses
from tocsin_auth.application.secrets import Secrets
from tocsin_auth.application.service_tokens import ServiceTokens
from tocsin_auth.application.tokens import Tokens
from tocsin_auth.domain.secrets import Provider
from tocsin_auth.http.key_routes import KeyHandlers
from tocsin_auth.http.login_routes import LoginHandlers
from tocsin_auth.http.secret_routes import SecretHandlers
from tocsin_auth.http.user_routes import RoleHandlers, UserHandlers
from tocsin_auth.ports import KeyWrapper, SecretSource
from tocsin_auth.settings import AuthSettings
from tocsin_kit.chance import Chance
from tocsin_kit.chassis import Component, Part, ServiceContext, ServiceDefinition
from tocsin_kit.chassis.ticking import Ticking
from tocsin_kit.config.loading import variables
from tocsin_kit.web import HttpServer, Limits, Route
from tocsin_kit.web.jwks import KeySet
from tocsin_kit.web.tokens import CredentialVerifier

_RESEAL_EVERY: Final = timedelta(minutes=5)  # finishes what a rotation left, and drops keys that nothing needs


class FirstStart(Part):
    """Sees that there are keys and somebody who may log in, before the API opens."""

    def __init__(self, tokens: Tokens, data_keys: DataKeys, bootstrap: Bootstrap) -> None:
        super().__init__("first-start")
        self._tokens, self._data_keys, self._bootstrap = tokens, data_keys, bootstrap

    async def start(self) -> None:
        """Do what the first start has to do; nothing on later ones."""
        asker = Asker(root("first-start"), address="local")
        await self._tokens.prepare(asker)
        await self._data_keys.prepare(asker)
        await self._bootstrap.run(asker)


def build(context: ServiceContext[AuthSettings]) -> Sequence[Component]:
    """The components, in the order of their start."""
    settings, clock, chance = context.settings, context.clock, context.chance
    stored = Collections(context.database, context.bus)
    hasher = Argon2Hasher(rounds=settings.password_rounds, memory=settings.password_memory, parallel=settings.password_parallel)
    sealer = AesSealer.of(settings.key, settings.previous_key)
    tokens = Tokens(stored.key_rings, sealer, clock, chance, settings.access_lifetime)
    vault = vault_of(settings)
    data_keys = DataKeys(stored.data_keys, wrapper_of(settings, sealer, vault, chance), AesSealer, clock, chance)
    sources = sources_of(settings, vault)
    secrets = Secrets(records=stored.secrets, keys=data_keys, providers=sources, clock=clock)
    uses = SecretUses(
        records=stored.secrets, uses=stored.secret_uses, keys=data_keys, sources=sources, clock=clock, chance=chance
    )
    authority = Authority(stored.roles)
    keys = ApiKeys(keys=stored.api_keys, users=stored.users, authority=authority, tokens=tokens, clock=clock, chance=chance)
    verifier = CredentialVerifier(KeySet(tokens, clock), keys, clock)
    file = JsonAdminFile(settings.admin_file, context.platform.services.gateway_url) if settings.admin_file else None
    bootstrap = Bootstrap(users=stored.users, hasher=hasher, file=file, clock=clock, chance=chance)
    server = HttpServer(
        context.name,
        [*routes(context, stored, authority, tokens, keys, hasher), *SecretHandlers(secrets, data_keys, tokens).routes()],
        host=context.host,
        port=context.port,
        authenticator=verifier,
        clock=clock,
        chance=chance,
        limits=Limits.of(context.platform.http),
        metrics=context.metrics,
        version=context.version,
        trusted_proxies=context.platform.http.trusted_proxies,
    )
    parts: list[Component] = [*([vault] if vault else []), stored, stored.relay, FirstStart(tokens, data_keys, bootstrap)]
    parts += [SecretRequests(context.bus, uses, context.metrics), Ticking("reseal", _RESEAL_EVERY, secrets.reseal, clock=clock)]
    if settings.callout_seed is not None:
        logins = BusLogins(verifier=verifier, failures=stored.failures, clock=clock, lifetime=settings.bus_lifetime)
        issuer = Issuer(settings.callout_seed, settings.callout_account)
        parts.append(Callout(context.bus, issuer, logins, clock, context.metrics))
    return [*parts, server]


def vault_of(settings: AuthSettings) -> VaultClient | None:
    """The Vault or OpenBao server of the settings.

    Raises:
        Invalid: There is an address and no token, or a key without a server.
    """
    if settings.vault_url is None:
        if settings.vault_transit_key is not None:
            raise Invalid("auth.vault_transit_key needs auth.vault_url")
        return None
    if settings.vault_token is None:
        raise Invalid("auth.vault_url needs auth.vault_token", hint="TOCSIN_AUTH_VAULT_TOKEN_FILE names a file")
    return VaultClient(settings.vault_url, settings.vault_token)


def wrapper_of(settings: AuthSettings, sealer: AesSealer, vault: VaultClient | None, chance: Chance) -> KeyWrapper:
    """Where the key-encryption key of the data keys is."""
    local = LocalWrapper(sealer, chance)
    if vault is None or settings.vault_transit_key is None:
        return local
    return TransitWrapper(vault, settings.vault_transit_key, local)


def sources_of(settings: AuthSettings, vault: VaultClient | None) -> dict[Provider, SecretSource]:
    """The places outside that are set up."""
    prefix = settings.secrets_prefix
    sources: dict[Provider, SecretSource] = {Provider.ENVIRONMENT: EnvironmentSource(variables(prefix), prefix)}
    if settings.secrets_folder is not None:
        sources[Provider.FILE] = FolderSource(settings.secrets_folder)
    if vault is not None:
        sources[Provider.VAULT] = VaultSource(vault, settings.vault_mount)
    return sources


def routes(  # noqa: PLR0917 - the parts of the composition root, each once
    context: ServiceContext[AuthSettings],
    stored: Collections,
    authority: Authority,
    tokens: Tokens,
    keys: ApiKeys,
    hasher: Argon2Hasher,
) -> list[Route]:
    """All routes of the service."""
    settings, clock, chance = context.settings, context.clock, context.chance
    logins = Logins(
        users=stored.users,
        sessions=stored.sessions,
        failures=stored.failures,
        authority=authority,
        tokens=tokens,
        hasher=hasher,
        clock=clock,
        chance=chance,
        idle=settings.session_idle,
        longest=settings.session_longest,
    )
    accounts = Accounts(users=stored.users, roles=stored.roles, authority=authority, logins=logins, hasher=hasher, clock=clock)
    login_handlers = LoginHandlers(
        logins=logins,
        accounts=accounts,
        keys=keys,
        bus_keys=BusKeys(keys, settings.nats_public_url or context.platform.nats.url),
        services=ServiceTokens(settings.service_secrets, tokens),
        tokens=tokens,
        clock=clock,
    )
    return [
        *login_handlers.routes(),
        *UserHandlers(accounts).routes(),
        *RoleHandlers(Roles(roles=stored.roles, users=stored.users, clock=clock)).routes(),
        *KeyHandlers(keys).routes(),
    ]


SERVICE = ServiceDefinition(name="auth", settings=AuthSettings, build=build)
