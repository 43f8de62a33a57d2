// What can be learnt from the runs of the last time: how many, how long, what fails, what is slow.

import { ago, card, el, link, span, svg, table } from "./parts.js";
import { look } from "./session.js";

const SPANS = [["3600", "The last hour"], ["86400", "The last day"], ["604800", "The last week"], ["2592000", "The last month"]];
const seconds = (value) => (value == null ? "" : span(1000 * value));

export async function showInsight(place, _, query) {
  const back = query.get("span") ?? "86400";
  const asked = { since: new Date(Date.now() - back * 1000).toISOString(), workflow: query.get("workflow"), namespace: query.get("namespace") };
  const list = { items: [] };
  const [runs, slow, flaky, failures, signals] = await Promise.all([
    look("analytics/runs", asked, null), look("analytics/tasks", { ...asked, limit: 10 }, list), look("analytics/tasks", { ...asked, order: "flakiest", limit: 10 }, list),
    look("analytics/failures", { ...asked, limit: 10 }, list), look("signals/catalogue", {}, list)]);
  if (!runs) { place.replaceChildren(card("Insight", el("p.empty", {}, "Not to be seen: it takes the permission to read analytics."))); return; }
  const choice = el("select", { ariaLabel: "How far back" }, SPANS.map(([value, text]) => el("option", { value, selected: value === back }, text)));
  const workflow = el("input", { placeholder: "Workflow", ariaLabel: "Workflow", value: asked.workflow ?? "" });
  const go = () => { location.hash = `#/insight?${new URLSearchParams([["span", choice.value], ["workflow", workflow.value]].filter(([, value]) => value))}`; };
  choice.addEventListener("change", go);
  workflow.addEventListener("change", go);
  const tile = (title, text, mood) => el(mood ? `div.tile.${mood}` : "div.tile", {}, el("strong", {}, text), el("span", {}, title));
  const tasks = [["Task", (it) => it.task.split("/").at(-1)], ["Workflow", (it) => link(`#/runs?workflow=${it.workflow}`, it.workflow)], ["Runs", (it) => String(it.runs), "number"]];
  const said = signals.items.filter((one) => one.last_hour > 0).sort((one, other) => other.last_hour - one.last_hour);
  place.replaceChildren(
    el("div.filter.titled", {}, el("h1", {}, "Insight"), choice, workflow),
    el("div.tiles", {}, tile("Runs that ended", String(runs.runs)), tile("Failed", runs.runs ? `${(100 * runs.failure_rate).toFixed(runs.failure_rate < 0.1 ? 1 : 0)} %` : "–", runs.failure_rate > 0 ? "bad" : ""),
      tile("Half took less than", runs.runs ? seconds(runs.duration.p50) : "–"), tile("99 of 100 took less than", runs.runs ? seconds(runs.duration.p99) : "–"), tile("Waited for a worker, half less than", runs.runs ? seconds(runs.waiting.p50) : "–")),
    card("Runs over time", bars(runs.trend)),
    el("div.halves.even", {},
      card("What fails", table([["Times", (it) => String(it.count), "number"], ["What", (it) => el("span", { title: it.example }, it.cluster), "long"], ["Last", (it) => ago(it.last_at)], ["", (it) => it.runs[0] && link(`#/runs/${it.runs[0]}`, "show")]], failures.items, "Nothing failed.")),
      card("Signals in the last hour", table([["What", (it) => it.subject.split(".").slice(2, -1).join(" ")], ["Owner", (it) => it.owner], ["Times", (it) => String(it.last_hour), "number"], ["Last", (it) => ago(it.last_seen)]], said.slice(0, 12), "None."))),
    el("div.halves.even", {},
      card("Slowest tasks", table([...tasks, ["Half under", (it) => seconds(it.work.p50), "number"], ["99 % under", (it) => seconds(it.work.p99), "number"]], slow.items, "No task ran.")),
      card("Flakiest tasks", table([...tasks, ["Retries", (it) => String(it.retries), "number"], ["Faulted", (it) => String(it.faulted), "number"]], flaky.items.filter((it) => it.retries || it.faulted), "None was tried again."))));
}

// A bar for each part of the time: how many ended, and how many of them badly.
export function bars(trend, label = "Runs over time", end = "now") {
  const most = Math.max(1, ...trend.map((one) => one.runs));
  const [wide, high] = [trend.length * 26, 120];
  const short = (at) => new Date(at).toLocaleString([], { dateStyle: "short", timeStyle: "short" });
  const drawn = trend.map((one, at) => {
    const title = svg("title");
    title.textContent = `${short(one.begins)}: ${one.runs}${one.failed ? `, ${one.failed} failed` : ""}`;
    const [whole, bad] = [one.runs, one.failed].map((n) => (n ? Math.max(2, n / most * high) : 0));
    return svg("g", {}, title, svg("rect", { class: "room", x: at * 26, y: 0, width: 22, height: high }), svg("rect", { class: "well", x: at * 26, y: high - whole, width: 22, height: whole, rx: 2 }),
      svg("rect", { class: "badly", x: at * 26, y: high - bad, width: 22, height: bad, rx: 2 }));
  });
  const begin = trend.length ? short(trend[0].begins) : "";
  return el("figure.chart", {}, svg("svg", { viewBox: `0 0 ${wide} ${high}`, preserveAspectRatio: "none", role: "img", "aria-label": `${label}, at most ${most} in one bar` }, ...drawn),
    el("figcaption.scale", {}, el("span", {}, begin), el("span", {}, `at most ${most} in one bar`), el("span", {}, end)));
}
