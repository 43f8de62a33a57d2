// Every event that came in, what became of it and why, and publishing one.

import { action, ask, refresh, say, tellAll } from "./dialog.js";
import { filtered } from "./filter.js";
import { ago, badge, el, facts, json, link, paged, table } from "./parts.js";
import { call, get, look, tell, uri } from "./session.js";

export async function showEvents(place, _, query) {
  const { form, chosen, isChosen } = filtered("events", query, [["type", "Type"], ["namespace", "Namespace"], ["trigger", "Trigger"], ["refused", "Refusals", [["", "taken and refused"], ["true", "refused"], ["false", "taken"]]]]);
  const list = await received(chosen, isChosen ? "No event is like that." : "No event yet.");
  place.replaceChildren(el("section.card", { ariaLabel: "Events" }, el("h1", {}, "Events that came in"), form, el("p.actions", {}, publishing("default")), list));
}

export const received = (chosen, empty) => paged((cursor) => get("events", { ...chosen, limit: 50, cursor }), (items) => table([
  ["When", (it) => ago(it.received_at)], ["Type", (it) => it.type, "half"], ["Source", (it) => it.source, "short"], ["By", (it) => it.channel], ["What came of it", decided, "half"],
  ["", (it) => el("span", {}, action("Why", () => explained(it)), " ", it.status !== "refused" && action("Again", () => replay(it), { confirmed: "All triggers of today decide about it anew.", needs: ["event:publish", it.namespace] }))],
], items, empty));

// Runs that it started, or the sentence that says why there are none.
function decided(event) {
  const runs = event.decisions.filter((decision) => decision.run);
  if (!runs.length) return event.explanation;
  return el("span", {}, runs.map(({ trigger, run }) => [`${trigger} `, link(`#/runs/${run}`, run), " "]));
}

async function explained(event) {
  const [why, whole] = await Promise.all([get(`events/${uri(event.key)}/explanation`), look(`events/${uri(event.key)}`, {}, event)]);
  await tellAll(event.type ?? "What came in", el("div", {}, verdict(why), json("The event", whole.event)), true);
}

const verdict = (why) => [
  el("p", {}, why.summary), facts([["Id", why.id], ["Source", why.source], ["Came", ago(why.received_at)]]),
  table([["Trigger", (one) => one.trigger], ["Became", (one) => badge(one.outcome)], ["Why", (one) => one.words, "said"], ["Run", (one) => one.run && link(`#/runs/${one.run}`, one.run)]], why.triggers, "No trigger looked at it."),
  why.more > 0 && el("p.hint", {}, `and ${why.more} more`)];

async function replay(event) {
  const { events } = await tell("events/replay", { namespace: event.namespace, events: [event.key] });
  const runs = events.flatMap((one) => one.decisions).filter((one) => one.run).length;
  say(runs ? `${runs} started.` : "Nothing was started.");
  refresh();
}

// An event is published, and what each trigger makes of it is shown.
export const publishing = (namespace, type = "com.example.order.placed", source = "/console") => action("Publish an event", () => ask({
  title: "Publish an event", text: "It counts as any other: triggers that hear it start their workflows.", yes: "Publish",
  fields: [{ name: "namespace", label: "Namespace", value: namespace, required: true }, { name: "type", label: "Type", value: type, required: true }, { name: "source", label: "Source", value: source, required: true }, { name: "data", label: "Data", kind: "json", value: {} }],
  act: async (said) => {
    const event = { specversion: "1.0", id: crypto.randomUUID?.() ?? String(Date.now()), type: said.type, source: said.source, datacontenttype: "application/json", data: said.data ?? {} };
    const answer = await call(`/api/v1/events?namespace=${uri(said.namespace)}`, { method: "POST", headers: { "Content-Type": "application/cloudevents+json" }, body: JSON.stringify(event) });
    const { ids } = await answer.json();
    const why = await decidedUpon(said.namespace, said.type, ids[0]);
    refresh();
    tellAll(said.type, el("div", {}, why ? verdict(why) : el("p", {}, "It is taken; what became of it is not known yet.")), true);
  },
}), { needs: ["event:publish"] });

// What is taken is decided a moment later.
async function decidedUpon(namespace, type, id) {
  for (let tries = 0; tries < 20; tries += 1) {
    const { items } = await look("events", { namespace, type, limit: 20 }, { items: [] });
    const found = items.find((one) => one.id === id && one.status !== "pending");
    if (found) return get(`events/${uri(found.key)}/explanation`);
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  return null;
}
