"""Files in local folders: found when they have come to rest, put away when their events are on disk.

A file is what its path, its time of change and its size say. It counts as whole when two looks, far enough apart, saw the same.
Only folders below those that the operator names are looked at; links are not followed out of them. What happens while nobody
looks is found later, because it is still there.
"""

import shutil
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from stat import S_ISREG

from tocsin.errors import Forbidden, Invalid, Unavailable
from tocsin.expressions import Json
from tocsin_trigger.domain.sources import After, FileSource
from tocsin_trigger.domain.watching import Item, Look

_MOST = 10_000  # files in one look
_AT_ONCE = 500  # events of one look; the rest comes with the next
_CONTENT = 64 * 1024  # bytes of text that an event carries


class Folders:
    """Looks into folders.

    Args:
        roots: Only what is below one of these.
    """

    def __init__(self, roots: Sequence[str]) -> None:
        self._roots = [Path(root).resolve() for root in roots]

    def look(self, source: FileSource, cursor: Json, now: datetime) -> Look:
        """Files that have come to rest and were not accepted yet.

        Raises:
            Forbidden: The folder is not below one that the operator names.
            Unavailable: It cannot be read now.
        """
        folder = self._permitted(source.folder)
        before: dict[str, Json] = cursor if isinstance(cursor, dict) else {}
        known: dict[str, Json] = {}
        items: list[Item] = []
        stamp = int(now.timestamp() * 1000)
        settle = source.settle // timedelta(milliseconds=1)
        for path, name, size, changed in self._files(folder, source.pattern):
            seen = before.get(name)
            if not (isinstance(seen, list) and seen[:2] == [changed, size]):
                seen = [changed, size, stamp, False]
            if not seen[3] and stamp - int(str(seen[2])) >= settle and len(items) < _AT_ONCE:
                items.append(_item(source, path, name, size, changed))
                seen = [changed, size, seen[2], True]
            known[name] = seen
        return Look(tuple(items), known, more=len(items) == _AT_ONCE)

    def accepted(self, source: FileSource, items: Sequence[Item]) -> None:
        """Put them away, if that is asked for.

        Raises:
            Unavailable: One cannot be put away; the next look finds it again, and its event is known by then.
        """
        if source.after is After.KEEP:
            return
        folder = self._permitted(source.folder)
        into = None if source.into is None else self._permitted(source.into)
        try:
            for item in items:
                name, _, _ = item.id.rsplit(":", 2)
                path = folder / name
                if not path.is_file() or item.id != _id(path, name):
                    continue  # gone, or another one by now, which the next look finds
                if into is None:
                    path.unlink()
                else:
                    target = into / name
                    if target.exists():
                        target = target.with_name(f"{target.stem}.{path.stat().st_mtime_ns}{target.suffix}")
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.move(path, target)
        except OSError as error:
            raise Unavailable(f"A file cannot be put away: {error.strerror}.") from error

    def _files(self, folder: Path, pattern: str) -> Iterator[tuple[Path, str, int, int]]:
        count = 0
        try:
            for path in sorted(folder.glob(pattern)):
                about = path.lstat()
                if not S_ISREG(about.st_mode) or not self._is_below(path.parent.resolve(), folder):
                    continue
                count += 1
                if count > _MOST:
                    return
                yield path, path.relative_to(folder).as_posix(), about.st_size, about.st_mtime_ns
        except (OSError, NotImplementedError) as error:
            raise Unavailable(f"The folder cannot be read: {error}.") from error
        except ValueError as error:
            raise Invalid(f"The pattern is not one: {error}.") from error

    def _permitted(self, text: str) -> Path:
        folder = Path(text).resolve()
        if not any(self._is_below(folder, root) for root in self._roots):
            raise Forbidden(
                f"The folder {text} is not below one that may be watched.", hint="An operator adds it to trigger.folders."
            )
        if not folder.is_dir():
            raise Unavailable(f"The folder {text} is not there.")
        return folder

    @staticmethod
    def _is_below(path: Path, root: Path) -> bool:
        return path == root or root in path.parents


def _item(source: FileSource, path: Path, name: str, size: int, changed: int) -> Item:
    time = datetime.fromtimestamp(changed / 1e9, UTC)
    data: dict[str, Json] = {
        "folder": source.folder,
        "name": name,
        "path": str(path),
        "size": size,
        "modified": time.isoformat(),
    }
    if source.content:
        data["content"] = _text(path, size)
    return Item(f"{name}:{changed}:{size}", data, time)


def _text(path: Path, size: int) -> str | None:
    if size > _CONTENT:
        return None
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _id(path: Path, name: str) -> str:
    about = path.lstat()
    return f"{name}:{about.st_mtime_ns}:{about.st_size}"
