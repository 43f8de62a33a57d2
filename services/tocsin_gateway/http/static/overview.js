// The first page: what needs somebody, how the services are, what ran last, and every signal as it comes.

import { card, clock, el, link, table } from "./parts.js";
import { look } from "./session.js";
import { columns } from "./runs.js";

const SHOWN = 60;
const heard = [];
let list = null;

export async function showOverview(place) {
  const nothing = { items: [] };
  const hour = new Date(Date.now() - 3600e3).toISOString();
  const [status, recent, failed, waiting, questions, alerts, before] = await Promise.all([
    look("status", {}, { services: [] }), look("runs", { limit: 12 }, nothing), look("runs", { status: "faulted", limit: 200 }, nothing),
    look("runs", { status: "waiting", limit: 200 }, nothing), look("approvals", { limit: 200 }, nothing), look("alerts", { limit: 200 }, nothing),
    heard.length ? nothing : look("signals", { limit: 30 }, nothing)]);
  if (!heard.length) heard.push(...before.items.map((item) => item.event)); // what was said before the page was opened
  const lately = failed.items.filter((run) => (run.ended_at ?? run.created_at) > hour);
  const fired = alerts.items.filter((alert) => alert.state === "firing");
  list = el("tbody", {}, heard.map(row));
  place.replaceChildren(
    el("div.tiles", {},
      tile("Failed in the last hour", counted(lately), "#/runs?status=faulted", lately.length ? "bad" : ""),
      tile("Waiting runs", counted(waiting.items, waiting.next_cursor), "#/runs?status=waiting"),
      tile("Questions to people", counted(questions.items, questions.next_cursor), "#/work", questions.items.length ? "busy" : ""),
      tile("Alerts", counted(fired), "#/work", fired.length ? "bad" : "")),
    el("div.columns", {},
      card("Services", el("ul.services", {}, status.services.map(service))),
      card("Recent runs", table(columns.slice(0, 5), recent.items, "No run yet. Start one on the page of its workflow.", (run) => `#/runs/${run.id}`))),
    card("Signals", el("div.scroll", {}, el("table.signals", {}, el("thead", {}, el("tr", {}, ["Time", "What", "Namespace", "Which", "More"].map((title) => el("th", {}, title)))), list)),
      heard.length === 0 && el("p.empty", {}, "Waiting for the first signal.")));
}

const counted = (items, more) => `${items.length}${more ? "+" : ""}`;

function tile(title, number, hash, mood) {
  return el(mood ? `a.tile.${mood}` : "a.tile", { href: hash }, el("strong", {}, number), el("span", {}, title));
}

function service(it) {
  return el("li", {}, el(`span.dot.${it.ready ? "ready" : "down"}`), it.name, el("span.detail", {}, it.ready ? "ready" : it.detail || "not ready"));
}

// A signal has come: it is kept for when the page is looked at, and shown if it is.
export function hear(signal) {
  heard.unshift(signal);
  heard.length = Math.min(heard.length, SHOWN);
  if (!list?.isConnected) return;
  list.closest("section").querySelector(".empty")?.remove();
  const made = row(signal);
  made.className = "new";
  list.prepend(made);
  while (list.rows.length > SHOWN) list.deleteRow(-1);
}

function row(signal) {
  const hash = place(signal);
  const which = hash && signal.subject ? link(hash, signal.subject) : signal.subject ?? "";
  const cells = [clock(signal.time), shortType(signal.type), signal.namespace, which, detail(signal.data)];
  return el("tr", { title: signal.type }, cells.map((text, at) => el(at === 4 ? "td.data" : "td", {}, text ?? "")));
}

// The page of what a signal is about, where there is one.
function place({ type, namespace, subject = "" }) {
  if (/\.(workflow|task)\./.test(type)) return `#/runs/${subject.split("/")[0]}`;
  if (type.startsWith("io.tocsin.case.")) return `#/cases/${subject}`;
  if (type.startsWith("io.tocsin.asset.")) return `#/assets/${namespace}/${encodeURIComponent(subject)}`;
  return type.startsWith("io.tocsin.definition.") ? `#/workflows/${namespace}/${subject}` : null;
}

// io.serverlessworkflow.task.completed.v1 -> task completed
const shortType = (type) => type.replace(/^io\.[a-z]+\./, "").replace(/\.v\d+$/, "").replaceAll(".", " ");

// What the other columns do not say already: not when, and not which run.
function detail(data) {
  const said = Object.entries(data ?? {}).filter(([name]) => !/(At|^name|^workflow|_at)$/.test(name));
  return said.map(([name, value]) => (typeof value === "string" ? `${name} ${value}` : `${name} ${JSON.stringify(value)}`)).join(" · ");
}
