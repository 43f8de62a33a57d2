"""NATS with JetStream as a child process: configured, started, proven to be ours, stopped.

It listens on loopback only. Without users it serves anyone on this machine, which only tests want; the platform always gives
users. Durability is chosen by ``sync``: ``always`` puts an acknowledged message on the disk, ``lazy`` hands it to the operating
system and syncs every two minutes (nothing is lost when processes die, power loss can lose the last two minutes).
"""

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from tocsin_kit.bus.permissions import authorization
from tocsin_kit.clock import Clock, SystemClock
from tocsin_kit.embedded.binaries import find_nats_server
from tocsin_kit.embedded.errors import PortTaken
from tocsin_kit.embedded.ports import LOOPBACK, require_free
from tocsin_kit.embedded.processes import Child

Sync = Literal["lazy", "always"]
MAX_PAYLOAD: Final = 8 * 1024 * 1024  # bytes; batches of definitions fit, and a client's buffer does too
READY_WITHIN: Final = 15.0  # seconds; starts take 20 ms, recovery of gigabytes of streams takes longer
STOP_WITHIN: Final = 5.0  # seconds
_LOOK: Final = 0.01  # seconds between attempts to connect


@dataclass(frozen=True, slots=True)
class NatsUser:
    """One user of the server.

    Attributes:
        name: User name.
        password: Its password.
        publish: Subjects it may publish to; ``None`` for all.
        subscribe: Subjects it may subscribe to; ``None`` for all.
        responses: Whether it may also answer requests it received, whatever their reply subject.
    """

    name: str
    password: str = field(repr=False)
    publish: tuple[str, ...] | None = None
    subscribe: tuple[str, ...] | None = None
    responses: bool = True


@dataclass(frozen=True, slots=True)
class AuthCallout:
    """Who decides about users that are not listed.

    Attributes:
        issuer: Public account nkey (``A...``) whose signature on an answer counts.
        users: Names of the listed users, which are not asked about.
    """

    issuer: str
    users: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NatsOptions:
    """How the server runs.

    Attributes:
        port: For clients.
        monitor_port: For ``/healthz`` and ``/varz``; ``None`` leaves it out.
        sync: Durability, see the module.
        users: The users; none at all means no authorization.
        callout: Who decides about others.
        change: How a person chooses another port, for the sentence when it is taken.
    """

    port: int
    monitor_port: int | None = None
    sync: Sync = "lazy"
    users: tuple[NatsUser, ...] = ()
    callout: AuthCallout | None = None
    change: str = "choose another port with TOCSIN_EMBEDDED_NATS_PORT"


class NatsServer:
    """One server on one data folder.

    Args:
        folder: Holds configuration, streams and logs. The caller owns it exclusively.
        options: How it runs.
        clock: Time.
    """

    def __init__(self, folder: Path, options: NatsOptions, clock: Clock | None = None) -> None:
        self.options = options
        self._clock = clock or SystemClock()
        self._folder = folder
        self._server_name = f"tocsin-{options.port}-{folder.name}"
        self._config = folder / "nats.conf"
        program = find_nats_server()
        self.child = Child("NATS", [str(program), "--config", str(self._config)], folder, self._clock)

    @property
    def url(self) -> str:
        """Where clients connect, without credentials."""
        return f"nats://{LOOPBACK}:{self.options.port}"

    async def start(self) -> None:
        """Start and wait until it answers.

        Raises:
            ServerFailed: In one sentence why not.
        """
        self.spawn_anew()
        await self.ready()

    def spawn_anew(self) -> None:
        """End what a killed owner of this folder left behind, then start the process; see :meth:`spawn`."""
        self.child.end_leftover(STOP_WITHIN)
        self.spawn()

    def spawn(self) -> None:
        """Start the process, in the main thread; :meth:`ready` waits for it.

        Raises:
            PortTaken: Somebody else listens there.
            ServerFailed: It cannot be started.
        """
        require_free(self.options.port, purpose="NATS", change=self.options.change)
        if self.options.monitor_port is not None:
            require_free(self.options.monitor_port, purpose="NATS monitoring", change=self.options.change)
        self._config.touch(mode=0o600)
        self._config.write_text(self.configuration(), encoding="utf-8")
        self.child.spawn()

    async def ready(self) -> None:
        """Wait until the server greets with our name and JetStream on.

        Raises:
            ServerFailed: It ended, or did not get there in time.
            PortTaken: Another server answers on the port.
        """
        try:
            async with asyncio.timeout(READY_WITHIN):
                while (greeting := await self._greeting()) is None:
                    if not self.child.running:
                        raise self.child.failure(self._last_log())
                    await self._clock.sleep(_LOOK)
        except TimeoutError as error:
            raise self.child.failure(self._last_log()) from error
        if greeting.get("server_name") != self._server_name:
            raise PortTaken(
                f"Another NATS server listens on port {self.options.port}.", hint=f"End it, or {self.options.change}."
            )
        if not greeting.get("jetstream"):
            raise self.child.failure("JetStream is off")

    async def stop(self) -> None:
        """Stop; streams are closed cleanly."""
        await self.child.stop(STOP_WITHIN)

    def configuration(self) -> str:
        """The text of the server's configuration file."""
        sync = "always" if self.options.sync == "always" else "2m"
        lines = [
            f"server_name: {_quoted(self._server_name)}",
            f"listen: {_quoted(f'{LOOPBACK}:{self.options.port}')}",
            f"max_payload: {MAX_PAYLOAD}",
            f"max_pending: {64 * 1024 * 1024}",  # eight of the largest messages before a slow reader is cut off
            f"log_file: {_quoted(str(self._folder / 'nats.log'))}",
            f"logfile_size_limit: {16 * 1024 * 1024}",
            "logfile_max_num: 3",
            f"jetstream {{ store_dir: {_quoted(str(self._folder / 'streams'))}, sync_interval: {sync} }}",
        ]
        if self.options.monitor_port is not None:
            lines.append(f"http: {_quoted(f'{LOOPBACK}:{self.options.monitor_port}')}")
        users = [_user(user) for user in self.options.users]
        if users and self.options.callout:
            lines += authorization(users, issuer=self.options.callout.issuer, names=self.options.callout.users)
        elif users:
            lines += ["authorization {", "  users = [", *(f"    {user}" for user in users), "  ]", "}"]
        return "\n".join(lines) + "\n"

    async def _greeting(self) -> dict[str, object] | None:
        """The INFO a server sends to each connection, ``None`` while nobody listens."""
        try:
            reader, writer = await asyncio.open_connection(LOOPBACK, self.options.port)
        except OSError:
            return None
        try:
            line = await reader.readline()
        except OSError:
            return None
        finally:
            writer.close()
        if not line.startswith(b"INFO "):
            return None
        info: dict[str, object] = json.loads(line[5:])
        return info

    def _last_log(self) -> str:
        try:
            lines = (self._folder / "nats.log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        except OSError:
            return ""
        return next((line for line in reversed(lines) if "[FTL]" in line or "[ERR]" in line), lines[-1] if lines else "")[:300]


def _user(user: NatsUser) -> str:
    parts = [f"user: {_quoted(user.name)}", f"password: {_quoted(user.password)}"]
    rights = []
    if user.publish is not None:
        rights.append(f"publish: {{ allow: [{_list(user.publish)}] }}")
    if user.subscribe is not None:
        rights.append(f"subscribe: {{ allow: [{_list(user.subscribe)}] }}")
    if rights:
        if user.responses:
            rights.append("allow_responses: true")
        parts.append(f"permissions: {{ {', '.join(rights)} }}")
    return "{ " + ", ".join(parts) + " }"


def _list(subjects: tuple[str, ...]) -> str:
    return ", ".join(_quoted(subject) for subject in subjects)


def _quoted(text: str) -> str:
    """A string of the configuration language; what it cannot hold is refused, not escaped wrongly."""
    if any(character in text for character in '"\\\n\r') or not text.isprintable():
        raise ValueError("a NATS configuration value holds a quote, backslash or control character")
    return f'"{text}"'
