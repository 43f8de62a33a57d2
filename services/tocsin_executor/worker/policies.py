"""Authentication policies of definitions, read: which scheme, with what, whether it came inline or from a secret."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from tocsin_executor.domain.values import ErrorKind, Json
from tocsin_executor.worker.tasks import Failed, Task

_METHODS: Final = frozenset({"client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "none"})
_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
_DISCOVERY: Final = "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True, repr=False)
class Basic:
    """A name and a password, in every request."""

    username: str
    password: str


@dataclass(frozen=True, slots=True, repr=False)
class Digest:
    """A name and a password, of which only a hash is sent."""

    username: str
    password: str


@dataclass(frozen=True, slots=True, repr=False)
class Bearer:
    """A token that is there already."""

    token: str


@dataclass(frozen=True, slots=True, repr=False)
class Grant:
    """A token that an authorization server gives.

    Attributes:
        token_url: Where to ask, or ``None`` when :attr:`discovery` says it.
        discovery: The OpenID Connect configuration, or ``None``.
        parameters: Of the request, without the client's.
        client: Its id.
        secret: Its secret.
        assertion: What it shows instead.
        method: How it says who it is.
        as_json: The request's encoding.
        issuers: Who may have issued the token; anyone if empty.
    """

    token_url: str | None
    discovery: str | None
    parameters: tuple[tuple[str, str], ...]
    client: str
    secret: str
    assertion: str
    method: str
    as_json: bool
    issuers: tuple[str, ...]


Policy: TypeAlias = Basic | Digest | Bearer | Grant


def read_policy(task: Task, policy: Json) -> Policy | None:
    """The policy that an endpoint names, with its secrets looked up; ``None`` without one.

    Raises:
        Failed: ``configuration``, when it lacks something.
    """
    if policy is None:
        return None
    if not isinstance(policy, Mapping) or len(policy) != 1:
        raise Failed(ErrorKind.CONFIGURATION, "An authentication names exactly one scheme.")
    scheme, given = next(iter(policy.items()))
    if isinstance(given, Mapping) and "use" in given:
        given = task.secrets.get(str(given["use"]))
    if scheme == "bearer" and isinstance(given, str):
        given = {"token": given}  # a secret that is nothing but a token
    if not isinstance(given, Mapping):
        raise Failed(ErrorKind.CONFIGURATION, f"The {scheme} authentication is an object; so is a secret that holds one.")
    match scheme:
        case "basic":
            return Basic(_text(given, "username"), _text(given, "password"))
        case "digest":
            return Digest(_text(given, "username"), _text(given, "password"))
        case "bearer":
            return Bearer(_text(given, "token"))
        case "oauth2":
            return _grant(given, oidc=False)
        case "oidc":
            return _grant(given, oidc=True)
        case _:
            raise Failed(ErrorKind.CONFIGURATION, f"The authentication scheme {scheme[:40]!r} is not known.")


def _grant(given: Mapping[str, Json], *, oidc: bool) -> Grant:
    authority, client = _text(given, "authority").rstrip("/"), _object(given, "client")
    discovery = token_url = None
    if oidc:
        discovery = authority if authority.endswith(_DISCOVERY) else authority + _DISCOVERY
    else:
        path = _text(_object(given, "endpoints"), "token", "/oauth2/token")
        token_url = path if "://" in path else f"{authority}/{path.lstrip('/')}"
    method = _text(client, "authentication", "client_secret_post")
    if method not in _METHODS:
        raise Failed(ErrorKind.CONFIGURATION, f"client.authentication must be one of {', '.join(sorted(_METHODS))}.")
    identity, assertion = _text(client, "id", ""), _text(client, "assertion", "")
    if method != "none" and not identity and method != "private_key_jwt":
        raise Failed(ErrorKind.CONFIGURATION, f"client.authentication {method} needs client.id.")
    if method == "private_key_jwt" and not assertion:
        raise Failed(ErrorKind.CONFIGURATION, "client.authentication private_key_jwt needs client.assertion.")
    return Grant(
        token_url,
        discovery,
        _parameters(given),
        identity,
        _text(client, "secret", ""),
        assertion,
        method,
        _text(_object(given, "request"), "encoding", "application/x-www-form-urlencoded") == "application/json",
        tuple(_texts(given, "issuers")),
    )


def _parameters(given: Mapping[str, Json]) -> tuple[tuple[str, str], ...]:
    grant = _text(given, "grant")
    pairs = [("grant_type", grant)]
    subject, actor = _object(given, "subject"), _object(given, "actor")
    match grant:
        case "client_credentials":
            pass
        case "password":
            pairs += [("username", _text(given, "username")), ("password", _text(given, "password"))]
        case "refresh_token":  # the language has no place of its own for it: the token that represents the subject
            pairs.append(("refresh_token", _text(subject, "token")))
        case grant if grant == _EXCHANGE:
            pairs += [("subject_token", _text(subject, "token")), ("subject_token_type", _text(subject, "type"))]
            if actor:
                pairs += [("actor_token", _text(actor, "token")), ("actor_token_type", _text(actor, "type"))]
        case _:
            raise Failed(ErrorKind.CONFIGURATION, f"The grant {grant[:60]!r} is not offered: a workflow has no browser.")
    if scopes := _texts(given, "scopes"):
        pairs.append(("scope", " ".join(scopes)))
    pairs += [("audience", audience) for audience in _texts(given, "audiences")]
    return tuple(pairs)


def _object(given: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    found = given.get(name)
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise Failed(ErrorKind.CONFIGURATION, f"{name!r} of an authentication is an object.")
    return found


def _text(given: Mapping[str, Json], name: str, default: str | None = None) -> str:
    found = given.get(name, default)
    if isinstance(found, int | float) and not isinstance(found, bool):
        return str(found)  # `password: 1234` in YAML is a number
    if not isinstance(found, str):
        raise Failed(ErrorKind.CONFIGURATION, f"An authentication needs {name!r}, a text.")
    return found


def _texts(given: Mapping[str, Json], name: str) -> Sequence[str]:
    found = given.get(name)
    if isinstance(found, str):
        return [found]
    return [str(item) for item in found] if isinstance(found, list) else []
