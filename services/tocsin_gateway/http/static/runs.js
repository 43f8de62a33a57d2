// Runs: the list with its filters, and one run with its timeline, what it waits for, and what can be done about it.

import { action, badge, card, clock, el, facts, json, link, paged, refresh, span, table, took, when } from "./parts.js";
import { get, look, tell } from "./session.js";

const STATUSES = ["", "running", "waiting", "suspended", "pending", "completed", "faulted", "cancelled"];
const OVER = new Set(["completed", "faulted", "cancelled"]);

export const columns = [
  ["Status", (run) => badge(run.status)],
  ["Workflow", (run) => `${run.namespace}/${run.workflow} ${run.version ?? ""}`],
  ["Run", (run) => link(`#/runs/${run.id}`, run.id)],
  ["Started", (run) => when(run.started_at ?? run.created_at)],
  ["Took", took, "number"],
  ["Error", (run) => run.error?.title ?? run.error?.detail ?? ""],
];

export async function showRuns(place, _, query) {
  const filter = Object.fromEntries(["status", "workflow", "namespace", "text"].map((name) => [name, query.get(name) ?? ""]));
  const form = el("form.filter", {},
    el("select", { name: "status" }, STATUSES.map((status) => el("option", { value: status, selected: status === filter.status }, status || "any status"))),
    el("input", { name: "workflow", placeholder: "workflow", value: filter.workflow }),
    el("input", { name: "namespace", placeholder: "namespace", value: filter.namespace }),
    el("button", { type: "submit" }, "Find"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const given = [...new FormData(form)].filter(([, value]) => value);
    location.hash = `#/runs?${new URLSearchParams(given)}`;
  });
  const list = await paged((cursor) => get("runs", { ...filter, limit: 50, cursor }),
    (runs) => table(columns, runs, "No run is like that.", (run) => `#/runs/${run.id}`));
  place.replaceChildren(card("Runs", form, list));
}

export async function showRun(place, [id]) {
  const [run, tasks, why] = await Promise.all([get(`runs/${id}`), everyTask(id), look(`runs/${id}/explanation`, {}, { waits: [] })]);
  const act = (verb, text, confirmed) => action(text, async () => {
    const answer = await tell(`runs/${id}/${verb}`);
    if (answer.id && answer.id !== id) location.hash = `#/runs/${answer.id}`; else refresh();
  }, { confirmed });
  const buttons = OVER.has(run.status)
    ? [act("rerun", "Run again")]
    : [run.status === "suspended" ? act("resume", "Resume") : act("suspend", "Suspend"), act("cancel", "Cancel", "Cancel this run?")];
  const head = el("section.card", {},
    el("h2", {}, badge(run.status), ` ${run.namespace}/${run.workflow} ${run.version}`),
    facts([
      ["Run", run.id], ["Took", took(run)], ["Started", run.started_at && `${clock(run.started_at)} (${when(run.started_at)})`],
      ["By", run.actor], ["Trigger", run.trigger && [run.trigger.kind, run.trigger.name].filter(Boolean).join(" ")],
      ["Parent", run.parent?.run && link(`#/runs/${run.parent.run}`, run.parent.run)],
      ["Labels", Object.entries(run.labels ?? {}).map(([name, value]) => `${name}=${value}`).join(" ")],
    ]),
    el("p.actions", {}, buttons),
    run.error && el("p.problem", {}, `${run.error.title ?? "Error"}: ${run.error.detail ?? ""} ${run.error.instance ?? ""}`),
    why.waits.map((wait) => el("p.wait", {}, `${wait.name ?? ""}: ${wait.detail} (since ${when(wait.since)})`)),
    json("Input", run.input), json("Output", run.output, true));
  place.replaceChildren(head, card("Timeline", timeline(run, tasks)));
}

async function everyTask(id) {
  const found = [];
  let cursor = null;
  do {
    const page = await get(`runs/${id}/tasks`, { limit: 200, cursor });
    found.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor && found.length < 1000);
  return found;
}

// A bar for each activation of a task, in time: pale while it waited for a worker, full while it worked.
function timeline(run, tasks) {
  if (!tasks.length) return el("p.empty", {}, "Nothing has begun yet.");
  const begin = Math.min(...tasks.map((task) => new Date(task.created_at)));
  const end = Math.max(new Date(run.ended_at ?? Date.now()), ...tasks.map((task) => new Date(task.ended_at ?? 0)));
  const whole = Math.max(1, end - begin);
  const part = (from, to) => [100 * (from - begin) / whole, Math.max(0.25, 100 * (to - from) / whole)];
  const rows = tasks.map((task) => {
    const created = new Date(task.created_at);
    const started = new Date(task.started_at ?? task.ended_at ?? Date.now());
    const stopped = new Date(task.ended_at ?? Date.now());
    const track = el("div.track", {}, bar("bar.queued", part(created, started)), bar(`bar.${task.status}`, part(started, stopped)));
    const more = el("div.more", { hidden: true }, facts([
      ["Reference", task.reference], ["Attempt", task.attempt || null], ["Worker", task.worker], ["Began", clock(task.started_at)],
      ["Error", task.error && `${task.error.title ?? ""} ${task.error.detail ?? ""}`],
    ]), json("Input", task.input), json("Output", task.output, true));
    const row = el("div.row", { tabIndex: 0, role: "button" }, el("span.name", { title: task.reference }, task.name + (task.index == null ? "" : ` [${task.index}]`)), track, el("span.number", {}, span(stopped - created)));
    const toggle = () => { more.hidden = !more.hidden; };
    row.addEventListener("click", toggle);
    row.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); toggle(); } });
    return [row, more];
  });
  return el("div.timeline", {}, rows);
}

function bar(what, [left, width]) {
  const made = el(`i.${what}`);
  made.style.left = `${Math.min(left, 99.5)}%`;
  made.style.width = `${Math.min(width, 100 - left)}%`;
  return made;
}
