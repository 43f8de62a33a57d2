"""Puts the auth service together."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

from tocsin.errors import Invalid
from tocsin.signals import root
from tocsin_auth.adapters.admin_file import JsonAdminFile
from tocsin_auth.adapters.nats_callout import Callout
from tocsin_auth.adapters.nats_ending import NatsEnder
from tocsin_auth.adapters.nats_jwt import Issuer
from tocsin_auth.adapters.oidc_provider import HttpProvider
from tocsin_auth.adapters.passwords import Argon2Hasher
from tocsin_auth.adapters.repositories import Collections
from tocsin_auth.adapters.revocation_news import BusTeller, RevocationNews
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
from tocsin_auth.application.bus_endings import BusEndings
from tocsin_auth.application.bus_logins import BusLogins
from tocsin_auth.application.data_keys import DataKeys
from tocsin_auth.application.factor_policy import FactorPolicy
from tocsin_auth.application.logins import Logins
from tocsin_auth.application.oidc_logins import NoOidc, OidcLogins, OidcRules
from tocsin_auth.application.organising import Groups, NamespaceBook
from tocsin_auth.application.renewing import Renewal
from tocsin_auth.application.revoking import RevocationLedger
from tocsin_auth.application.run_token_ends import RunTokenEnds
from tocsin_auth.application.saying import Asker
from tocsin_auth.application.second_factors import SecondFactors, reseal_factors
from tocsin_auth.application.secret_uses import SecretUses
from tocsin_auth.application.secrets import Secrets
from tocsin_auth.application.service_tokens import ServiceTokens
from tocsin_auth.application.sessions import Sessions
from tocsin_auth.application.throttling import Throttle
from tocsin_auth.application.tokens import Tokens
from tocsin_auth.domain.secrets import Provider
from tocsin_auth.domain.users import User
from tocsin_auth.http.decision_routes import DecisionHandlers
from tocsin_auth.http.factor_routes import FactorHandlers
from tocsin_auth.http.group_routes import GroupHandlers
from tocsin_auth.http.key_routes import KeyHandlers
from tocsin_auth.http.login_routes import LoginHandlers
from tocsin_auth.http.oidc_routes import OidcHandlers
from tocsin_auth.http.secret_routes import SecretHandlers
from tocsin_auth.http.session_routes import SessionHandlers
from tocsin_auth.http.user_routes import RoleHandlers, UserHandlers
from tocsin_auth.ports import KeyWrapper, Records, SecretSource
from tocsin_auth.settings import AuthSettings
from tocsin_kit.chance import Chance
from tocsin_kit.chassis import Component, Part, ServiceContext, ServiceDefinition
from tocsin_kit.chassis.revoking import RevocationFeed
from tocsin_kit.chassis.ticking import Ticking
from tocsin_kit.clock import Clock
from tocsin_kit.config.loading import variables
from tocsin_kit.web import HttpServer, Limits, Route
from tocsin_kit.web.jwks import KeySet
from tocsin_kit.web.revocations import Revocations
from tocsin_kit.web.tokens import CredentialVerifier

_RESEAL_EVERY: Final = timedelta(minutes=5)  # finishes what a rotation left, and drops keys that nothing needs

_END_EVERY: Final = timedelta(seconds=1)  # looks at memory only, while nothing new was withdrawn


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
    vault = vault_of(settings)
    provider = provider_of(settings, clock)
    core = core_of(context, stored)
    secrecy = secrecy_of(context, stored, core.sealer, vault)
    revocations = Revocations()
    verifier = CredentialVerifier(KeySet(core.tokens, clock), core.keys, clock, revocations=revocations)
    file = JsonAdminFile(settings.admin_file, context.platform.services.gateway_url) if settings.admin_file else None
    bootstrap = Bootstrap(users=stored.users, hasher=core.hasher, file=file, clock=clock, chance=chance)
    server = HttpServer(
        context.name,
        [
            *people_routes(context, stored, core, provider),
            *SecretHandlers(secrecy.secrets, secrecy.keys, core.resealers).routes(),
        ],
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
    outside: list[Component] = [one for one in (vault, provider) if one is not None]
    parts: list[Component] = [*outside, stored, stored.relay]
    parts += [
        FirstStart(core.tokens, secrecy.keys, bootstrap),
        SecretRequests(
            context.bus, secrecy.uses, core.tokens, RunTokenEnds(stored.run_token_ends, context.clock), context.metrics
        ),
        Ticking("reseal", _RESEAL_EVERY, secrecy.secrets.reseal, clock=clock),
        RevocationNews(context.bus, core.ledger.current),
        RevocationFeed(context.bus, revocations),
    ]
    return [*parts, *bus_of(context, stored, verifier, revocations), server]


def bus_of(
    context: ServiceContext[AuthSettings], stored: Collections, verifier: CredentialVerifier, revocations: Revocations
) -> list[Component]:
    """Logins of people and programs to the bus, and their end."""
    settings, clock = context.settings, context.clock
    if settings.callout_seed is None:
        return []
    connections = stored.bus_connections
    logins = BusLogins(
        verifier=verifier, failures=stored.failures, connections=connections, clock=clock, lifetime=settings.bus_lifetime
    )
    issuer = Issuer(settings.callout_seed, settings.callout_account)
    endings = BusEndings(connections=connections, ender=NatsEnder(context.bus), known=lambda: revocations.current, clock=clock)
    return [
        Callout(context.bus, issuer, logins, clock, context.metrics),
        Ticking("bus-endings", _END_EVERY, endings.look, clock=clock),
    ]


@dataclass(frozen=True, slots=True)
class Core:
    """What most use cases need.

    Attributes:
        sealer: The key-encryption key of the settings.
        tokens: Issues them.
        authority: Resolves roles.
        keys: API keys.
        ledger: What was withdrawn.
        teller: Has services look there.
        hasher: Of passwords.
        factors: Second factors.
    """

    sealer: AesSealer
    tokens: Tokens
    authority: Authority
    keys: ApiKeys
    ledger: RevocationLedger
    teller: BusTeller
    hasher: Argon2Hasher
    factors: SecondFactors
    users: Records[User]

    @property
    def resealers(self) -> tuple[Callable[[], Awaitable[int]], ...]:
        """What lies under the key-encryption key itself, beside the data keys."""
        return (self.tokens.reseal, partial(reseal_factors, self.users, self.factors))


def core_of(context: ServiceContext[AuthSettings], stored: Collections) -> Core:
    """The parts that most use cases need."""
    settings, clock, chance = context.settings, context.clock, context.chance
    sealer = AesSealer.of(settings.key, settings.previous_key)
    tokens = Tokens(stored.key_rings, sealer, clock, chance, settings.access_lifetime)
    authority = Authority(
        roles=stored.roles,
        groups=stored.groups,
        namespaces=stored.namespaces,
        policies=stored.policies,
        factor_rules=stored.factor_rules,
        clock=clock,
    )
    teller = BusTeller(context.bus)
    keys = ApiKeys(
        keys=stored.api_keys,
        users=stored.users,
        authority=authority,
        tokens=tokens,
        teller=teller,
        clock=clock,
        chance=chance,
    )
    ledger = RevocationLedger(
        users=stored.users,
        sessions=stored.sessions,
        run_tokens=stored.run_token_ends,
        keys=stored.api_keys,
        departures=stored.departures,
        authority=authority,
        clock=clock,
        lifetime=settings.access_lifetime,
    )
    hasher = Argon2Hasher(rounds=settings.password_rounds, memory=settings.password_memory, parallel=settings.password_parallel)
    factors = SecondFactors(stored.users, sealer, clock, chance)
    return Core(sealer, tokens, authority, keys, ledger, teller, hasher, factors, stored.users)


@dataclass(frozen=True, slots=True)
class Secrecy:
    """What secrets of workflows need.

    Attributes:
        secrets: As authors see them.
        uses: As services use them.
        keys: Data keys.
    """

    secrets: Secrets
    uses: SecretUses
    keys: DataKeys


def secrecy_of(
    context: ServiceContext[AuthSettings], stored: Collections, sealer: AesSealer, vault: VaultClient | None
) -> Secrecy:
    """The parts of secrets."""
    settings, clock, chance = context.settings, context.clock, context.chance
    keys = DataKeys(stored.data_keys, wrapper_of(settings, sealer, vault, chance), AesSealer, clock, chance)
    sources = sources_of(settings, vault)
    secrets = Secrets(records=stored.secrets, keys=keys, providers=sources, clock=clock)
    uses = SecretUses(records=stored.secrets, uses=stored.secret_uses, keys=keys, sources=sources, clock=clock, chance=chance)
    return Secrecy(secrets, uses, keys)


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


def provider_of(settings: AuthSettings, clock: Clock) -> HttpProvider | None:
    """The identity provider of the settings."""
    if settings.oidc_issuer is None:
        return None
    return HttpProvider(settings.oidc_issuer, settings.oidc_client, settings.oidc_secret, settings.oidc_algorithms, clock)


def oidc_of(
    context: ServiceContext[AuthSettings],
    stored: Collections,
    core: Core,
    sessions: Sessions,
    provider: HttpProvider | None,
) -> OidcLogins | NoOidc:
    """Logins at the identity provider."""
    settings = context.settings
    if provider is None:
        return NoOidc()
    rules = OidcRules(
        client=settings.oidc_client,
        scopes=settings.oidc_scopes,
        names=settings.oidc_name_claim,
        groups=settings.oidc_groups_claim,
        console=f"{context.platform.services.gateway_url.rstrip('/')}/",
        label=settings.oidc_label,
    )
    return OidcLogins(
        provider=provider,
        rules=rules,
        attempts=stored.attempts,
        users=stored.users,
        sessions=sessions,
        teller=core.teller,
        clock=context.clock,
        chance=context.chance,
    )


def people_routes(
    context: ServiceContext[AuthSettings], stored: Collections, core: Core, provider: HttpProvider | None
) -> list[Route]:
    """All routes about people and what they may do."""
    clock, authority = context.clock, core.authority
    sessions = sessions_of(context, stored, core)
    throttle = Throttle(stored.failures, clock)
    logins = Logins(
        users=stored.users, sessions=sessions, throttle=throttle, factors=core.factors, hasher=core.hasher, clock=clock
    )
    renewal = Renewal(users=stored.users, groups=stored.groups, authority=authority, teller=core.teller, clock=clock)
    groups = Groups(groups=stored.groups, users=stored.users, authority=authority, renewal=renewal, clock=clock)
    accounts = accounts_of(stored, core, logins, groups, clock)
    roles = Roles(
        roles=stored.roles, users=stored.users, groups=stored.groups, authority=authority, renewal=renewal, clock=clock
    )
    book = NamespaceBook(namespaces=stored.namespaces, authority=authority, renewal=renewal, clock=clock)
    factors = FactorPolicy(rules=stored.factor_rules, users=stored.users, authority=authority, renewal=renewal, clock=clock)
    return [
        *FactorHandlers(factors).routes(),
        *login_handlers(context, core, logins, sessions, accounts).routes(),
        *OidcHandlers(oidc_of(context, stored, core, sessions, provider)).routes(),
        *SessionHandlers(sessions, accounts).routes(),
        *UserHandlers(accounts).routes(),
        *GroupHandlers(groups, book).routes(),
        *RoleHandlers(roles).routes(),
        *DecisionHandlers(authority, accounts, core.ledger).routes(),
        *KeyHandlers(core.keys).routes(),
    ]


def sessions_of(context: ServiceContext[AuthSettings], stored: Collections, core: Core) -> Sessions:
    """The use cases about sessions."""
    return Sessions(
        users=stored.users,
        sessions=stored.sessions,
        authority=core.authority,
        tokens=core.tokens,
        teller=core.teller,
        clock=context.clock,
        chance=context.chance,
        idle=context.settings.session_idle,
        longest=context.settings.session_longest,
    )


def login_handlers(
    context: ServiceContext[AuthSettings], core: Core, logins: Logins, sessions: Sessions, accounts: Accounts
) -> LoginHandlers:
    """Coming in."""
    settings = context.settings
    return LoginHandlers(
        logins=logins,
        sessions=sessions,
        accounts=accounts,
        keys=core.keys,
        bus_keys=BusKeys(core.keys, settings.nats_public_url or context.platform.nats.url),
        services=ServiceTokens(settings.service_secrets, core.tokens),
        tokens=core.tokens,
        clock=context.clock,
    )


def accounts_of(stored: Collections, core: Core, logins: Logins, groups: Groups, clock: Clock) -> Accounts:
    """The use cases about users."""
    return Accounts(
        users=stored.users,
        departures=stored.departures,
        groups=groups,
        authority=core.authority,
        logins=logins,
        factors=core.factors,
        hasher=core.hasher,
        teller=core.teller,
        clock=clock,
    )


SERVICE = ServiceDefinition(name="auth", settings=AuthSettings, build=build)
