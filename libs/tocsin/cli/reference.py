"""The reference page of the command line, made from the commands: ``python -m tocsin.cli.reference [--check]``.

Without ``--check`` it writes ``docs/reference/cli.md``; with it, it fails when the page is not what the commands say.
"""

import pathlib
import sys
from collections.abc import Iterator
from typing import Any, Final

from tocsin.cli.examples import EXAMPLES
from tocsin.cli.exits import MEANINGS
from tocsin.cli.lazy import LazyGroup
from tocsin.cli.root import command

PAGE: Final = pathlib.Path("docs") / "reference" / "cli.md"

_INTRODUCTION: Final = """# The command line

Generated from the commands by `make docs`. `tocsin --install-completion` teaches the shell to complete them.

Every command has `--json`: then standard output is JSON and nothing else, and an error is one JSON object on standard error.
`--url` and `--namespace` win over the environment (`TOCSIN_URL`, `TOCSIN_NAMESPACE`, and `TOCSIN_TOKEN` for an API key), which
wins over what `tocsin login` remembered in `~/.config/tocsin/config.toml` (another file: `TOCSIN_CONTEXT`), readable by its
owner only. A token is sent to the platform that gave it and to no other. `NO_COLOR` is respected.

## Exit codes

| code | meaning |
| --- | --- |
"""


def page() -> str:
    """The page as Markdown."""
    parts = [_INTRODUCTION, *(f"| {code.value} | {meaning} |\n" for code, meaning in MEANINGS.items())]
    parts += _commands(command(), "tocsin")
    return "".join(parts)


def main() -> int:
    """Write the page, or with ``--check`` compare it; 1 when it is stale."""
    text = page()
    if "--check" not in sys.argv[1:]:
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(text, encoding="utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(f"Stale: {PAGE.name}. Run `python -m tocsin.cli.reference` and commit the result.\n")
    return 1


def _commands(group: Any, name: str) -> Iterator[str]:
    for child, found in _children(group):
        full = f"{name} {child}"
        if hasattr(found, "commands"):
            yield f"\n## {full}\n\n{_first(found.help)}\n{_examples(child)}"
            yield from _commands(found, full)
        else:
            yield _section(full, found)


def _children(group: Any) -> Iterator[tuple[str, Any]]:
    """Commands of a group, loaded where they are lazy."""
    entries = group.entries if isinstance(group, LazyGroup) else {}
    for name, entry in entries.items():
        yield name, entry.load(name)
    for name, found in group.commands.items():
        if name not in entries:
            yield name, found


def _examples(group: str) -> str:
    lines = EXAMPLES.get(group)
    return f"\n```sh\n{chr(10).join(lines)}\n```\n" if lines else ""


def _section(name: str, found: Any) -> str:
    arguments = [p for p in found.params if p.param_type_name == "argument"]
    options = [p for p in found.params if p.param_type_name == "option" and not p.hidden]
    usage = " ".join(
        [name, "[OPTIONS]", *(p.make_metavar(None).strip("{}") if p.metavar is None else p.metavar for p in arguments)]
    )
    lines = [f"\n### {name}\n\n{_first(found.help)}\n\n```\n{usage}\n```\n"]
    rows = [f"| `{p.metavar or p.name}` | {_clean(p.help)} |\n" for p in arguments if p.help]
    rows += [f"| {_names(p)} | {_clean(p.help)} |\n" for p in options]
    return "".join([*lines, "\n| argument or option | meaning |\n| --- | --- |\n" if rows else "", *rows])


def _names(option: Any) -> str:
    names = ", ".join(f"`{name}`" for name in sorted([*option.opts, *option.secondary_opts], key=len, reverse=True))
    return names if option.is_flag else f"{names} {_clean(option.metavar or option.name.upper())}"


def _first(text: str | None) -> str:
    return " ".join((text or "").split())


def _clean(text: str | None) -> str:
    return (text or "").replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main())
