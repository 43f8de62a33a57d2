"""Takes secrets out of log entries, in three ways because each alone is forgotten one day: by type, by name, by shape.

Values of :class:`~tocsin_kit.config.Secret` never show anyway; keys that sound like secrets hide their text; and text that
looks like a bearer token, one of our API keys or a password inside a URL is cut out wherever it stands.
"""

import re
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, Final

from tocsin_kit.config.secret import HIDDEN, Secret

_KEYS: Final = re.compile(
    r"passw(or)?d|passphrase|secret|token|authorization|api[-_]?key|private[-_]?key|credential|cookie|signature|seed",
    re.IGNORECASE,
)
_SHAPES: Final = (
    (re.compile(r"\btcn_[0-9a-z]{8,}_[0-9A-Za-z]+"), HIDDEN),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]+"), HIDDEN),  # a JWT: {"... in base 64
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"(?<=://)[^/@\s:]*:[^/@\s]+(?=@)"), HIDDEN),
    (re.compile(r"(?i)(?<=[?&])([\w.-]*(?:passw|secret|token|key|sig)[\w.-]*=)[^&\s\"'<>]+"), rf"\1{HIDDEN}"),  # in a query
    (re.compile(r"\bS[AUOCN][A-Z2-7]{56}\b"), HIDDEN),  # an nkey seed
)
_DEPTH: Final = 5  # levels; deeper structures have no place in a log entry


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Structlog processor: hide what must not be read in a log."""
    for key, value in event.items():
        if type(value) in {int, float, bool, type(None)}:
            continue
        event[key] = _hidden(value) if _KEYS.search(key) else _clean(value, _DEPTH)
    return event


def sounds_secret(name: str) -> bool:
    """Whether a field of this name holds what nobody may read."""
    return _KEYS.search(name) is not None


def redact_text(text: str) -> str:
    """The text without what looks like a secret."""
    for pattern, replacement in _SHAPES:
        text = pattern.sub(replacement, text)
    return text


def _hidden(value: object) -> object:
    return value if isinstance(value, int | float | None) else HIDDEN


def _clean(value: object, depth: int) -> object:
    if isinstance(value, str):
        return redact_text(value) if len(value) >= 8 else value
    if isinstance(value, int | float | None):
        return value
    if isinstance(value, Secret | bytes):
        return HIDDEN if isinstance(value, Secret) else f"{len(value)} bytes"
    if depth == 0:
        return "..."
    if isinstance(value, Mapping):
        return {str(k): _hidden(v) if _KEYS.search(str(k)) else _clean(v, depth - 1) for k, v in value.items()}
    if isinstance(value, Sequence | set | frozenset):
        return [_clean(item, depth - 1) for item in value]
    return redact_text(str(value))
