"""A platform that fits in one file: the API's contract over a real HTTP server, with state in memory."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

from aiohttp import web

START = datetime(2026, 7, 1, 12, tzinfo=UTC)


def problem(status, code, detail, **more):
    body = {
        "type": f"https://tocsin.dev/errors/{code}",
        "title": code,
        "status": status,
        "detail": detail,
        "code": code,
        **more,
    }
    return web.json_response(body, status=status, content_type="application/problem+json")


class FakePlatform:
    """Answers as the gateway does; tests look at what it was asked."""

    def __init__(self):
        self.requests = []
        self.valid = {"access-1"}
        self.refresh_tokens = {"refresh-1": 1}
        self.workflows = {}
        self.runs = {}
        self.tasks = {}
        self.streams = []
        self.published = []
        self.hooks = []
        self.triggers = {}
        self.old_runs = {}  # live runs of an older version, and what becomes of each that is to be moved
        self.looked_at = 2
        self.streaming = True
        self.opened = asyncio.Event()
        self._turn = asyncio.Condition()

    def application(self):
        app = web.Application(middlewares=[self.guard])
        r = app.router
        r.add_post("/api/v1/auth/login", self.login)
        r.add_post("/api/v1/auth/refresh", self.refresh)
        r.add_post("/api/v1/auth/logout", self.logout)
        r.add_get("/api/v1/auth/me", self.me)
        r.add_get("/api/v1/status", self.status)
        r.add_post("/api/v1/workflows", self.apply_workflow)
        r.add_get("/api/v1/workflows", self.list_workflows)
        r.add_post("/api/v1/runs", self.start_run)
        r.add_get("/api/v1/runs", self.list_runs)
        r.add_get("/api/v1/runs/{id}", self.show_run)
        r.add_get("/api/v1/runs/{id}/tasks", self.show_tasks)
        r.add_post("/api/v1/runs/{id}/cancel", self.cancel_run)
        r.add_get("/api/v1/workflows/{ns}/{name}/migration", self.migration)
        r.add_post("/api/v1/runs/{id}/migrate", self.migrate)
        r.add_get("/api/v1/signals/stream", self.stream)
        r.add_post("/api/v1/events", self.publish)
        r.add_put("/api/v1/triggers/{ns}/{name}", self.put_trigger)
        r.add_post("/hooks/{ns}/{name}", self.hook)
        return app

    @web.middleware
    async def guard(self, request, handler):
        self.requests.append((request.method, request.path_qs, request.headers.get("Authorization")))
        async with self._turn:
            self._turn.notify_all()
        public = request.path in {
            "/api/v1/auth/login",
            "/api/v1/auth/refresh",
            "/api/v1/auth/logout",
        } or request.path.startswith("/hooks/")
        token = (request.headers.get("Authorization") or "").removeprefix("Bearer ")
        if not public and token not in self.valid:
            return problem(401, "unauthenticated", "the token is missing or has expired")
        try:
            return await handler(request)
        except KeyError as missing:
            return problem(404, "not_found", f"there is no {missing}")

    async def asked(self, path, times=1):
        """Wait until ``path`` was asked for so many times."""
        async with self._turn:
            await self._turn.wait_for(lambda: sum(asked.partition("?")[0] == path for _, asked, _ in self.requests) >= times)

    def _tokens(self, number):
        access, refresh = f"access-{number}", f"refresh-{number}"
        self.valid.add(access)
        self.refresh_tokens = {refresh: number}
        return web.json_response({"access_token": access, "refresh_token": refresh, "expires_in": 900})

    async def login(self, request):
        body = await request.json()
        if body != {"user": "admin", "password": "correct horse"}:
            return problem(401, "unauthenticated", "user or password is wrong")
        return self._tokens(1)

    async def refresh(self, request):
        number = self.refresh_tokens.get((await request.json())["refresh_token"])
        if number is None:
            return problem(401, "unauthenticated", "the login has ended")
        return self._tokens(number + 1)

    async def logout(self, request):
        self.refresh_tokens.clear()
        return web.Response(status=204)

    async def me(self, request):
        return web.json_response({"subject": "user:admin", "name": "admin", "grants": []})

    async def status(self, request):
        return web.json_response(
            {"services": [{"name": "auth", "ready": True, "version": "0.1.0"}, {"name": "case", "ready": False}]}
        )

    async def apply_workflow(self, request):
        text = await request.text()
        if "broken" in text:
            errors = [
                {"pointer": "/do/0", "detail": "there is no task `cal`", "hint": "did you mean `call`?", "line": 7, "column": 5}
            ]
            return problem(422, "invalid_definition", "the definition is not valid", errors=errors)
        self.workflows["hello"] = text
        return web.json_response(
            {"namespace": "default", "name": "hello", "version": "1.0.0", "digest": "sha256:1"}, status=201
        )

    async def list_workflows(self, request):
        everything = [{"namespace": "default", "name": f"w{n}", "version": "1.0.0"} for n in range(5)]
        begin = int(request.query.get("cursor", 0))
        end = begin + min(2, int(request.query["limit"]))
        following = str(end) if end < len(everything) else None
        return web.json_response({"items": everything[begin:end], "next_cursor": following})

    async def start_run(self, request):
        body = await request.json()
        if body["workflow"] not in {"hello", "slow"}:
            return problem(404, "not_found", f"there is no workflow {body['workflow']}")
        status = "completed" if body["workflow"] == "hello" else "running"
        run = {"id": f"01run{len(self.runs)}", "status": status, "created_at": START.isoformat(), **body}
        if status == "completed":
            run |= {"output": {"greeting": "hello"}, "ended_at": (START + timedelta(seconds=1)).isoformat()}
        self.runs[run["id"]] = run
        self.tasks[run["id"]] = [
            {
                "name": "greet",
                "reference": "/do/0/greet",
                "status": status,
                "attempt": 1,
                "started_at": START.isoformat(),
                "ended_at": (START + timedelta(milliseconds=12)).isoformat() if status == "completed" else None,
            }
        ]
        return web.json_response(run, status=200 if status == "completed" else 202)

    async def list_runs(self, request):
        return web.json_response({"items": list(self.runs.values()), "next_cursor": None})

    async def show_run(self, request):
        return web.json_response(self.runs[request.match_info["id"]])

    async def show_tasks(self, request):
        return web.json_response({"items": self.tasks[request.match_info["id"]], "next_cursor": None})

    async def migration(self, request):
        shown = list(self.old_runs)[: self.looked_at]
        blocked = [run for run in shown if self.old_runs[run] == "blocked"]
        runs = [{"run": run, "version": "1.0.0", "blocked": ["no"] if run in blocked else []} for run in shown]
        body = {"version": "2.0.0", "live": len(shown), "safe": len(shown) - len(blocked), "blocked": len(blocked)}
        limit = int(request.query.get("limit", "200"))
        return web.json_response(body | {"reasons": {}, "runs": runs[:limit], "more": len(self.old_runs) > self.looked_at})

    async def migrate(self, request):
        run = request.match_info["id"]
        match self.old_runs[run]:
            case "moves":
                del self.old_runs[run]
                return web.json_response({"id": run, "version": "2.0.0"}, status=202)
            case "asked":
                return web.json_response({"id": run, "version": "1.0.0"}, status=202)
            case "goes on":
                return problem(409, "run_not_in_that_state", "it has gone on")
        return problem(503, "unavailable", "later")

    async def cancel_run(self, request):
        run = self.runs[request.match_info["id"]]
        if run["status"] != "running":
            return problem(409, "conflict", f"the run is {run['status']}")
        run["status"] = "cancelling"
        return web.json_response(run)

    async def stream(self, request):
        if not self.streaming:
            return problem(503, "unavailable", "no stream today")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"retry: 100\n\n")
        queue = asyncio.Queue()
        self.streams.append((request.query["subject"], request.headers.get("Last-Event-ID"), queue))
        self.opened.set()
        while (chunk := await queue.get()) is not None:
            await response.write(chunk)
        return response

    def push(self, number, event):
        """A signal to everybody who listens."""
        for _, _, queue in self.streams:
            queue.put_nowait(f"id: {number}\ndata: {json.dumps(event)}\n\n".encode())

    def cut(self):
        """End all streams, as a restart does."""
        for _, _, queue in self.streams:
            queue.put_nowait(None)
        self.streams.clear()
        self.opened.clear()

    async def publish(self, request):
        self.published.append((request.query["namespace"], request.content_type, await request.json()))
        return web.json_response({"accepted": 1}, status=202)

    async def put_trigger(self, request):
        key = (request.match_info["ns"], request.match_info["name"])
        self.triggers[key] = await request.json()
        return web.json_response({"namespace": key[0], "name": key[1], "secret": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"})

    async def hook(self, request):
        self.hooks.append((request.path, dict(request.headers), await request.read()))
        return web.json_response({"event": "e1", "accepted": True}, status=202)


def task_signal(transition, reference, seconds, run="01run0", **data):
    """A lifecycle signal of a task."""
    return {
        "specversion": "1.0",
        "id": f"{transition}{reference}{seconds}",
        "source": f"/namespaces/default/runs/{run}",
        "type": f"io.serverlessworkflow.task.{transition}.v1",
        "time": (START + timedelta(seconds=seconds)).isoformat(),
        "subject": run,
        "namespace": "default",
        "data": {"workflow": f"slow-{run}.default", "task": reference, **data},
    }


def run_signal(transition, seconds, run="01run0", **data):
    """A lifecycle signal of a run."""
    signal = task_signal(transition, "", seconds, run)
    return {
        **signal,
        "type": f"io.serverlessworkflow.workflow.{transition}.v1",
        "data": {"name": f"slow-{run}.default", **data},
    }
