"""The data folder of an embedded platform: made, locked by one owner, private to its user, and with secrets in it.

The lock is the kernel's (``flock``), so it ends with its process however that ends; a leftover server found under the lock is
therefore nobody's, and may be ended.
"""

import fcntl
import os
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import Self

from tocsin_kit.embedded.errors import FolderInUse, FolderUnusable

TEMPORARY = "tocsin-tmp-"


class DataFolder:
    """A folder that one process owns while it is open.

    Attributes:
        path: Its absolute path.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self._lock: int | None = None
        self._temporary = False

    @classmethod
    def temporary(cls) -> Self:
        """A new folder that :meth:`close` deletes; folders of killed processes are deleted here as well."""
        sweep_temporary()
        folder = cls(Path(tempfile.mkdtemp(prefix=f"{TEMPORARY}{os.getpid()}-")))
        folder._temporary = True
        return folder

    def open(self) -> Self:
        """Make the folder if need be, and take its lock.

        Raises:
            FolderUnusable: It cannot be made or written to.
            FolderInUse: Another process has the lock.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise FolderUnusable(
                f"The data folder {self.path} cannot be written to: {error.strerror}.",
                hint="Give another folder with --data, or change its owner or permissions.",
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise FolderInUse(
                f"Another Tocsin (process {holder}) already runs on the data folder {self.path}.",
                hint="Use that one, end it, or give another folder with --data.",
            ) from error
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._lock = descriptor
        return self

    def close(self) -> None:
        """Give the lock back; a temporary folder is deleted."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        if self._temporary:
            shutil.rmtree(self.path, ignore_errors=True)

    def sub(self, name: str) -> Path:
        """A private folder inside, made if need be.

        Raises:
            FolderUnusable: It cannot be made.
        """
        path = self.path / name
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise FolderUnusable(f"The folder {path} cannot be made: {error.strerror}.") from error
        return path

    def write_private(self, name: str, text: str) -> Path:
        """Write a file that only its owner can read, at once or not at all."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = path.with_name(f".{path.name}.new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        return path

    def secret(self, name: str) -> tuple[Path, str]:
        """A secret of this installation: drawn on the first call, the same ever after.

        Returns:
            The file ``secrets/<name>`` (mode 0600) and its text, 43 characters of URL-safe base 64 (256 bits).
        """
        path = self.path / "secrets" / name
        if not path.is_file():
            self.write_private(f"secrets/{name}", secrets.token_urlsafe(32))
        return path, path.read_text(encoding="utf-8").strip()


def sweep_temporary() -> None:
    """Delete temporary folders whose process is gone."""
    for path in Path(tempfile.gettempdir()).glob(f"{TEMPORARY}*"):
        pid = path.name.removeprefix(TEMPORARY).split("-", 1)[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists() and Path("/proc/self").exists():
            shutil.rmtree(path, ignore_errors=True)
