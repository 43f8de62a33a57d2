// Triggers: what starts workflows on something that happens, what each has decided, and what it holds.

import { action, ask, fieldsOf, hand, refresh, say, tellAll } from "./dialog.js";
import { publishing, received } from "./events.js";
import { filtered } from "./filter.js";
import { ago, badge, card, el, facts, json, link, paged, part, table } from "./parts.js";
import { get, look, tell, uri } from "./session.js";

const KINDS = ["", "webhook", "event", "signal", "correlation", "manual", "once", "file", "poll", "bucket", "subject"];
const to = (it) => `#/triggers/${uri(it.namespace)}/${uri(it.name)}`;
const named = (it) => el("span", {}, it.namespace === "default" ? "" : el("span.hint", {}, `${it.namespace}/`), link(to(it), it.name));
const made = (it) => link(`#/workflows/${uri(it.namespace)}/${uri(it.workflow)}`, it.workflow);
const writing = (it) => ({ needs: ["trigger:write", it.namespace, it.name] });

export async function showTriggers(place, _, query) {
  const { form, chosen, isChosen } = filtered("triggers", query, [["namespace", "Namespace"], ["workflow", "Workflow"], ["kind", "Kind", KINDS]]);
  const list = await paged((cursor) => get("triggers", { ...chosen, limit: 50, cursor }), (items) => table([
    ["Status", (it) => badge(it.status)], ["Trigger", named], ["Kind", (it) => it.kind], ["Starts", made], ["On", on, "half"], ["Why", (it) => it.reason, "half"],
    ["", (it) => el("span", {}, it.kind === "manual" && firing(it), " ", pausing("triggers", it))],
  ], items, isChosen ? "No trigger is like that." : "No trigger yet: make one here, or with tocsin trigger apply.", to));
  place.replaceChildren(el("section.card", { ariaLabel: "Triggers" }, el("h1", {}, "Triggers"), form, list, el("p.actions", {}, action("New trigger", add, { needs: ["trigger:write"] }), publishing("default"))));
}

const on = (it) => it.event?.type ?? it.signal?.on ?? it.file?.path ?? it.file?.folder ?? it.poll?.url ?? it.poll?.function ?? it.bucket?.name ?? it.bucket?.bucket ?? it.subject?.subject ?? it.once?.at ?? (it.kind === "webhook" ? it.webhook?.path ?? `/hooks/${it.namespace}/${it.name}` : "");

export function pausing(kind, it) {
  const needs = [kind === "schedules" ? "schedule:pause" : "trigger:pause", it.namespace, it.name];
  if (it.status === "paused") return action("Resume", async () => { await tell(`${kind}/${uri(it.namespace)}/${uri(it.name)}/resume`); refresh(); }, { needs });
  if (it.status !== "active") return null;
  return action("Pause", () => ask({
    title: `Pause ${it.name}`, yes: "Pause", fields: [{ name: "reason", label: "Why", hint: "Shown to whoever wonders." }],
    act: async ({ reason }) => { await tell(`${kind}/${uri(it.namespace)}/${uri(it.name)}/pause`, { reason: reason || null }); refresh(); },
  }), { needs });
}

// A form that is filled in; its fields are what the trigger's schema asks for.
function firing(it) {
  const fields = fieldsOf(it.schema ?? {});
  return action("Start", () => ask({
    title: `Start ${it.name}`, yes: "Start", fields: fields.length ? fields : [{ name: "data", label: "Data", kind: "json", value: {} }],
    act: async (given) => {
      const answer = await tell(`triggers/${uri(it.namespace)}/${uri(it.name)}/fire`, { data: fields.length ? given : given.data ?? null });
      if (answer.run) location.hash = `#/runs/${answer.run}`; else { say(answer.reason ?? answer.outcome); refresh(); }
    },
  }), { needs: ["trigger:fire", it.namespace, it.name] });
}

export async function showTrigger(place, [namespace, name]) {
  const [it, state, list] = await Promise.all([get(`triggers/${uri(namespace)}/${uri(name)}`), look(`triggers/${uri(namespace)}/${uri(name)}/state`, {}, null), part(received({ namespace, trigger: name }, "It has met no event yet."))]);
  const settings = Object.fromEntries(Object.entries(it).filter(([field, value]) => value !== null && ["webhook", "event", "signal", "once", "file", "poll", "bucket", "subject", "when", "filter", "schema", "input"].includes(field)));
  place.replaceChildren(...[
    el("section.card", {}, el("h1", {}, badge(it.status), ` ${it.name}`), it.reason && el("p.wait", {}, it.reason),
      facts([["Namespace", it.namespace], ["Kind", it.kind], ["Starts", made(it)], ["Version", it.version ?? "the latest"], ["On", on(it) && el("code", {}, on(it))], ["Paused by", it.paused_by], ["Since", ago(it.paused_at)],
        ["Labels", Object.entries(it.labels).map(([label, value]) => `${label}=${value}`).join(" ")], ["Changed", ago(it.updated_at)], ["Made", ago(it.created_at)]]),
      el("p.actions", {}, it.kind === "manual" && firing(it), pausing("triggers", it), it.event?.type && publishing(namespace, it.event.type.includes("*") ? undefined : it.event.type, it.event.source ?? undefined),
        action("Try on past events", () => backtest(it, settings), { needs: ["trigger:write", it.namespace, it.name] }),
        action("Delete", async () => { await tell(`triggers/${uri(namespace)}/${uri(name)}`, null, "DELETE"); location.hash = "#/triggers"; }, { confirmed: `${it.name} starts nothing any more; its events stay.`, danger: true, ...writing(it) })),
      it.managed && el("p.hint", {}, "It comes from a definition, and goes with it."), json("Settings", settings)),
    it.webhook && keys(it), state && (state.groups.length > 0 || state.watch) && held(state),
    el("section.card", { ariaLabel: "Events that it met" }, el("h2", {}, "Events that it met"), list)].filter(Boolean));
}

function keys(it) {
  const more = action("New key", async () => {
    const key = await tell(`triggers/${uri(it.namespace)}/${uri(it.name)}/keys`, {});
    if (key.secret) await hand(`A key of ${it.name}`, "The sender signs with it. It is shown now, and never again.", key.secret);
    refresh();
  }, { confirmed: "The present keys work on until they are taken away.", ...writing(it) });
  return card("Keys", table([
    ["Key", (one) => one.id, "id"], ["Made", (one) => ago(one.created_at)], ["Until", (one) => ago(one.expires_at)],
    ["", (one) => action("Take away", async () => { await tell(`triggers/${uri(it.namespace)}/${uri(it.name)}/keys/${uri(one.id)}`, null, "DELETE"); refresh(); }, { confirmed: "Who signs with it is refused.", danger: true, ...writing(it) })],
  ], it.webhook.keys, "No key: it proves its senders otherwise."), el("p.actions", {}, more));
}

const held = ({ groups, watch }) => card("What it knows now",
  watch && facts([["Looked", ago(watch.looked_at)], ["Looks next", ago(watch.due)], ["Failures", watch.failures ? String(watch.failures) : null], ["What is wrong", watch.error], ["Who looks", watch.holder]]),
  groups.length > 0 && table([["Group", (one) => one.key || "all"], ["Events", (one) => String(one.events.length), "number"], ["Since", (one) => ago(one.since)], ["Until", (one) => ago(one.due)]], groups, ""));

// What it would have done with the events of the last day, as it is now.
async function backtest(it, settings) {
  const { webhook: _, ...draft } = settings;
  const until = new Date();
  const body = { trigger: { name: it.name, namespace: it.namespace, kind: it.kind, workflow: it.workflow, ...draft }, window: { since: new Date(until - 86400e3).toISOString(), until: until.toISOString() } };
  const found = await tell("triggers/backtest", body);
  await tellAll(`What ${it.name} would have done since yesterday`, el("div", {},
    el("p", {}, `${Object.entries(found.counts).map(([outcome, count]) => `${count} ${outcome}`).join(", ") || "No event came"}; at the time, ${found.started_then} were started.`),
    table([["When", (one) => ago(one.received_at)], ["Type", (one) => one.type], ["Would be", (one) => badge(one.draft.outcome)], ["Why", (one) => one.draft.words, "said"]], found.events, "No event of the last day concerns it."), found.more && el("p.hint", {}, "There are more.")), true);
}

const STARTING = [{ name: "name", label: "Name", required: true }, { name: "namespace", label: "Namespace", value: "default", required: true }, { name: "workflow", label: "Starts the workflow", required: true }];

const add = () => ask({
  title: "New trigger", yes: "Make", fields: [...STARTING, { name: "kind", label: "On", kind: "choice", options: ["event", "webhook", "signal", "manual"], value: "event", required: true, hint: "All kinds: tocsin trigger apply." },
    { name: "on", label: "Type of event, or pattern of signals", placeholder: "com.example.order.placed" }, { name: "filter", label: "Only if (jq)", placeholder: ".data.total > 100" }],
  act: async ({ name, namespace, workflow, kind, on: what, filter }) => {
    const about = { event: { event: { type: what } }, signal: { signal: { on: what } }, webhook: { webhook: {} }, manual: {} }[kind];
    const it = await tell("triggers", { name, namespace, workflow, kind, ...about, ...(filter ? { filter } : {}) });
    if (it.secret) await hand(`The key of ${name}`, `Whoever sends to ${on(it)} signs with it. It is shown now, and never again.`, it.secret);
    location.hash = to(it);
  },
});
