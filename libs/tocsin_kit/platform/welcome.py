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

# Each fits the frame on a terminal of 80 columns: a broken line cannot be copied.
_TRIES: Final = (
    ("tocsin signal tail", "watch everything that happens, live"),
    ('tocsin run start hello --input \'{"name": "Ada"}\' --watch', "run a workflow"),
    ("tocsin trigger send orders --data @examples/inputs/order-fulfilment.json", "send a signed webhook that starts one"),
)


def welcome(installation: Installation, *, seconds: float, sync: str, loaded: int) -> Text:
    """The welcome.

    Args:
        installation: Where everything is.
        seconds: How long the start took.
        sync: Durability of NATS: ``always`` or ``lazy``.
        loaded: How many examples were loaded now.
    """
    text = Text()
    text.append("Tocsin is ready", "bold #d97706")
    text.append(f" in {seconds:.1f} s\n\n")
    text.append("  open      ")
    text.append(f"{installation.url}\n", "bold underline")
    if activate := _activation():
        text.append(f"  shell     . {activate}\n")
    text.append("  log in    tocsin login --local\n")
    text.append(f"            user admin, password in {_shown(installation.admin_file)}\n", "dim")
    text.append("\nThree things to try, in another terminal:\n\n", "bold")
    for line, what in _TRIES:
        text.append(f"  {line}\n")
        text.append(f"      {what}\n", "dim")
    text.append("\n")
    if loaded:
        text.append(f"{loaded} examples were loaded. ", "dim")
    text.append(f"Durability: {_SYNC[sync]}. Logs: {_shown(installation.folder.path / 'tocsin.log')}. Ctrl-C stops.", "dim")
    return text


def _activation() -> str | None:
    """What puts the command line client on the path of a new terminal, where it is not there already."""
    script = Path(sys.executable).parent / "activate"
    return _shown(script) if script.is_file() else None


def _shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
