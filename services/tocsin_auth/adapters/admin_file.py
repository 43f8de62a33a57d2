"""The file with the first password: for its owner only, written whole or not at all, and never through a link."""

import os
from pathlib import Path

import orjson

from tocsin.errors import Unavailable


class JsonAdminFile:
    """``{"url", "user", "password"}`` (``application.bootstrap.AdminFile``).

    Args:
        path: Where.
        url: Of the platform, for people.
    """

    def __init__(self, path: Path, url: str) -> None:
        self._path, self._url = path, url

    def write(self, *, user: str, password: str) -> None:
        """Write it with mode 0600, replacing what is there.

        Raises:
            Unavailable: It cannot be written.
        """
        body = orjson.dumps({"url": self._url, "user": user, "password": password}, option=orjson.OPT_INDENT_2) + b"\n"
        draft = self._path.with_name(f".{self._path.name}.new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            draft.unlink(missing_ok=True)
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._path)
        except OSError as error:
            raise Unavailable(
                f"the first password cannot be written to {self._path}: {error.strerror}",
                hint="name another file with TOCSIN_AUTH_ADMIN_FILE",
            ) from error
