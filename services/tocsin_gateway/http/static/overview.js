// The first page: what needs somebody, how the services are, what ran last, and every signal as it comes.

import { card, el, table } from "./parts.js";
import { columns } from "./runs.js";
import { look } from "./session.js";
import { recent } from "./signals.js";

const SHOWN = 60;

export async function showOverview(place) {
  const nothing = { items: [] };
  const hour = new Date(Date.now() - 3600e3).toISOString();
  const [status, runs, failed, waiting, questions, alerts, signals] = await Promise.all([
    look("status", {}, { services: [] }), look("runs", { limit: 12 }, nothing), look("runs", { status: "faulted", limit: 200 }, nothing),
    look("runs", { status: "waiting", limit: 200 }, nothing), look("approvals", { limit: 200 }, nothing), look("alerts", { state: "firing", limit: 200 }, nothing), recent(SHOWN)]);
  const lately = failed.items.filter((run) => (run.ended_at ?? run.created_at) > hour);
  place.replaceChildren(
    el("h1.unseen", {}, "Overview"),
    el("div.tiles", {},
      tile("Failed in the last hour", counted(lately), "#/runs?status=faulted", lately.length ? "bad" : ""),
      tile("Waiting runs", counted(waiting.items, waiting.next_cursor), "#/runs?status=waiting"),
      tile("Questions to people", counted(questions.items, questions.next_cursor), "#/work", questions.items.length ? "busy" : ""),
      tile("Alerts", counted(alerts.items, alerts.next_cursor), "#/alerts", alerts.items.length ? "bad" : "")),
    el("div.columns", {},
      card("Services", el("ul.services", {}, status.services.map(service))),
      card("Recent runs", table(columns.slice(0, 5), runs.items, "No run yet. Start one on the page of its workflow.", (run) => `#/runs/${run.id}`))),
    card("Signals", ...signals));
}

const counted = (items, more) => `${items.length}${more ? "+" : ""}`;

function tile(title, number, hash, mood) {
  return el(mood ? `a.tile.${mood}` : "a.tile", { href: hash }, el("strong", {}, number), el("span", {}, title));
}

function service(it) {
  return el("li", {}, el(`span.dot.${it.ready ? "ready" : "down"}`), it.name, el("span.detail", {}, it.ready ? "ready" : it.detail || "not ready"));
}
