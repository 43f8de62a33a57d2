// What people are asked to do: questions of runs, alerts, cases.

import { action, refresh } from "./dialog.js";
import { ago, badge, card, el, link, paged, table } from "./parts.js";
import { answers } from "./run.js";
import { look, tell } from "./session.js";

export async function showWork(place) {
  const nothing = { items: [] };
  const [approvals, alerts, cases] = await Promise.all([
    look("approvals", { limit: 50 }, nothing), look("alerts", { limit: 50 }, nothing), look("cases", { limit: 50 }, nothing)]);
  place.replaceChildren(
    card("Questions", table([
      ["Question", (it) => it.title], ["Of", (it) => link(`#/runs/${it.run}`, it.workflow)], ["Asked", (it) => ago(it.asked_at)],
      ["Until", (it) => ago(it.deadline)], ["", (it) => answers(it)],
    ], approvals.items, "Nobody is asked anything.")),
    card("Alerts", table([
      ["State", (it) => badge(it.state)], ["Severity", (it) => it.severity], ["What", (it) => it.summary], ["Rule", (it) => it.rule],
      ["Fired", (it) => ago(it.fired_at)], ["Run", (it) => it.run && link(`#/runs/${it.run}`, it.run)],
      ["", (it) => it.state === "firing" && action("Acknowledge", async () => { await tell(`alerts/${it.id}/acknowledge`); refresh(); })],
    ], alerts.items, "Nothing is alarming.")),
    card("Cases", table([
      ["Status", (it) => badge(it.status)], ["Priority", (it) => it.priority], ["Title", (it) => link(`#/cases/${it.id}`, it.title)],
      ["Owner", (it) => it.owner], ["Opened", (it) => ago(it.opened_at)],
    ], cases.items, "No case is open.", (it) => `#/cases/${it.id}`)));
}

// Runs that it started, or the sentence that says why there are none.
function decided(event) {
  const runs = event.decisions.filter((decision) => decision.run);
  if (!runs.length) return event.explanation;
  return el("span", {}, runs.map(({ trigger, run }) => [`${trigger} `, link(`#/runs/${run}`, run), " "]));
}

export async function showStarts(place) {
  const schedules = await paged((cursor) => look("schedules", { limit: 50, cursor }, { items: [] }), (items) => table([
    ["Status", (it) => badge(it.status)], ["Schedule", (it) => `${it.namespace}/${it.name}`], ["Starts", (it) => it.workflow],
    ["When", (it) => it.cron ?? it.every ?? it.rrule ?? it.at ?? (it.after && `${it.after} after the last`) ?? (it.follow && `after ${it.follow.workflow}`)],
    ["Zone", (it) => it.timezone], ["Next", (it) => ago(it.next_at)], ["Fired", (it) => String(it.fired), "number"],
    ["Last run", (it) => it.last_run && link(`#/runs/${it.last_run}`, it.last_run)], ["Why", (it) => it.reason],
  ], items, "No schedule."));
  const triggers = await paged((cursor) => look("triggers", { limit: 50, cursor }, { items: [] }), (items) => table([
    ["Status", (it) => badge(it.status)], ["Trigger", (it) => `${it.namespace}/${it.name}`], ["Kind", (it) => it.kind],
    ["Starts", (it) => it.workflow], ["On", (it) => it.event?.type ?? it.signal?.type ?? it.file?.path ?? it.poll?.url ?? ""], ["Why", (it) => it.reason],
  ], items, "No trigger."));
  const events = await paged((cursor) => look("events", { limit: 25, cursor }, { items: [] }), (items) => table([
    ["When", (it) => ago(it.received_at)], ["Type", (it) => it.type], ["Source", (it) => it.source], ["By", (it) => it.channel], ["What came of it", decided],
  ], items, "No event yet."));
  place.replaceChildren(card("Schedules", schedules), card("Triggers", triggers), card("Events that came in", events));
}
