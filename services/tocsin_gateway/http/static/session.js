// Who is logged in, and every question to the platform.

export const tokens = {
  get access() { return sessionStorage.getItem("access"); },
  get refresh() { return sessionStorage.getItem("refresh"); },
  keep(answer) {
    sessionStorage.setItem("access", answer.access_token);
    if (answer.refresh_token) sessionStorage.setItem("refresh", answer.refresh_token);
  },
  drop() { sessionStorage.removeItem("access"); sessionStorage.removeItem("refresh"); login += 1; renewing = null; },
};

let login = 0; // what was asked in one of them says nothing about the next
let renewing = null;

export const ended = new EventTarget(); // says "logout" when the session is over, and "renewed" when what the reader may do may have changed

export async function post(path, body) {
  const answer = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  const parsed = answer.status === 204 ? {} : await answer.json().catch(() => ({}));
  if (!answer.ok) throw Object.assign(new Error([parsed.detail || `The platform answered ${answer.status}`, parsed.hint].filter(Boolean).join(" – ")), { code: parsed.code });
  return parsed;
}

function renew() {
  // One renewal at a time: a refresh token is good for one use.
  const mine = login;
  renewing ??= post("/api/v1/auth/refresh", { refresh_token: tokens.refresh }).then((a) => {
    if (mine !== login) throw new Error("Logged out.");
    tokens.keep(a);
    ended.dispatchEvent(new Event("renewed"));
  }).finally(() => { if (mine === login) renewing = null; });
  return renewing;
}

function over(mine) {
  if (mine === login) {
    tokens.drop();
    ended.dispatchEvent(new Event("logout"));
  }
  throw new Error("Logged out.");
}

export async function call(path, options = {}) {
  const mine = login;
  const ask = () => fetch(path, { ...options, headers: { ...options.headers, Authorization: `Bearer ${tokens.access}` } });
  let answer = await ask();
  if (answer.status === 401 && tokens.refresh && mine === login) {
    try { await renew(); } catch { over(mine); }
    answer = await ask();
  }
  if (answer.status === 401) over(mine);
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({}));
    throw Object.assign(new Error([problem.detail || `${path} answered ${answer.status}`, problem.hint].filter(Boolean).join(" – ")), { code: problem.code, status: answer.status, errors: problem.errors?.length ? problem.errors : null });
  }
  return answer;
}

export async function get(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value != null && value !== "");
  const search = new URLSearchParams(given).toString();
  return (await call(search ? `/api/v1/${path}?${search}` : `/api/v1/${path}`)).json();
}

// Part of an address, whatever something is called.
export const uri = encodeURIComponent;

// The same, or a stand-in where the reader may not see it.
export const look = (path, query, otherwise) => get(path, query).catch((problem) => {
  if (problem.status === 403 || problem.status === 404) return otherwise;
  throw problem;
});

// A body of null is none.
export async function tell(path, body = {}, method = "POST") {
  const said = body === null ? {} : { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const answer = await call(`/api/v1/${path}`, { method, ...said });
  return answer.status === 204 ? {} : answer.json();
}

// Signals as they come. EventSource cannot send a token, so the stream is read by hand; Last-Event-ID makes a reconnect free of gaps.
let lastEventId = null;
let stream = null;
export async function follow(heard, isLive) {
  stream?.abort();
  stream = new AbortController();
  const { signal } = stream;
  while (tokens.access && !signal.aborted) {
    try {
      const headers = { Accept: "text/event-stream", ...(lastEventId ? { "Last-Event-ID": lastEventId } : {}) };
      const answer = await call("/api/v1/signals/stream", { headers, signal });
      isLive(true);
      await readEvents(answer.body.pipeThrough(new TextDecoderStream()).getReader(), heard);
    } catch (problem) {
      if (problem.status === 410) lastEventId = null; // what came meanwhile is not kept any more
      if (problem.status === 403) { isLive(null); return; } // the reader may not hear them
    }
    if (signal.aborted) return;
    isLive(false);
    await new Promise((resolve) => setTimeout(resolve, 1500));
  }
}

// Whoever logs in next hears what is said from then on.
export function unfollow() {
  stream?.abort();
  lastEventId = null;
}

async function readEvents(reader, heard) {
  let buffer = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done || !tokens.access) return;
    const blocks = (buffer + value.replaceAll("\r", "")).split("\n\n");
    buffer = blocks.pop();
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split("\n").filter((line) => line && !line.startsWith(":")).map((line) => line.split(/: ?(.*)/s, 2)));
      if (fields.id) lastEventId = fields.id;
      if (fields.data) heard(JSON.parse(fields.data));
    }
  }
}
