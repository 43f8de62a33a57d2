"""NATS and MongoDB as child processes: data survives, failures are one sentence, nothing is left behind."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client
from nats.errors import Error as NatsError
from pymongo import AsyncMongoClient

from tocsin_kit.clock import SystemClock
from tocsin_kit.embedded import (
    BinaryMissing,
    DataFolder,
    FolderInUse,
    FolderUnusable,
    MongoOptions,
    MongoServer,
    NatsOptions,
    NatsServer,
    NatsUser,
    PortTaken,
    ServerFailed,
    free_ports,
)
from tocsin_kit.embedded.processes import Child
from tocsin_kit.testing import eventually


@pytest.fixture
def folder() -> Iterator[DataFolder]:
    """An open temporary data folder."""
    opened = DataFolder.temporary().open()
    yield opened
    opened.close()


async def test_a_second_start_finds_the_streams(folder: DataFolder) -> None:
    """Also on another port, and with a sync on every write."""
    for turn in (1, 2):
        (port,) = free_ports(1)
        server = NatsServer(folder.sub("nats"), NatsOptions(port=port, sync="always"))
        await server.start()
        client = await nats.connect(server.url)
        jetstream = client.jetstream()
        if turn == 1:
            await jetstream.add_stream(name="KEEP", subjects=["keep"])
            await jetstream.publish("keep", b"data")
        else:
            assert (await jetstream.get_msg("KEEP", 1)).data == b"data"
        await client.close()
        await server.stop()


async def test_a_second_start_finds_the_documents_even_on_another_port(folder: DataFolder) -> None:
    """The replica set, which knows its member by address, is told the new one."""
    for turn in (1, 2):
        (port,) = free_ports(1)
        server = MongoServer(folder.sub("mongo"), MongoOptions(port=port))
        await server.start()
        async with AsyncMongoClient(server.url, serverSelectionTimeoutMS=5000) as client:
            if turn == 1:
                await client.keep.things.insert_one({"_id": 1})
            assert await client.keep.things.count_documents({}) == 1
        await server.stop()


async def test_a_user_may_only_do_what_its_permissions_say(folder: DataFolder) -> None:
    """And nobody gets in without a password."""
    (port,) = free_ports(1)
    user = NatsUser("demo", "pass", publish=("mine.>",), subscribe=("_INBOX.>",))
    server = NatsServer(folder.sub("nats"), NatsOptions(port=port, users=(user,)))
    await server.start()
    nobody = Client()
    with pytest.raises(NatsError):
        await nobody.connect(server.url, allow_reconnect=False)
    await nobody.close()
    errors: list[Exception] = []

    async def on_error(error: Exception) -> None:
        errors.append(error)

    client = await nats.connect(server.url, user="demo", password="pass", error_cb=on_error)
    await client.publish("mine.x", b"")
    await client.flush()
    assert errors == []
    await client.publish("yours.x", b"")
    await eventually(lambda: any("permissions violation" in str(error) for error in errors))
    await client.close()
    await server.stop()


@pytest.mark.parametrize("kind", ["nats", "mongo"])
async def test_a_taken_port_is_one_sentence_with_what_to_change(folder: DataFolder, kind: str) -> None:
    """Said before anything is started."""
    taken = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    server = (
        NatsServer(folder.sub("nats"), NatsOptions(port=port))
        if kind == "nats"
        else MongoServer(folder.sub("mongo"), MongoOptions(port=port))
    )
    with pytest.raises(PortTaken, match=f"Port {port}, wanted for .*, is taken by another program") as caught:
        await server.start()
    assert caught.value.hint
    assert f"TOCSIN_EMBEDDED_{kind.upper()}_PORT" in caught.value.hint
    taken.close()
    await taken.wait_closed()


async def test_a_leftover_of_a_killed_owner_is_ended(folder: DataFolder) -> None:
    """Recognised by program and folder, never by number alone."""
    ports = free_ports(2)
    first = NatsServer(folder.sub("nats"), NatsOptions(port=ports[0]))
    await first.start()
    second = NatsServer(folder.sub("nats"), NatsOptions(port=ports[1]))
    await second.start()
    assert not first.child.running
    assert second.child.running
    await second.stop()


async def test_a_process_with_a_reused_number_is_left_alone(tmp_path: Path) -> None:
    """The note names our own process, which is not a server on that folder."""
    child = Child("Demo", ["sleep", "60", str(tmp_path)], tmp_path, SystemClock())
    (tmp_path / "process.json").write_text(f'{{"pid": {os.getpid()}}}')
    assert child.end_leftover(1.0) is None


async def test_servers_die_with_a_killed_owner(tmp_path: Path) -> None:
    """SIGKILL, so that no code of ours could have ended them; the next run sweeps their folder."""
    program = """
import asyncio
from tocsin_kit.embedded import *
async def main():
    folder = DataFolder.temporary().open()
    server = NatsServer(folder.sub("nats"), NatsOptions(port=free_ports(1)[0]))
    await server.start()
    print(server.child.pid, folder.path, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
    pid, path = _run_and_kill(program)
    await eventually(lambda: not _alive(pid), what="the end of the orphan")
    DataFolder.temporary().open().close()
    assert not path.exists()


def _run_and_kill(program: str) -> tuple[int, Path]:
    """Run it until it has said the process id of its server and its folder, then kill it."""
    code = f"import sys; sys.path[:] = {sys.path!r}\n{program}"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        pid, _, path = owner.stdout.readline().strip().partition(" ")
        assert _alive(int(pid))
        owner.send_signal(signal.SIGKILL)
    return int(pid), Path(path)


def _alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


async def test_a_folder_has_one_owner(folder: DataFolder) -> None:
    """The second one is told who the first is."""
    with pytest.raises(FolderInUse, match=rf"process {os.getpid()}\) already runs"):
        DataFolder(folder.path).open()


def test_an_unwritable_folder_is_one_sentence(tmp_path: Path) -> None:
    """A file where a folder should be: not even root can write there."""
    (tmp_path / "file").touch()
    with pytest.raises(FolderUnusable, match="cannot be written to"):
        DataFolder(tmp_path / "file" / "data").open()


def test_secrets_are_drawn_once_and_private(folder: DataFolder) -> None:
    """256 bits, mode 0600, the same on the second start."""
    path, text = folder.secret("nats-demo")
    assert folder.secret("nats-demo") == (path, text)
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777, len(text)) == (0o600, 0o700, 43)


def test_a_program_for_another_machine_is_one_sentence(tmp_path: Path) -> None:
    """The system says ENOEXEC; a person is told what it means."""
    program = tmp_path / "mongod"
    program.write_bytes(b"\x7fNOT-AN-ELF")
    program.chmod(0o755)
    with pytest.raises(BinaryMissing, match="for another kind of machine"):
        Child("MongoDB", [str(program), str(tmp_path)], tmp_path, SystemClock()).spawn()


async def test_a_server_that_ends_at_once_is_quoted(tmp_path: Path) -> None:
    """A missing library among them."""
    program = tmp_path / "mongod"
    program.write_text("#!/bin/sh\necho 'mongod: error while loading shared libraries: libcrypto.so.3: not found'\nexit 127\n")
    program.chmod(0o755)
    child = Child("MongoDB", [str(program), str(tmp_path)], tmp_path, SystemClock())
    child.spawn()
    assert await child.ended() == 127
    failure = child.failure()
    assert isinstance(failure, BinaryMissing)
    assert "libcrypto.so.3" in failure.detail


def test_a_configuration_value_cannot_break_out(tmp_path: Path) -> None:
    """A quote in a name is refused, not escaped wrongly."""
    server = NatsServer(tmp_path, NatsOptions(port=1, users=(NatsUser('x"} evil', "p"),)))
    with pytest.raises(ValueError, match="quote"):
        server.configuration()


def test_a_missing_program_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither wheel nor PATH."""
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setattr("sys.path", [])
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerFailed, match="nats-server is not installed") as caught:
        NatsServer(tmp_path, NatsOptions(port=1))
    assert "tocsin[embedded]" in str(caught.value.hint)
    with pytest.raises(ServerFailed, match="mongod"):
        MongoServer(tmp_path, MongoOptions(port=1))
