"""Objects in S3-compatible stores, by listing; requests are signed with AWS Signature Version 4.

The signature is written here (forty lines of HMAC, for one kind of request) and not taken from AWS's own library, whose import
costs every start of the service more than the whole service does. A test holds it to AWS's published example.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from urllib.parse import quote, urlsplit
from xml.etree.ElementTree import Element, ParseError

import orjson
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from tocsin.errors import Forbidden, Invalid, Rejected, Unavailable
from tocsin.expressions import Json
from tocsin_trigger.adapters.polling import Fetching, SecretSource
from tocsin_trigger.domain.sources import BucketSource
from tocsin_trigger.domain.triggers import Trigger
from tocsin_trigger.domain.watching import Item, Look

_PAGES = 20  # of a thousand keys, in one look
_AT_ONCE = 500  # events of one look
_OVERLAP = timedelta(minutes=15)  # how much later than its time an object may appear in the list
_EMPTY = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class Keys:
    """A pair of keys.

    Attributes:
        access: Names the pair.
        secret: Signs.
    """

    access: str
    secret: str


@dataclass(frozen=True, slots=True)
class _Object:
    key: str
    etag: str
    size: int
    modified: datetime

    @property
    def id(self) -> str:
        return f"{self.key}:{self.etag}"


class Buckets:
    """Lists buckets.

    Args:
        fetching: The connections.
        secrets: For keys.
    """

    def __init__(self, fetching: Fetching, secrets: SecretSource) -> None:
        self._fetching = fetching
        self._secrets = secrets

    async def close(self) -> None:
        """Close the connections."""
        await self._fetching.close()

    async def look(self, trigger: Trigger, source: BucketSource, cursor: Json, now: datetime) -> Look:
        """Objects that are new since the last look, the oldest first.

        Raises:
            Unavailable: The store does not answer.
            Rejected: It refuses, or answers something else.
        """
        keys = await self._keys(trigger, source)
        known: dict[str, Json] = cursor if isinstance(cursor, dict) else {}
        after = datetime.fromisoformat(str(known["after"])) if "after" in known else None
        recent = known.get("recent")
        recent_ids = set(map(str, recent)) if isinstance(recent, list) else set()
        listed = sorted(await self._list(source, keys, now), key=lambda each: (each.modified, each.key))
        new = [
            each
            for each in listed
            if fnmatchcase(each.key, source.pattern)
            and (after is None or each.modified >= after - _OVERLAP)
            and each.id not in recent_ids
        ]
        taken = new[:_AT_ONCE]
        reached = max([each.modified for each in taken] + ([after] if after else []), default=None)
        if reached is None:
            return Look((), known)
        remembered = {each.id for each in taken} | recent_ids
        ids: list[Json] = [each.id for each in listed if each.id in remembered and each.modified >= reached - _OVERLAP]
        items = tuple(Item(each.id, _data(source, each), each.modified) for each in taken)
        return Look(items, {"after": reached.isoformat(), "recent": ids}, more=len(new) > len(taken))

    async def _keys(self, trigger: Trigger, source: BucketSource) -> Keys | None:
        if source.secret is None:
            return None
        values = await self._secrets.resolve(trigger.namespace, [source.secret], used_by={"trigger": trigger.name})
        value = orjson.loads(values[source.secret].reveal())
        if not isinstance(value, dict) or not {"access_key", "secret_key"} <= value.keys():
            raise Invalid(f"The secret {source.secret} is an object with access_key and secret_key.")
        return Keys(str(value["access_key"]), str(value["secret_key"]))

    async def _list(self, source: BucketSource, keys: Keys | None, now: datetime) -> list[_Object]:
        found: list[_Object] = []
        token: str | None = None
        for _ in range(_PAGES):
            query = {"list-type": "2", "prefix": source.prefix} | ({} if token is None else {"continuation-token": token})
            url, headers = signed(f"{source.endpoint.rstrip('/')}/{source.bucket}", query, keys, source.region, now)
            status, body, _ = await self._fetching.get(url, headers)
            if status in {401, 403}:
                raise Forbidden(f"The store refuses these keys ({status}).")
            if status != 200:
                raise Unavailable(f"The store answered {status}.")
            page, token = _page(body)
            found += page
            if token is None:
                return found
        raise Rejected(f"There are more than {_PAGES * 1000} objects below this prefix.", hint="Watch narrower prefixes.")


def signed(base: str, query: Mapping[str, str], keys: Keys | None, region: str, now: datetime) -> tuple[str, dict[str, str]]:
    """The URL and the headers of a GET request.

    Args:
        base: URL without query.
        query: Its parameters.
        keys: That sign; ``None``: nothing is signed.
        region: Of the store.
        now: The present, in UTC.

    Source:
        AWS, "Authenticating Requests: Using the Authorization Header (AWS Signature Version 4)".
    """
    parts = urlsplit(base)
    path = quote(parts.path or "/", safe="/-_.~")
    asked = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in sorted(query.items()))
    url = f"{parts.scheme}://{parts.netloc}{path}?{asked}"
    if keys is None:
        return url, {}
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    headers = {"host": parts.netloc, "x-amz-content-sha256": _EMPTY, "x-amz-date": stamp}
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    request = f"GET\n{path}\n{asked}\n{lines}\n{names}\n{_EMPTY}"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{keys.secret}".encode()
    for part in (stamp[:8], region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    credential = f"AWS4-HMAC-SHA256 Credential={keys.access}/{scope}"
    headers["Authorization"] = f"{credential}, SignedHeaders={names}, Signature={signature}"
    return url, {name: value for name, value in headers.items() if name != "host"}


def _page(body: bytes) -> tuple[list[_Object], str | None]:
    try:
        root: Element = fromstring(body)
    except (ParseError, DefusedXmlException) as error:
        raise Rejected("The store's answer is no list of objects.") from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    try:
        objects = [
            _Object(
                _said(each, "Key"),
                _said(each, "ETag").strip('"'),
                int(_said(each, "Size")),
                datetime.fromisoformat(_said(each, "LastModified")),
            )
            for each in root.iter("Contents")
        ]
    except ValueError as error:
        raise Rejected("The store's answer is no list of objects.") from error
    more = root.findtext("IsTruncated") == "true"
    return objects, root.findtext("NextContinuationToken") if more else None


def _said(element: Element, name: str) -> str:
    return element.findtext(name) or ""


def _data(source: BucketSource, each: _Object) -> dict[str, Json]:
    return {
        "bucket": source.bucket,
        "key": each.key,
        "etag": each.etag,
        "size": each.size,
        "modified": each.modified.isoformat(),
    }
