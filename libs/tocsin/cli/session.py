"""How a command reaches the platform: which one, as whom, and from plain functions into async code."""

import asyncio
import contextlib
import functools
import inspect
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Annotated, Any

import typer

from tocsin.cli import context as contexts
from tocsin.client import Client, Credentials, Record, StaticToken, Transport
from tocsin.client.resources import Auth
from tocsin.errors import Unauthenticated
from tocsin.signals.subjects import check_namespace

Url = Annotated[
    str | None,
    typer.Option("--url", envvar="TOCSIN_URL", metavar="URL", help="Of the platform; the one logged in to unless given."),
]
Namespace = Annotated[
    str | None,
    typer.Option("--namespace", "-n", envvar="TOCSIN_NAMESPACE", metavar="NAME", help="Namespace; `default` unless given."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


@dataclass(frozen=True, slots=True)
class Target:
    """Which platform, which namespace."""

    url: str
    namespace: str


def target(url: str | None = None, namespace: str | None = None) -> Target:
    """From options, environment and what is remembered, in this order."""
    remembered = contexts.load()
    return Target((url or remembered.url).rstrip("/"), check_namespace(namespace or remembered.namespace))


class StoredLogin:
    """The login that `tocsin login` left behind. Its token goes to the platform that gave it and to no other."""

    def __init__(self, url: str) -> None:
        """For requests to ``url``."""
        self._url = url

    async def token(self) -> str | None:
        """The access token; ``None`` when nobody is logged in at this platform."""
        return self._mine().access_token

    async def renew(self, transport: Transport, refused: str | None) -> bool:
        """Spend the refresh token, unless another command has just done so."""
        with contexts.locked():
            mine = self._mine()
            if mine.access_token != refused:
                return mine.access_token is not None
            if mine.refresh_token is None:
                return False
            try:
                tokens = await Auth(transport).refresh(mine.refresh_token)
            except Unauthenticated:
                contexts.save(replace(contexts.load(), access_token=None, refresh_token=None))
                return False
            contexts.save(remember(contexts.load(), tokens))
            return True

    def _mine(self) -> contexts.Context:
        remembered = contexts.load()
        return remembered if remembered.url == self._url else contexts.Context(url=self._url)


class PasswordLogin:
    """A login for one command that leaves nothing behind."""

    def __init__(self, user: str, password: str) -> None:
        """Logs in when it is first refused, once for however many requests are refused at that moment."""
        self._user, self._password = user, password
        self._token: str | None = None
        self._logging_in = asyncio.Lock()

    async def token(self) -> str | None:
        """The token, once there is one."""
        return self._token

    async def renew(self, transport: Transport, refused: str | None) -> bool:
        """Log in, unless another request has just done so."""
        async with self._logging_in:
            if self._token == refused:
                self._token = token_of(await Auth(transport).login(self._user, self._password))
        return self._token != refused


def token_of(tokens: Record) -> str:
    """The access token of an answer of the auth service."""
    value = tokens.get("access_token")
    if not isinstance(value, str):
        raise Unauthenticated("the platform answered the login without a token")
    return value


def remember(context: contexts.Context, tokens: Record) -> contexts.Context:
    """The context with new tokens."""
    refresh = tokens.get("refresh_token")
    return replace(context, access_token=token_of(tokens), refresh_token=refresh if isinstance(refresh, str) else None)


@contextlib.asynccontextmanager
async def connect(url: str | None = None, credentials: Credentials | None = None) -> AsyncIterator[Client]:
    """A client of the chosen platform, as whoever is logged in (or ``TOCSIN_TOKEN``)."""
    where = (url or contexts.load().url).rstrip("/")
    given = os.environ.get("TOCSIN_TOKEN")
    async with Client(where, credentials or (StaticToken(given) if given else StoredLogin(where))) as client:
        try:
            yield client
        except Unauthenticated as error:
            if error.fields.get("code", error.code) == Unauthenticated.code:  # the API's hint is about headers
                error.hint = "log in with `tocsin login`, or set TOCSIN_TOKEN to an API key"
            raise


def asynchronous(function: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A command written as a coroutine, as the plain function that typer wants."""

    @functools.wraps(function)
    def plain(*args: Any, **kwargs: Any) -> None:
        asyncio.run(function(*args, **kwargs))

    plain.__signature__ = inspect.signature(function)  # type: ignore[attr-defined] # typer reads it
    return plain
