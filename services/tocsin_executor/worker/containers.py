"""What a container task asks for, as the Docker API wants it: names, limits, mounts, ports. Pure.

A container gets a bounded part of memory, processors and processes, no new privileges, and nothing of the host but what its
operator opened: volumes have names and belong to a namespace, folders of the host need the setting.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Final

from tocsin.expressions.durations import DurationInvalid, parse_duration
from tocsin_executor.domain.requests import at_place
from tocsin_executor.domain.values import ErrorKind, Json
from tocsin_executor.worker.processes import as_text
from tocsin_executor.worker.tasks import Failed, Task

RUN, ATTEMPT, UNTIL = "tocsin.run", "tocsin.attempt", "tocsin.until"
"""Labels: whose it is, and from when on it may be deleted (seconds since the epoch)."""

PLATFORM, WORKER, INSTANCE, CLEANUP = "tocsin.platform", "tocsin.worker", "tocsin.instance", "tocsin.cleanup"
"""Labels: of which installation it is, who runs it, and what becomes of it when it has ended: who finds it can tell."""

_UNITS: Final = {"": 1, "k": 1000, "M": 1000**2, "G": 1000**3, "Ki": 1024, "Mi": 1024**2, "Gi": 1024**3}
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)(k|M|G|Ki|Mi|Gi)?")
_UNFIT: Final = re.compile(r"[^A-Za-z0-9_.-]+")
_VOLUME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_LEAST_MEMORY: Final = 6 * 1024 * 1024  # the engine's own least
_PROCESSES: Final = 512
_CLEANUPS: Final = ("always", "never", "eventually")


@dataclass(frozen=True, slots=True)
class Allowance:
    """What an operator gives containers.

    Attributes:
        memory: Bytes at most.
        cpus: Processors at most.
        network: Name of the network they are in.
        folders: Folders of the host that may be mounted.
    """

    memory: int = 512 * 1024 * 1024
    cpus: float = 1.0
    network: str = "bridge"
    folders: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """A container to be.

    Attributes:
        name: Its name.
        image: Its image.
        pull: ``always``, ``ifNotPresent`` or ``never``.
        stdin: What it reads, or ``None``.
        cleanup: ``always``, ``never`` or ``eventually``.
        after: How long it stays when eventually deleted.
        config: For the API.
    """

    name: str
    image: str
    pull: str
    stdin: bytes | None
    cleanup: str
    after: timedelta
    config: dict[str, Json]

    @property
    def memory(self) -> Json:
        """Bytes of memory that it may have."""
        return at_place(self.config, ("HostConfig", "Memory"))


def plan_of(task: Task, allowance: Allowance) -> Plan:
    """The container of a task.

    Raises:
        Failed: ``configuration`` for what makes no sense, ``authorization`` for what the operator has not opened.
    """
    spec = task.spec
    if not isinstance(spec, Mapping) or not isinstance(spec.get("image"), str) or not spec["image"]:
        raise Failed(ErrorKind.CONFIGURATION, "A container needs an image.")
    image = str(spec["image"])
    cleanup, after = _lifetime(spec.get("lifetime"))
    stdin = None if spec.get("stdin") is None else as_text(spec["stdin"]).encode()
    labels: dict[str, Json] = {
        RUN: task.run,
        ATTEMPT: task.attempt,
        "tocsin.task": task.name,
        "tocsin.namespace": task.namespace,
        CLEANUP: cleanup,
    }
    config: dict[str, Json] = {
        "Image": image,
        "Env": [f"{name}={as_text(value)}" for name, value in _object(spec, "environment").items()],
        "Labels": labels,
        "AttachStdout": True,
        "AttachStderr": True,
        "OpenStdin": stdin is not None,
        "StdinOnce": stdin is not None,
        **_command(spec),
        **_ports(spec),
    }
    host = config["HostConfig"] = {**_limits(spec, allowance), "Mounts": _mounts(task, spec, allowance)}
    host["PortBindings"] = config.pop("_bindings")
    pull = str(spec.get("pullPolicy") or "ifNotPresent")
    return Plan(_name(task, spec), with_tag(image), pull, stdin, cleanup, after, config)


def with_tag(image: str) -> str:
    """An image with the tag that is meant when none is said: a pull without one fetches them all."""
    last = image.rpartition("/")[2]
    return image if ":" in last or "@" in image else f"{image}:latest"


def _name(task: Task, spec: Mapping[str, Json]) -> str:
    if spec.get("name") is not None:
        given = as_text(spec["name"])
        if _UNFIT.search(given) or not given[:1].isalnum() or len(given) > 128:
            raise Failed(ErrorKind.CONFIGURATION, f"{given[:60]!r} is not a container's name: letters, digits, and _.- inside.")
        return given
    attempt = _UNFIT.sub("-", task.attempt)
    return _UNFIT.sub("-", f"{spec.get('workflow') or 'run'}-{task.run}-{attempt}.{task.namespace}-{task.name}")[:128]


def _command(spec: Mapping[str, Json]) -> dict[str, Json]:
    listed = spec.get("arguments")
    arguments: list[Json] = [as_text(item) for item in listed] if isinstance(listed, list) else []
    command = spec.get("command")
    if command is None:
        return {"Cmd": arguments} if arguments else {}
    return {"Entrypoint": ["/bin/sh", "-c"], "Cmd": [as_text(command), "sh", *arguments]}


def _limits(spec: Mapping[str, Json], allowance: Allowance) -> dict[str, Json]:
    asked = _object(spec, "limits")
    memory, cpus = _bytes(asked.get("memory")) or allowance.memory, asked.get("cpus") or allowance.cpus
    if not isinstance(cpus, int | float) or isinstance(cpus, bool) or not 0.01 <= cpus <= allowance.cpus:
        raise Failed(ErrorKind.CONFIGURATION, f"A container may have 0.01 to {allowance.cpus:g} processors, not {cpus}.")
    if not _LEAST_MEMORY <= memory <= allowance.memory:
        detail = f"A container may have {_LEAST_MEMORY} to {allowance.memory} bytes of memory, not {memory}."
        raise Failed(ErrorKind.CONFIGURATION, detail)
    network = "none" if asked.get("network") == "none" else allowance.network
    return {
        "Memory": memory,
        "MemorySwap": memory,
        "NanoCpus": int(cpus * 1_000_000_000),
        "PidsLimit": _PROCESSES,
        "NetworkMode": network,
        "SecurityOpt": ["no-new-privileges"],
        "Init": True,  # passes a TERM on, and reaps what the command leaves behind
        "LogConfig": {"Type": "none"},  # what it prints is read once, by the worker
    }


def _ports(spec: Mapping[str, Json]) -> dict[str, Json]:
    """Port of the host to port of the container; on loopback: what is for others goes through a proxy of the operator's."""
    exposed: dict[str, Json] = {}
    bindings: dict[str, Json] = {}
    for outer, inner in _object(spec, "ports").items():
        number, _, protocol = as_text(inner).partition("/")
        if not outer.isdigit() or not number.isdigit() or protocol not in {"", "tcp", "udp"}:
            raise Failed(ErrorKind.CONFIGURATION, f"{outer[:20]}: {as_text(inner)[:20]} is not a mapping of ports.")
        key = f"{number}/{protocol or 'tcp'}"
        exposed[key] = {}
        bindings[key] = [{"HostIp": "127.0.0.1", "HostPort": outer}]
    return {"ExposedPorts": exposed, "_bindings": bindings}


def _mounts(task: Task, spec: Mapping[str, Json], allowance: Allowance) -> Json:
    mounts: list[Json] = []
    for source, given in _object(spec, "volumes").items():
        target, _, mode = as_text(given).partition(":")
        mount: dict[str, Json] = {"Target": target, "ReadOnly": mode == "ro"}
        if not target.startswith("/"):
            raise Failed(ErrorKind.CONFIGURATION, f"{target[:100]!r} is not a path inside a container.")
        if _VOLUME.fullmatch(source):
            mounts.append({**mount, "Type": "volume", "Source": f"tocsin-{task.namespace}-{source}"})
            continue
        path = PurePosixPath(source)
        opened = any(path.is_relative_to(folder) for folder in allowance.folders)
        if not path.is_absolute() or ".." in path.parts or not opened:
            detail = f"The folder {source[:100]!r} of the host is not open to containers; worker.container_folders opens some."
            raise Failed(ErrorKind.AUTHORIZATION, detail)
        mounts.append({**mount, "Type": "bind", "Source": str(path)})
    return mounts


def _lifetime(given: Json) -> tuple[str, timedelta]:
    """When it is deleted. Without a word: at once, for nothing here grows for ever; `never` has to be said."""
    if given is None:
        return "always", timedelta()
    cleanup = given.get("cleanup") if isinstance(given, Mapping) else None
    if not isinstance(given, Mapping) or cleanup not in _CLEANUPS:
        raise Failed(ErrorKind.CONFIGURATION, f"lifetime.cleanup must be one of {', '.join(_CLEANUPS)}.")
    if cleanup != "eventually":
        return str(cleanup), timedelta()
    try:
        return "eventually", parse_duration(given.get("after"))
    except DurationInvalid as error:
        raise Failed(ErrorKind.CONFIGURATION, f"lifetime.after: {error.detail}.") from error


def _bytes(value: Json) -> int:
    if value is None:
        return 0
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = _SIZE.fullmatch(str(value))
    if match is None:
        raise Failed(ErrorKind.CONFIGURATION, f"{str(value)[:40]!r} is not a size; write 256Mi.")
    return int(float(match[1]) * _UNITS[match[2] or ""])


def _object(spec: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    found = spec.get(name)
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise Failed(ErrorKind.CONFIGURATION, f"{name!r} of a container is an object.")
    return found
