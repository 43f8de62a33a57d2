"""Cases of the API: what people do when something needs them.

As in :mod:`tocsin.client.resources`, a method is one request and answers are the API's JSON objects.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from urllib.parse import quote

import orjson

from tocsin.client.resources import Filters
from tocsin.client.transport import Record, Transport
from tocsin.signals import Json

_API = "/api/v1/cases"


def _path(*parts: str) -> str:
    return "/".join([_API, *(quote(part, safe="") for part in parts)])


class Cases:
    """What people do when something needs them."""

    def __init__(self, transport: Transport) -> None:
        """Over ``transport``."""
        self._http = transport

    async def open(self, body: Record) -> Record:
        """Open a case: ``namespace``, ``title``, ``kind``, ``template``, ``description``, ``priority``, ..."""
        return await self._http.post(_API, body)

    def list(self, filters: Filters, *, limit: int | None = None) -> AsyncIterator[Record]:
        """Cases; filters as the API has them: namespace, view, status, priority, owner, tag, link, field, text, ..."""
        return self._http.pages(_API, filters, limit=limit)

    async def facets(self, filters: Filters) -> Record:
        """How many of the cases found have which value."""
        return await self._http.get(_path("facets"), filters)

    async def metrics(self, filters: Filters) -> Record:
        """How soon cases are answered and solved, and how old the backlog is."""
        return await self._http.get(_path("metrics"), filters)

    async def bulk(self, body: Record) -> Record:
        """Change many cases: ``cases``, ``change``, ``status``, ``resolution``."""
        return await self._http.post(_path("bulk"), body)

    async def alert(self, body: Record) -> Record:
        """Send an alert: ``namespace``, ``key``, ``state``, ``title``, ``detail``, ..."""
        return await self._http.post(_path("alerts"), body)

    async def show(self, case: str, at: str | None = None) -> Record:
        """One case, now or at an instant."""
        return await self._http.get(_path(case, "at"), {"at": at}) if at else await self._http.get(_path(case))

    async def change(self, case: str, change: Record) -> Record:
        """Change what is given; the rest stays."""
        return await self._http.patch(_path(case), change)

    async def transition(
        self, case: str, status: str, resolution: str | None, fields: Mapping[str, Json] | None = None
    ) -> Record:
        """Take it to a status."""
        body: Record = {"status": status, **({"resolution": resolution} if resolution else {})}
        body |= {"fields": dict(fields)} if fields else {}
        return await self._http.post(_path(case, "transitions"), body)

    async def history(self, case: str) -> Record:
        """Every change."""
        return await self._http.get(_path(case, "history"))

    async def report(self, case: str, *, as_json: bool = False, internal: bool = False) -> bytes:
        """The report, Markdown or JSON."""
        query = {"format": "json" if as_json else "markdown", "internal": internal}
        return await self._http.send("GET", _path(case, "report"), query=query)

    async def comment(self, case: str, text: str, *, internal: bool = False, parent: str | None = None) -> Record:
        """Say something, in Markdown."""
        body: Record = {"text": text, "visibility": "internal" if internal else "public"}
        return await self._http.post(_path(case, "comments"), {**body, **({"parent": parent} if parent else {})})

    async def edit_comment(self, case: str, comment: str, text: str) -> Record:
        """Change what one said; what it said before stays."""
        return await self._http.patch(_path(case, "comments", comment), {"text": text})

    def comments(self, case: str) -> AsyncIterator[Record]:
        """What was said."""
        return self._http.pages(_path(case, "comments"))

    async def link(self, case: str, link: Record, *, remove: bool = False) -> Record:
        """Say what it is about, or take it back."""
        content = orjson.dumps(link)
        body = await self._http.send("DELETE" if remove else "POST", _path(case, "links"), content=content)
        value: Record = orjson.loads(body)
        return value

    async def merge(self, case: str, others: Sequence[str], *, apart: bool = False) -> Record:
        """Make one case of several, or take them apart again."""
        return await self._http.post(_path(case, "unmerge" if apart else "merge"), {"cases": [*others]})

    async def split(self, case: str, body: Record) -> Record:
        """Make a case of its own of a part: ``title``, ``links``, ``tasks``, ``comments``, ``observables``, ``files``."""
        return await self._http.post(_path(case, "split"), body)

    async def stop_escalation(self, case: str) -> Record:
        """Let it escalate no further."""
        return await self._http.post(_path(case, "escalation", "stop"))

    def tasks(self, case: str) -> AsyncIterator[Record]:
        """What there is to do."""
        return self._http.pages(_path(case, "tasks"), paged=False)

    async def add_task(self, case: str, body: Record) -> Record:
        """One more thing to do: ``title``, ``owner``, ``due``, ``after``, ``playbook``."""
        return await self._http.post(_path(case, "tasks"), body)

    async def change_task(self, case: str, task: str, change: Record) -> Record:
        """Change a task, its ``status`` too."""
        return await self._http.patch(_path(case, "tasks", task), change)

    async def playbooks(self, case: str) -> Record:
        """What can be started, and what was."""
        return await self._http.get(_path(case, "playbooks"))

    async def start_playbook(self, case: str, name: str, body: Record) -> Record:
        """Start a workflow: ``input``, ``task``."""
        return await self._http.post(_path(case, "playbooks", name), body)

    async def attach(self, case: str, content: bytes, *, name: str, evidence: bool, note: str) -> Record:
        """Put a file to it."""
        query: dict[str, str | bool] = {"name": name, "evidence": evidence, "note": note}
        headers = {"Content-Type": "application/octet-stream"}
        body = await self._http.send("POST", _path(case, "attachments"), query=query, content=content, headers=headers)
        value: Record = orjson.loads(body)
        return value

    def attachments(self, case: str) -> AsyncIterator[Record]:
        """Its files."""
        return self._http.pages(_path(case, "attachments"), paged=False)

    async def read(self, case: str, attachment: str) -> bytes:
        """The content of a file; it is noted that it was read."""
        return await self._http.send("GET", _path(case, "attachments", attachment))

    async def delete_file(self, case: str, attachment: str, reason: str) -> None:
        """Delete the content of a file; its chain of custody stays."""
        await self._http.send("DELETE", _path(case, "attachments", attachment), query={"reason": reason})

    async def custody(self, case: str, attachment: str, note: str | None = None) -> Record:
        """Who held a file; with a note, that it was given to somebody."""
        path = _path(case, "attachments", attachment, "custody")
        return await self._http.get(path) if note is None else await self._http.post(path, {"note": note})

    async def see(self, case: str, type_: str, value: str, note: str) -> Record:
        """Note that something was seen."""
        return await self._http.post(_path(case, "observables"), {"type": type_, "value": value, "note": note})

    def sightings(self, case: str) -> AsyncIterator[Record]:
        """What was seen in it."""
        return self._http.pages(_path(case, "observables"), paged=False)

    async def observable(self, observable: str) -> Record:
        """Something that was seen, and where."""
        return await self._http.get(_path("observables", observable))

    def settings(self, plural: str, namespace: str) -> AsyncIterator[Record]:
        """Everything configured of a kind: types, calendars, escalations, rotations, teams, templates, views, rules."""
        return self._http.pages(_path(plural), {"namespace": namespace}, paged=False)

    async def put_setting(self, plural: str, namespace: str, name: str, body: Record) -> Record:
        """Make or change something configured."""
        return await self._http.put(_path(plural, namespace, name), body)

    async def setting(self, plural: str, namespace: str, name: str) -> Record:
        """Something configured."""
        return await self._http.get(_path(plural, namespace, name))

    async def delete_setting(self, plural: str, namespace: str, name: str) -> Record:
        """Delete something configured."""
        return await self._http.delete(_path(plural, namespace, name))

    async def on_call(self, namespace: str, rotation: str, since: str | None, until: str | None) -> Record:
        """Who is on call, now and later."""
        return await self._http.get(_path("rotations", namespace, rotation, "on-call"), {"since": since, "until": until})
