"""URI templates where the engine itself makes the URI: the source of an event, the type of an error."""

import json
import re
from typing import Final

from tocsin_executor.domain.values import Json

_NAME: Final = re.compile(r"\{([^{}]+)\}")
_WRONG: Final = "stands for an array or object; only simple values can be part of a URI"


def expanding(text: Json) -> Json:
    """A URI template (RFC 6570, simple expansion) as a strict expression; anything else as it is.

    A field that is missing is empty, one that is an array or object is an error of the expression, as in the endpoint of a
    call.
    """
    if not isinstance(text, str) or "${" in text or _NAME.search(text) is None:
        return text
    pieces = []
    for index, part in enumerate(_NAME.split(text)):  # text, name, text, name, ...
        if index % 2 == 0:
            pieces.append(json.dumps(part))
            continue
        said = json.dumps(f"'{{{part}}}' of the URI {_WRONG}")
        plain = f'if . == null then "" elif type == "array" or type == "object" then error({said}) else (tostring | @uri) end'
        pieces.append(f"(.[{json.dumps(part)}]? | {plain})")
    return f"${{ {' + '.join(pieces)} }}"
