"""Writes the reference pages that come from code, or with ``--check`` fails when one of them is stale.

A page that can be generated is never written by hand, so it cannot lie.
"""

import importlib
import pathlib
import pkgutil
import sys
from collections.abc import Callable, Iterator

import tocsin
import tocsin_kit
from tocsin.cli.reference import main as cli
from tocsin.errors import TocsinError
from tocsin.signals.reference import main as signals
from tocsin_kit.config.reference import main as configuration
from tocsin_kit.platform.permissions_page import permissions_page
from tocsin_kit.telemetry.reference import metrics_page

ROOT = pathlib.Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "reference"


def errors_page() -> str:
    """Every error code: what it means, what HTTP answers, what becomes of a message."""
    lines = [
        "# Errors",
        "",
        "Generated from the code by `make docs`. Codes are public API; texts are for people and may change. Over HTTP",
        "every error is an [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) problem with `type` `https://tocsin.dev/errors/<code>`.",
        "",
        "| code | HTTP | branch | meaning |",
        "| --- | --- | --- | --- |",
    ]
    rows = {(k.code, k.status, _branch(k), (k.__doc__ or "").strip().splitlines()[0]) for k in _kinds(TocsinError)}
    lines += [f"| `{code}` | {status} | {branch} | {meaning} |" for code, status, branch, meaning in sorted(rows)]
    return "\n".join(lines) + "\n"


def _branch(kind: type[TocsinError]) -> str:
    names = [k.__name__ for k in kind.__mro__]
    return next((b for b in ("Rejected", "Conflict", "Unavailable", "Defect") if b in names), "")


def _kinds(kind: type[TocsinError]) -> Iterator[type[TocsinError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _kinds(child)


def import_everything() -> None:
    """Import each module, so that every error class and every catalogue entry exists."""
    packages = [tocsin, tocsin_kit]
    packages += [
        importlib.import_module(p.name) for p in sorted((ROOT / "services").iterdir()) if (p / "__init__.py").is_file()
    ]
    for package in packages:
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if not module.name.endswith("__main__") and ".testing" not in module.name:
                importlib.import_module(module.name)


PAGES: dict[str, Callable[[], str]] = {
    "errors.md": errors_page,
    "permissions.md": permissions_page,
    "metrics.md": lambda: metrics_page(ROOT),
}


def main() -> int:
    """Write or compare; 1 when something is stale."""
    import_everything()
    check = "--check" in sys.argv
    others = [signals(), cli(), configuration(["--check"] if check else [])]
    stale = []
    for name, make in PAGES.items():
        path, text = REFERENCE / name, make()
        if check and (not path.is_file() or path.read_text(encoding="utf-8") != text):
            stale.append(name)
        elif not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if stale:
        sys.stderr.write(f"Stale: {', '.join(stale)}. Run `make docs` and commit the result.\n")
    return int(bool(stale) or any(others))


if __name__ == "__main__":
    sys.exit(main())
