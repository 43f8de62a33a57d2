"""The text that greets whoever has started the platform: where it is, how to log in, what to try."""

import sys
from pathlib import Path
from typing import Final

from rich.text import Text

from tocsin_kit.platform.installation import Installation

_SYNC: Final = {
    "always": "an acknowledged message is on the disk",
    "lazy": "safe against dying processes; a power cut may cost two minutes",
}


def welcome(installation: Installation, *, seconds: float, sync: str, loaded: int) -> Text:
    """The welcome.

    Args:
        installation: Where everything is.
        seconds: How long the start took.
        sync: Durability of NATS: ``always`` or ``lazy``.
        loaded: How many examples were loaded now.
    """
    tocsin = _command()
    text = Text()
    text.append("Tocsin is ready", "bold #d97706")
    text.append(f" in {seconds:.1f} s\n\n")
    text.append("  open      ")
    text.append(f"{installation.url}\n", "bold underline")
    text.append(f"  log in    {tocsin} login --local\n")
    text.append(f"            user admin, password in {_shown(installation.admin_file)}\n", "dim")
    text.append("\nThree things to try, in another terminal:\n\n", "bold")
    for line, what in _tries(tocsin):
        text.append(f"  {line}\n")
        text.append(f"      {what}\n", "dim")
    text.append("\n")
    if loaded:
        text.append(f"{loaded} examples were loaded. ", "dim")
    text.append(f"Durability: {_SYNC[sync]}. Logs: {_shown(installation.folder.path / 'tocsin.log')}. Ctrl-C stops.", "dim")
    return text


def _tries(tocsin: str) -> list[tuple[str, str]]:
    return [
        (f"{tocsin} signal tail", "watch everything that happens, live"),
        (f'{tocsin} run start hello --input \'{{"name": "Ada"}}\'', "run a workflow"),
        (
            f"{tocsin} trigger send orders --data @examples/inputs/order-fulfilment.json",
            "send a signed webhook that starts one",
        ),
    ]


def _command() -> str:
    """How to call the command line client from here."""
    beside = Path(sys.executable).parent / "tocsin"
    return _shown(beside) if beside.is_file() else "tocsin"


def _shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
