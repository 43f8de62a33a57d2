"""The command line for pages that type it hundreds of times: each a process of its own, forked from one that has imported it.

Half a second of each command is Python reading modules. Here one process reads them once and forks for each command; that
one has the arguments, folder, environment and streams of whoever typed it, and gets their Ctrl-C. What starting really takes
is tried by tests/integration/cli.
"""

import contextlib
import json
import os
import signal
import socket
import struct
import sys
import time

_LENGTH = struct.Struct("!i")
_FORWARDED = (signal.SIGINT, signal.SIGTERM)


def serve(path: str) -> None:
    """Fork for each connection, until killed."""
    import importlib
    import pkgutil

    import tocsin.cli

    for module in pkgutil.iter_modules(tocsin.cli.__path__, "tocsin.cli."):
        importlib.import_module(module.name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen(64)
        while True:
            connection, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                _run(connection, tocsin.cli.main)
            connection.close()


def _run(connection: socket.socket, main: object) -> None:
    """Be the command; never returns."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    (size,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size))
    asked = json.loads(_exactly(connection, size))
    _, streams, _, _ = socket.recv_fds(connection, 1, 3)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(asked["folder"])
    os.environ.clear()  # noqa: TID251 - the environment of whoever typed it
    os.environ.update(asked["environ"])  # noqa: TID251
    time.tzset()
    sys.argv = ["tocsin", *asked["arguments"]]
    connection.sendall(_LENGTH.pack(os.getpid()))
    code = 1
    try:
        main()  # type: ignore[operator]
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
    except BaseException:  # noqa: BLE001 - as the interpreter would
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    with contextlib.suppress(OSError):
        connection.sendall(_LENGTH.pack(code))
    os._exit(code)


def typed(path: str, arguments: list[str]) -> int:
    """Have a command run as if it were this process; its exit code."""
    environ = dict(os.environ)  # noqa: TID251 - handed on as it is
    asked = json.dumps({"arguments": arguments, "folder": os.getcwd(), "environ": environ}).encode()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.sendall(_LENGTH.pack(len(asked)) + asked)
        socket.send_fds(connection, [b"."], [0, 1, 2])
        (command,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size))
        for number in _FORWARDED:
            signal.signal(number, lambda got, _frame: os.kill(command, got))
        try:
            (code,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size))
        except EOFError:  # it was killed
            return 1
        return int(code)


def _exactly(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        more = connection.recv(size - len(found))
        if not more:
            raise EOFError
        found += more
    return found


if __name__ == "__main__":
    if sys.argv[2] == "serve":
        serve(sys.argv[1])
    sys.exit(typed(sys.argv[1], sys.argv[3:]))
