// What people are asked to do: questions of runs, alerts, proposals, cases.

import { caring } from "./alerts.js";
import { ago, badge, card, el, link, table } from "./parts.js";
import { answers } from "./run.js";
import { look, uri } from "./session.js";

export async function showWork(place) {
  const nothing = { items: [] };
  const [approvals, alerts, cared, cases, proposals] = await Promise.all([
    look("approvals", { limit: 50 }, nothing), look("alerts", { state: "firing", limit: 50 }, nothing), look("alerts", { state: "acknowledged", limit: 50 }, nothing),
    look("cases", { active: "true", limit: 50 }, nothing), look("proposals", { stand: "open", limit: 50 }, nothing)]);
  place.replaceChildren(
    el("h1", {}, "Work"),
    card("Questions", table([
      ["Question", (it) => it.title], ["Of", (it) => link(`#/runs/${it.run}`, it.workflow)], ["Asked", (it) => ago(it.asked_at)],
      ["Until", (it) => ago(it.deadline)], ["", (it) => answers(it)],
    ], approvals.items, "Nobody is asked anything.")),
    card("Alerts", table([
      ["State", (it) => badge(it.state)], ["Severity", (it) => badge(it.severity)], ["What", (it) => it.summary, "long"], ["Rule", (it) => link(`#/alerts/rules/${uri(it.namespace)}/${uri(it.rule)}`, it.rule)],
      ["Fired", (it) => ago(it.fired_at)], ["Run", (it) => it.run && link(`#/runs/${it.run}`, "run")], ["", caring],
    ], [...alerts.items, ...cared.items], "Nothing is alarming.")),
    card("Proposals", table([
      ["What", (it) => link(`#/proposals/${it.id}`, `${it.deed} ${it.namespace}/${it.name} ${it.version ?? ""}`)], ["By", (it) => it.proposed_by], ["Proposed", (it) => ago(it.proposed_at)], ["Note", (it) => it.note, "long"],
    ], proposals.items.filter((it) => !it.mine), "Nothing waits for a second person.", (it) => `#/proposals/${it.id}`)),
    card("Cases", table([
      ["Status", (it) => badge(it.status)], ["Priority", (it) => it.priority], ["Title", (it) => link(`#/cases/${it.id}`, it.title)],
      ["Owner", (it) => it.owner], ["Opened", (it) => ago(it.opened_at)],
    ], cases.items, "No case is open.", (it) => `#/cases/${it.id}`)));
}
