// The console: logs in, then shows services, runs and the live signals. Everything a reader sees is put in as text, never as HTML.
"use strict";

const SIGNALS_SHOWN = 60;
const REFRESH_MS = 5000;
const byId = (id) => document.getElementById(id);
let refreshTimer = null;
let stream = null;
let lastEventId = null;

const tokens = {
  get access() { return sessionStorage.getItem("access"); },
  get refresh() { return sessionStorage.getItem("refresh"); },
  keep(answer) {
    sessionStorage.setItem("access", answer.access_token);
    if (answer.refresh_token) sessionStorage.setItem("refresh", answer.refresh_token);
  },
  drop() { sessionStorage.removeItem("access"); sessionStorage.removeItem("refresh"); },
};

async function post(path, body) {
  const answer = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  const parsed = answer.status === 204 ? {} : await answer.json().catch(() => ({}));
  if (!answer.ok) throw Object.assign(new Error(parsed.detail || `The platform answered ${answer.status}.`), { code: parsed.code });
  return parsed;
}

let renewing = null;
function renew() {
  // One renewal at a time: a refresh token is good for one use.
  renewing ??= post("/api/v1/auth/refresh", { refresh_token: tokens.refresh }).then((a) => tokens.keep(a)).finally(() => { renewing = null; });
  return renewing;
}

async function call(path, options = {}) {
  const ask = () => fetch(path, { ...options, headers: { ...options.headers, Authorization: `Bearer ${tokens.access}` } });
  let answer = await ask();
  if (answer.status === 401 && tokens.refresh) {
    try { await renew(); } catch { logout(); throw new Error("Logged out."); }
    answer = await ask();
  }
  if (answer.status === 401) { logout(); throw new Error("Logged out."); }
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
  return answer;
}

function cell(text, className) {
  const td = document.createElement("td");
  td.textContent = text ?? "";
  td.title = text ?? "";
  if (className) td.className = className;
  return td;
}

async function showServices() {
  const { services } = await (await call("/api/v1/status")).json();
  byId("services").replaceChildren(...services.map((service) => {
    const li = document.createElement("li");
    const dot = document.createElement("span");
    dot.className = `dot ${service.ready ? "ready" : "down"}`;
    const detail = document.createElement("span");
    detail.className = "detail";
    detail.textContent = service.ready ? "ready" : (service.detail || "not ready");
    li.append(dot, service.name, detail);
    return li;
  }));
}

function took(run) {
  if (!run.started_at) return "";
  const ms = Math.max(0, new Date(run.ended_at ?? Date.now()) - new Date(run.started_at));
  if (ms < 1) return "< 1 ms";
  return ms < 1000 ? `${ms} ms` : ms < 60000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.floor(ms / 60000)} min ${Math.round((ms % 60000) / 1000)} s`;
}

async function showRuns() {
  const { items } = await (await call("/api/v1/runs?limit=12")).json();
  byId("no-runs").hidden = items.length > 0;
  byId("runs").replaceChildren(...items.map((run) => {
    const tr = document.createElement("tr");
    const status = document.createElement("td");
    const badge = document.createElement("span");
    badge.className = `status ${run.status}`;
    badge.textContent = run.status;
    status.append(badge);
    const started = clock(run.started_at);
    tr.append(status, cell(`${run.namespace}/${run.workflow} ${run.version ?? ""}`), cell(run.id), cell(started), cell(took(run), "number"));
    return tr;
  }));
}

// io.serverlessworkflow.task.completed.v1 -> task completed
const shortType = (type) => type.replace(/^io\.[a-z]+\./, "").replace(/\.v\d+$/, "").replaceAll(".", " ");

const clock = (time) => (time ? new Date(time).toLocaleTimeString([], { hour12: false, hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 }) : "");

// What the other columns do not say already: not when, and not which run.
function detail(data) {
  const said = Object.entries(data ?? {}).filter(([name]) => !/(At|^name|^workflow|_at)$/.test(name));
  return said.map(([name, value]) => (typeof value === "string" ? `${name} ${value}` : `${name} ${JSON.stringify(value)}`)).join(" · ");
}

function showSignal(signal) {
  byId("no-signals").hidden = true;
  const tr = document.createElement("tr");
  tr.className = "new";
  tr.append(cell(clock(signal.time)), cell(shortType(signal.type)), cell(signal.namespace), cell(signal.subject), cell(detail(signal.data), "data"));
  tr.title = signal.type;
  const table = byId("signals");
  table.prepend(tr);
  while (table.rows.length > SIGNALS_SHOWN) table.deleteRow(-1);
}

async function follow() {
  // EventSource cannot send a token, so the stream is read by hand; Last-Event-ID makes a reconnect free of gaps.
  while (tokens.access) {
    stream = new AbortController();
    try {
      const headers = { Accept: "text/event-stream", ...(lastEventId ? { "Last-Event-ID": lastEventId } : {}) };
      const answer = await call("/api/v1/signals/stream", { headers, signal: stream.signal });
      byId("live").className = "dot on";
      await readEvents(answer.body.pipeThrough(new TextDecoderStream()).getReader());
    } catch { /* the loop tries again */ }
    byId("live").className = "dot down";
    await new Promise((resolve) => setTimeout(resolve, 1500));
  }
}

async function readEvents(reader) {
  let buffer = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (buffer + value.replaceAll("\r", "")).split("\n\n");
    buffer = blocks.pop();
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split("\n").filter((line) => line && !line.startsWith(":")).map((line) => line.split(/: ?(.*)/s, 2)));
      if (fields.id) lastEventId = fields.id;
      if (fields.data) showSignal(JSON.parse(fields.data));
    }
  }
}

async function refresh() {
  await Promise.allSettled([showServices(), showRuns()]);
}

function enter() {
  byId("login").hidden = true;
  byId("console").hidden = false;
  byId("logout").hidden = false;
  call("/api/v1/auth/me").then((a) => a.json()).then((me) => { byId("who").textContent = me.name ?? me.sub ?? ""; }).catch(() => {});
  refresh();
  refreshTimer = setInterval(refresh, REFRESH_MS);
  follow();
}

function logout() {
  tokens.drop();
  clearInterval(refreshTimer);
  stream?.abort();
  byId("who").textContent = "";
  byId("logout").hidden = true;
  byId("console").hidden = true;
  byId("login").hidden = false;
}

byId("login-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = new FormData(event.target);
  byId("login-problem").textContent = "";
  try {
    const code = form.get("code")?.trim();
    tokens.keep(await post("/api/v1/auth/login", { user: form.get("user"), password: form.get("password"), ...(code ? { code } : {}) }));
    event.target.reset();
    byId("code").hidden = true;
    enter();
  } catch (problem) {
    if (problem.code === "second_factor_needed") byId("code").hidden = false;
    byId("login-problem").textContent = problem.message;
  }
});

// Single sign-on: the ticket stays in this tab, so nobody can be made to finish a login that somebody else began.
async function offerSingleSignOn() {
  const offer = await (await fetch("/api/v1/auth/oidc")).json();
  if (!offer.available) return;
  byId("oidc").textContent = `Log in with ${offer.label}`;
  byId("oidc").hidden = false;
  byId("oidc").addEventListener("click", async () => {
    try {
      const begun = await post("/api/v1/auth/oidc/begin", { redirect_uri: offer.redirect_uri });
      sessionStorage.setItem("oidc", JSON.stringify({ state: begun.state, ticket: begun.ticket }));
      location.assign(begun.url);
    } catch (problem) {
      byId("login-problem").textContent = problem.message;
    }
  });
}

async function comeBack() {
  const query = new URLSearchParams(location.search);
  const begun = JSON.parse(sessionStorage.getItem("oidc") ?? "null");
  if (!query.has("state")) return;
  sessionStorage.removeItem("oidc");
  history.replaceState(null, "", "/"); // the code must not stay in the address
  try {
    if (begun?.state !== query.get("state") || !query.has("code")) throw new Error("This login was not begun here, or was refused.");
    tokens.keep(await post("/api/v1/auth/oidc/finish", { state: begun.state, ticket: begun.ticket, code: query.get("code") }));
  } catch (problem) {
    byId("login-problem").textContent = problem.message;
  }
}

byId("logout").addEventListener("click", () => { post("/api/v1/auth/logout", { refresh_token: tokens.refresh }).catch(() => {}); logout(); });

comeBack().finally(() => { if (tokens.access) enter(); else { logout(); offerSingleSignOn().catch(() => {}); } });
