// What people are asked to do: questions of runs, alerts, cases.

import { action, refresh } from "./dialog.js";
import { ago, badge, card, link, table } from "./parts.js";
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
