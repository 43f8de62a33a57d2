"""The log file of an all-in-one platform: bounded, so that a laptop left running does not fill its disk."""

import io
import os
from pathlib import Path
from typing import Final

LIMIT: Final = 16 * 1024 * 1024  # bytes; one older file of this size is kept


class Journal(io.TextIOBase):
    """A text stream to a file that is put aside when it has grown.

    Args:
        path: The file; the older one is beside it with ``.1``.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = self._open()
        self._size = path.stat().st_size

    def write(self, text: str) -> int:
        """Append."""
        self._size += len(text)
        if self._size > LIMIT:
            self._file.close()
            self._path.replace(self._path.with_name(self._path.name + ".1"))
            self._file, self._size = self._open(), len(text)
        return self._file.write(text)

    def flush(self) -> None:
        """Hand it to the operating system."""
        if not self._file.closed:
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

    def _open(self) -> io.TextIOWrapper:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return io.TextIOWrapper(io.FileIO(descriptor, "a"), encoding="utf-8", line_buffering=True)
