// Workers with their queues and slots, and pools: what limits how much goes on at once, who holds it, how many wait.

import { action, ask, refresh } from "./dialog.js";
import { ago, badge, card, el, link, meter, paged, part, span, table } from "./parts.js";
import { get, tell, uri } from "./session.js";

export async function showWorkers(place) {
  const [workers, pools] = await Promise.all([
    part(paged((cursor) => get("workers", { limit: 100, cursor }), (items) => table([
      ["State", (it) => badge(it.state)], ["Worker", (it) => it.name],
      ["Queues and slots", (it) => el("span.meters", {}, it.queues.map((one) => el("span", {}, `${one.name} `, meter(one.busy, one.slots))))],
      ["Labels", (it) => Object.entries(it.labels).map(([name, value]) => `${name}=${value}`).join(" ")], ["Done", (it) => String(it.completed), "number"],
      ["Here since", (it) => ago(it.since)], ["Heard", (it) => ago(it.seen_at)], ["", draining],
    ], items, "No worker is there: runs that have something to do wait for one. Start one with: tocsin worker"))),
    part(paged((cursor) => get("pools", { limit: 100, cursor }), (items) => table([
      ["Pool", (it) => el("span", {}, it.namespace === "default" ? "" : el("span.hint", {}, `${it.namespace}/`), it.name)],
      ["Taken", (it) => (it.limit === null ? String(it.holding) : meter(it.holding, it.limit))], ["Rate", (it) => (it.rate ? `${it.rate.limit} each ${span(it.rate.every_ms)}` : "")],
      ["Wait", (it) => (it.waiting ? el("span.chip.bad", {}, `${it.waiting} wait`) : "nobody")], ["Held by", (it) => el("span", {}, holders(it)), "long"],
      ["", (it) => el("span", {}, action("Change", () => change(it), { needs: ["pool:write", it.namespace, it.name] }), " ",
        action("Delete", async () => { await tell(`pools/${uri(it.namespace)}/${uri(it.name)}`, null, "DELETE"); refresh(); }, { confirmed: `What waits for ${it.name} then waits no longer.`, danger: true, needs: ["pool:write", it.namespace, it.name] }))],
    ], items, "No pool: a pool says how many runs or tasks of whatever workflow may go on at once.")))]);
  place.replaceChildren(
    el("section.card", { ariaLabel: "Workers" }, el("h1", {}, "Workers"), workers),
    card("Pools", pools, el("p.actions", {}, action("New pool", () => change(null), { needs: ["pool:write"] }))));
}

function draining(it) {
  const needs = ["worker:drain", "*"];
  if (it.state === "working") {
    return action("Drain", () => ask({
      title: `Drain ${it.name}`, text: "It takes nothing more, and ends what it has.", yes: "Drain", fields: [{ name: "minutes", label: "Give back what is not done after so many minutes", kind: "number", hint: "Empty to wait for it." }, { name: "reason", label: "Why" }],
      act: async ({ minutes, reason }) => { await tell(`workers/${uri(it.name)}/drain`, { within: minutes === undefined ? null : `PT${Math.round(60 * minutes)}S`, reason: reason || null }); refresh(); },
    }), { needs });
  }
  return action("Let it work again", async () => { await tell(`workers/${uri(it.name)}/resume`); refresh(); }, { needs });
}

function holders(it) {
  const shown = it.held_by.slice(0, 5).map((run) => [link(`#/runs/${run}`, run), " "]);
  return [shown, it.holding > shown.length && el("span.hint", {}, `and ${it.holding - shown.length} more`)];
}

function change(it) {
  const every = it?.rate ? it.rate.every_ms / 1000 : undefined;
  return ask({
    title: it ? `Change ${it.name}` : "New pool", yes: "Save", fields: [
      ...(it ? [] : [{ name: "name", label: "Name", required: true }, { name: "namespace", label: "Namespace", value: "default", required: true }]),
      { name: "limit", label: "How many at once", kind: "number", whole: true, value: it?.limit ?? "", hint: "Empty for as many as like." },
      { name: "starts", label: "How many may begin", kind: "number", whole: true, value: it?.rate?.limit ?? "" }, { name: "seconds", label: "… in each so many seconds", kind: "number", value: every ?? "" }],
    act: async ({ name, namespace, limit, starts, seconds }) => {
      await tell(`pools/${uri(it?.namespace ?? namespace)}/${uri(it?.name ?? name)}`, { limit: limit ?? null, rate: starts ? { limit: starts, every: `PT${seconds ?? 1}S` } : null }, "PUT");
      refresh();
    },
  });
}
