"""``call: http``: one request, its answer as the task's output, its failures as errors of the language.

Connection failures and statuses outside what the call accepts are ``communication`` errors with the status; what was asked in a
wrong way is a ``configuration`` error.
"""

import base64
import codecs
import re
from collections.abc import Mapping
from typing import Final

import orjson

from tocsin_executor.domain.values import ErrorKind, Json
from tocsin_executor.worker.bodies import FORM, MULTIPART, encoded
from tocsin_executor.worker.calling import Answer, Caller, Request, where
from tocsin_executor.worker.forms import as_text, form_of, pairs_of
from tocsin_executor.worker.policies import read_policy
from tocsin_executor.worker.tasks import Failed, Outcome, Task

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# Codecs of Python that are no character sets of the web; some take a time that grows with the square of the content.
_NO_CHARSETS: Final = frozenset(
    {"idna", "mbcs", "oem", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7"}
)
_HIDDEN_HEADERS: Final = frozenset({"authorization", "cookie", "proxy-authorization", "set-cookie"})
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110
_BREAKS: Final = re.compile(r"[\r\n\0]")
_CHARSET: Final = re.compile(r"charset=\"?([A-Za-z0-9_.:-]+)", re.IGNORECASE)


class HttpRunner:
    """Sends what a task says.

    Args:
        caller: Its connections.
    """

    def __init__(self, caller: Caller) -> None:
        self.caller = caller

    async def run(self, task: Task) -> Outcome:
        """One request."""
        spec = task.spec
        if not isinstance(spec, dict):
            raise Failed(ErrorKind.CONFIGURATION, "The arguments of an HTTP call must be an object.")
        endpoint = spec.get("endpoint")
        url, policy = endpoint, None
        if isinstance(endpoint, Mapping):
            url, policy = endpoint.get("uri"), read_policy(task, endpoint.get("authentication"))
        if not isinstance(url, str):
            raise Failed(ErrorKind.CONFIGURATION, "An HTTP call needs an endpoint with a URI.")
        method = str(spec.get("method", "GET")).upper()
        if method not in _METHODS:
            raise Failed(ErrorKind.CONFIGURATION, f"{method[:20]} is not an HTTP method.")
        headers = headers_of(spec.get("headers"))
        body = body_of(spec.get("body"), headers)
        answer = await self.caller.send(task, Request(method, url, headers, _query(spec.get("query")), body), policy)
        return Outcome(output_of(task, spec, method, answer))


def output_of(task: Task, spec: Mapping[str, Json], method: str, answer: Answer) -> Json:
    """The output that a call asks for.

    Raises:
        Failed: ``communication`` with the status, when it is not one that the call accepts.
    """
    if not 200 <= answer.status < (400 if spec.get("redirect") else 300):
        asked = f"{method} {where(answer.url)}"
        task.say("stderr", f"{asked} answered {answer.status}")
        detail = f"{asked} answered {answer.status} {answer.reason}".rstrip() + "."
        raise Failed(ErrorKind.COMMUNICATION, detail, status=answer.status)
    form = spec.get("output") or "content"
    if form == "raw":
        return base64.b64encode(answer.content).decode()
    parsed = parsed_content(answer)
    if form != "response":
        return parsed
    # Names as plain strings: the HTTP library's own kind of string is none for the JSON library.
    shown: dict[str, Json] = {str(n): v for n, v in answer.sent.items() if n.lower() not in _HIDDEN_HEADERS}
    request: dict[str, Json] = {"method": method, "uri": answer.url, "headers": shown}
    headers: dict[str, Json] = {str(n): v for n, v in answer.headers.items() if n.lower() not in _HIDDEN_HEADERS}
    return {"request": request, "statusCode": answer.status, "headers": headers, "content": parsed}


def parsed_content(answer: Answer) -> Json:
    """The content as data: JSON, text, or base64 of anything else."""
    content, media = answer.content, answer.content_type
    if not content:
        return None
    if media == "application/json" or media.endswith("+json"):
        try:
            value: Json = orjson.loads(content.removeprefix(codecs.BOM_UTF8))
        except orjson.JSONDecodeError as error:
            text = _text_of(answer)  # JSON is UTF-8 by its own rules; some servers have others
            try:
                value = orjson.loads(text if text is not None else b"")
            except orjson.JSONDecodeError:
                raise Failed(ErrorKind.COMMUNICATION, "The answer says it is JSON and is not.", status=502) from error
        return value
    text = _text_of(answer)
    return base64.b64encode(content).decode() if text is None else text


def _text_of(answer: Answer) -> str | None:
    """The content in its character set; ``None`` if it is not in that."""
    charset = _CHARSET.search(next((v for n, v in answer.headers.items() if n.lower() == "content-type"), ""))
    try:
        named = codecs.lookup(charset[1] if charset else "utf-8").name
        if named in _NO_CHARSETS:
            raise LookupError(named)
        text = answer.content.decode(named)
        text.encode()  # some decode what is half a character
    except (UnicodeError, LookupError):
        return None
    return text


def headers_of(given: Json) -> dict[str, str]:
    """Headers as texts; those that are null are not sent.

    Raises:
        Failed: ``configuration``: a name that is none, or a value with a line break in it.
    """
    headers = {str(name): as_text(value) for name, value in as_mapping(given, "headers").items() if value is not None}
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            raise Failed(ErrorKind.CONFIGURATION, f"{name[:60]!r} is not the name of a header.")
        if _BREAKS.search(value):
            raise Failed(ErrorKind.CONFIGURATION, f"The header {name[:60]} holds a line break or a null character.")
    return headers


def body_of(body: Json, headers: dict[str, str]) -> bytes | None:
    """A body's bytes; its ``Content-Type`` is added to the headers unless they have one."""
    if body is None:
        return None
    given = next((value for name, value in headers.items() if name.lower() == "content-type"), None)
    media = (given or "").partition(";")[0].strip().lower()
    if media == FORM and isinstance(body, Mapping):
        return form_of(body)
    if media == MULTIPART and isinstance(body, Mapping):
        content, whole = encoded(body, media)
        headers.update(dict.fromkeys((name for name in headers if name.lower() == "content-type"), whole))
        return content
    if isinstance(body, str):
        if given is None:
            headers["Content-Type"] = "text/plain; charset=utf-8"
        return _encoded(body, given or "")
    if given is None:
        headers["Content-Type"] = "application/json"
    return orjson.dumps(body)


def _encoded(text: str, media: str) -> bytes:
    """A text in the character set that its header names."""
    charset = _CHARSET.search(media)
    try:
        return text.encode(charset[1] if charset else "utf-8")
    except (LookupError, UnicodeError, TypeError) as error:
        detail = f"The body is not in the character set of its Content-Type, {media[:100]!r}."
        raise Failed(ErrorKind.CONFIGURATION, detail) from error


def _query(query: Json) -> list[tuple[str, str]]:
    return pairs_of(as_mapping(query, "query"))


def as_mapping(value: Json, what: str) -> Mapping[str, Json]:
    """An object, or nothing.

    Raises:
        Failed: ``configuration``.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise Failed(ErrorKind.CONFIGURATION, f"The {what} of a call must be an object.")
    return value
