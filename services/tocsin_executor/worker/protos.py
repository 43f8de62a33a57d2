"""Protocol buffers of services, compiled when they are called: a proto's text becomes message types, once for each text.

The compiler runs in a process of its own, because it reads what strangers write.
"""

import asyncio
import hashlib
import re
import sys
import tempfile
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.message import DecodeError, EncodeError

from tocsin_executor.domain.values import ErrorKind, Json
from tocsin_executor.worker.tasks import Failed

_KEPT: Final = 64
_SECONDS: Final = 20.0
_FILES: Final = 64
_TOLD: Final = 1000  # characters of what a library says
_BYTES: Final = 4 * 1024 * 1024  # of a proto with all that it imports
# Texts and comments, whichever begins first: `"/v1/{name=shelves/*}"` opens no comment. What is never closed reaches to the
# end, so that no text, however hostile, is looked through twice.
_WORDS: Final = re.compile(rb"""("(?:\\.|[^"\\\n])*+"?|'(?:\\.|[^'\\\n])*+'?)|//[^\n]*+|/\*(?:.*?\*/|.*+)""", re.DOTALL)
_IMPORTS: Final = re.compile(rb"""\bimport\s*+(?:public\s++|weak\s++|option\s++)?(["'])([^"'\n]++)\1\s*+;""")
_KNOWN: Final = "google.protobuf."
_OBJECTS: Final = frozenset(_KNOWN + name for name in ("Any", "Empty", "Struct"))  # whose JSON form is an object
_BUNDLED: Final = frozenset({"api", "longrunning", "rpc", "type"})
_OWN: Final = "tocsin/service.proto"  # a name that no import has


@dataclass(frozen=True, slots=True)
class Method:
    """A method of a service.

    Attributes:
        path: What is called.
        request: Its message type.
        answer: Its answer's.
        client_streams: Whether it takes many requests.
        server_streams: Whether it gives many answers.
        types: All messages of the proto and of what it imports: what an ``Any`` may hold.
    """

    path: str
    request: Any
    answer: Any
    client_streams: bool
    server_streams: bool
    types: Any

    def encode(self, value: Json) -> bytes:
        """A request from its JSON form.

        Raises:
            Failed: ``configuration``: it does not fit.
        """
        kind = self.request.DESCRIPTOR.full_name
        if kind.startswith(_KNOWN) and kind not in _OBJECTS and isinstance(value, Mapping) and set(value) == {"value"}:
            value = value["value"]  # a text, a number, an instant: the language's arguments are names with values
        try:
            message = json_format.ParseDict(value, self.request(), descriptor_pool=self.types)
            encoded: bytes = message.SerializeToString()
        except (json_format.Error, EncodeError, ValueError, TypeError, RecursionError) as error:
            detail = f"The arguments do not fit {self.path}: {str(error)[:_TOLD]}"
            raise Failed(ErrorKind.CONFIGURATION, detail) from error
        return encoded

    def decode(self, data: bytes) -> Json:
        """An answer as JSON, in the form that Protocol Buffers define; fields without presence are always there.

        Raises:
            Failed: ``communication``: it is none, or holds what has no such form.
        """
        try:
            message = self.answer.FromString(data)
            decoded: Json = json_format.MessageToDict(
                message, always_print_fields_with_no_presence=True, descriptor_pool=self.types
            )
        except (DecodeError, json_format.Error, ValueError, TypeError, RecursionError) as error:
            detail = f"The answer of {self.path} is not what the proto says."
            raise Failed(ErrorKind.COMMUNICATION, detail, status=502) from error
        return decoded


class Protos:
    """Compiles and keeps."""

    def __init__(self) -> None:
        self._pools: OrderedDict[str, tuple[Any, tuple[str, ...]]] = OrderedDict()
        self._compiling: dict[str, asyncio.Lock] = {}
        self._compilers = asyncio.Semaphore(2)

    async def method(self, proto: Mapping[str, bytes], service: str, name: str) -> Method:
        """A method of a service.

        Args:
            proto: The text and what it imports, as :func:`with_imports` gives them.
            service: With its package, or without where only one is called so.
            name: Of the method.

        Raises:
            Failed: ``configuration``: the text does not compile, or has no such method.
        """
        digest = hashlib.sha256(repr(sorted(proto.items())).encode()).hexdigest()
        pool, services = await self._pool(digest, proto)
        found = [known for known in services if known == service or known.rpartition(".")[2] == service]
        if len(found) != 1:
            listed = ", ".join(services) or "none"
            raise Failed(ErrorKind.CONFIGURATION, f"The proto has no service {service!r}; its services: {listed}.")
        described = pool.FindServiceByName(found[0])
        method = described.methods_by_name.get(name)
        if method is None:
            listed = ", ".join(described.methods_by_name)
            raise Failed(ErrorKind.CONFIGURATION, f"{found[0]} has no method {name!r}; its methods: {listed}.")
        return Method(
            f"/{found[0]}/{name}",
            message_factory.GetMessageClass(method.input_type),
            message_factory.GetMessageClass(method.output_type),
            method.client_streaming,
            method.server_streaming,
            pool,
        )

    async def _pool(self, digest: str, proto: Mapping[str, bytes]) -> tuple[Any, tuple[str, ...]]:
        """Compiled once, however many ask; a text that takes long holds up nobody who needs another."""
        lock = self._compiling.setdefault(digest, asyncio.Lock())
        try:
            async with lock:
                if digest not in self._pools:
                    async with self._compilers:
                        self._pools[digest] = _pool_of(await _compiled(proto))
                    while len(self._pools) > _KEPT:
                        self._pools.popitem(last=False)
                return self._pools[digest]
        finally:
            if not lock.locked():
                self._compiling.pop(digest, None)


async def with_imports(proto: bytes, fetch: Callable[[str], Awaitable[bytes]]) -> dict[str, bytes]:
    """A proto and everything that it imports, and those import, by the names of their imports.

    Args:
        proto: The text that describes the service.
        fetch: Gives the text of an import. What Protocol Buffers themselves bring along is not asked for.

    Raises:
        Failed: An import is not to be had, leads elsewhere, or there are too many.
    """
    found = _bounded({_OWN: proto})
    pending = [proto]
    while pending:
        for name in await asyncio.to_thread(_imported, pending.pop()):
            if name in found or name.startswith("google/protobuf/"):
                continue
            if not re.fullmatch(r"(?:[\w-][\w.-]*/)*[\w-][\w.-]*", name):
                raise Failed(ErrorKind.CONFIGURATION, f"The import {name[:200]!r} of the proto is no relative path.")
            if len(found) > _FILES:
                raise Failed(ErrorKind.CONFIGURATION, f"The proto imports more than {_FILES} files.")
            found[name] = await fetch(name)
            pending.append(_bounded(found)[name])
    return found


def bundled(name: str) -> bytes | None:
    """A proto of Google's own APIs, where the package with them is installed: many describe their methods with its options."""
    folder, _, file = name.removeprefix("google/").rpartition("/")
    if not name.startswith("google/") or folder not in _BUNDLED:
        return None
    try:
        return resources.files("google").joinpath(f"{folder}/{file}").read_bytes()
    except (OSError, ModuleNotFoundError):
        return None


def _bounded(found: dict[str, bytes]) -> dict[str, bytes]:
    if sum(map(len, found.values())) > _BYTES:
        raise Failed(ErrorKind.CONFIGURATION, f"The proto and what it imports are above the limit of {_BYTES} bytes.")
    return found


def _imported(proto: bytes) -> list[str]:
    """The names of a text's imports; what stands in comments is none."""
    said = _WORDS.sub(lambda word: word[1] or b" ", proto)
    return [name.decode("utf-8", "replace") for _, name in _IMPORTS.findall(said)]


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


async def _compiled(proto: Mapping[str, bytes]) -> bytes:
    with tempfile.TemporaryDirectory(prefix="tocsin-proto-") as folder:
        place = Path(folder)
        await asyncio.to_thread(_write, place, proto)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-m", "grpc_tools.protoc", f"-I{folder}", "--include_imports"),
            *(f"--descriptor_set_out={folder}/out", _OWN),
            cwd=folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={},
        )
        try:
            async with asyncio.timeout(_SECONDS):
                _, said = await process.communicate()
        except TimeoutError as error:
            raise Failed(ErrorKind.CONFIGURATION, f"The proto does not compile within {_SECONDS:g} s.") from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            text = said.decode("utf-8", "replace").replace(f"{folder}/", "").replace(_OWN, "service.proto").strip()[:1000]
            raise Failed(ErrorKind.CONFIGURATION, f"The proto does not compile: {text}")
        return await asyncio.to_thread((place / "out").read_bytes)


def _pool_of(data: bytes) -> tuple[Any, tuple[str, ...]]:
    """All types, and the names of the services: of the text itself first, of what it imports behind."""
    files = descriptor_pb2.FileDescriptorSet.FromString(data)
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    prefixes = {file.name: f"{file.package}." if file.package else "" for file in files.file}
    services = (f"{prefixes[file.name]}{service.name}" for file in reversed(files.file) for service in file.service)
    return pool, tuple(services)
