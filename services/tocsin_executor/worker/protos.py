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
from pathlib import Path
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.message import DecodeError

from tocsin_executor.domain.values import ErrorKind, Json
from tocsin_executor.worker.tasks import Failed

_KEPT: Final = 64
_SECONDS: Final = 20.0
_FILES: Final = 64
_COMMENTS: Final = re.compile(rb"//[^\n]*|/\*.*?\*/", re.DOTALL)
_IMPORTS: Final = re.compile(rb'\bimport\s+(?:public\s+|weak\s+|option\s+)?"([^"\n]+)"\s*;')
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
    """

    path: str
    request: Any
    answer: Any
    client_streams: bool
    server_streams: bool

    def encode(self, value: Json) -> bytes:
        """A request from its JSON form.

        Raises:
            Failed: ``configuration``: it does not fit.
        """
        try:
            encoded: bytes = json_format.ParseDict(value, self.request()).SerializeToString()
        except json_format.ParseError as error:
            raise Failed(ErrorKind.CONFIGURATION, f"The arguments do not fit {self.path}: {error}") from error
        return encoded

    def decode(self, data: bytes) -> Json:
        """An answer as JSON, in the form that Protocol Buffers define; fields without presence are always there."""
        try:
            message = self.answer.FromString(data)
        except DecodeError as error:
            raise Failed(ErrorKind.COMMUNICATION, f"The answer of {self.path} is not what the proto says.") from error
        decoded: Json = json_format.MessageToDict(message, always_print_fields_with_no_presence=True)
        return decoded


class Protos:
    """Compiles and keeps."""

    def __init__(self) -> None:
        self._pools: OrderedDict[str, Any] = OrderedDict()
        self._compiling = asyncio.Lock()

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
        async with self._compiling:
            if digest not in self._pools:
                self._pools[digest] = _pool(await _compiled(proto))
                while len(self._pools) > _KEPT:
                    self._pools.popitem(last=False)
        pool, services = self._pools[digest]
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
        )


async def with_imports(proto: bytes, fetch: Callable[[str], Awaitable[bytes]]) -> dict[str, bytes]:
    """A proto and everything that it imports, and those import, by the names of their imports.

    Args:
        proto: The text that describes the service.
        fetch: Gives the text of an import. What Protocol Buffers themselves bring along is not asked for.

    Raises:
        Failed: An import is not to be had, leads elsewhere, or there are too many.
    """
    found = {_OWN: proto}
    pending = [proto]
    while pending:
        for imported in _IMPORTS.findall(_COMMENTS.sub(b"", pending.pop())):
            name = imported.decode("utf-8", "replace")
            if name in found or name.startswith("google/protobuf/"):
                continue
            if not re.fullmatch(r"(?:[\w-][\w.-]*/)*[\w-][\w.-]*", name):
                raise Failed(ErrorKind.CONFIGURATION, f"The import {name[:200]!r} of the proto is no relative path.")
            if len(found) > _FILES:
                raise Failed(ErrorKind.CONFIGURATION, f"The proto imports more than {_FILES} files.")
            found[name] = await fetch(name)
            pending.append(found[name])
    return found


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
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            text = said.decode("utf-8", "replace").replace(f"{folder}/", "").replace(_OWN, "service.proto").strip()[:1000]
            raise Failed(ErrorKind.CONFIGURATION, f"The proto does not compile: {text}")
        return await asyncio.to_thread((place / "out").read_bytes)


def _pool(data: bytes) -> tuple[Any, tuple[str, ...]]:
    files = descriptor_pb2.FileDescriptorSet.FromString(data)
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    last = files.file[-1]
    prefix = f"{last.package}." if last.package else ""
    return pool, tuple(f"{prefix}{service.name}" for service in last.service)
