// What starts workflows: schedules with their next instants, triggers, and every event that came in with what became of it.

import { action, ask, fieldsOf, refresh, say, tellAll } from "./dialog.js";
import { ago, badge, card, el, link, paged, table } from "./parts.js";
import { get, look, tell } from "./session.js";

const NOTHING = { items: [] };
const named = (it) => el("span", {}, it.namespace === "default" ? "" : el("span.hint", {}, `${it.namespace}/`), it.name);
const made = (it) => link(`#/workflows/${it.namespace}/${it.workflow}`, it.workflow);

export async function showStarts(place) {
  const [schedules, triggers, events] = await Promise.all([
    paged((cursor) => look("schedules", { limit: 50, cursor }, NOTHING), (items) => table([
      ["Status", (it) => badge(it.status)], ["Schedule", named], ["Starts", made], ["When", (it) => el("span", {}, rhythm(it), el("span.hint", {}, ` ${it.timezone ?? ""}${it.reason ? `, ${it.reason}` : ""}`)), "long"], ["Next", (it) => ago(it.next_at)],
      ["Fired", (it) => String(it.fired), "number"], ["Last", (it) => it.last_run && link(`#/runs/${it.last_run}`, "run")],
      ["", (it) => el("span", {}, action("Upcoming", () => upcoming(it)), " ", pausing("schedules", it))],
    ], items, "No schedule: tocsin schedule apply makes one.")),
    paged((cursor) => look("triggers", { limit: 50, cursor }, NOTHING), (items) => table([
      ["Status", (it) => badge(it.status)], ["Trigger", named], ["Kind", (it) => it.kind], ["Starts", made],
      ["On", (it) => it.event?.type ?? it.signal?.on ?? it.file?.path ?? it.poll?.url ?? it.poll?.function ?? it.bucket?.name ?? (it.kind === "webhook" ? `/hooks/${it.namespace}/${it.name}` : ""), "long"], ["Why", (it) => it.reason],
      ["", (it) => el("span", {}, it.kind === "manual" && firing(it), " ", pausing("triggers", it))],
    ], items, "No trigger: tocsin trigger apply makes one.")),
    paged((cursor) => look("events", { limit: 25, cursor }, NOTHING), (items) => table([
      ["When", (it) => ago(it.received_at)], ["Type", (it) => it.type], ["Source", (it) => it.source], ["By", (it) => it.channel], ["What came of it", decided, "long"], ["", (it) => action("Why", () => explained(it))],
    ], items, "No event yet."))]);
  place.replaceChildren(card("Schedules", schedules), card("Triggers", triggers), card("Events that came in", events));
}

const rhythm = (it) => it.cron ?? it.every ?? it.rrule ?? it.at ?? (it.after && `${it.after} after the last`) ?? (it.follow && `after ${it.follow.workflow}`);

async function upcoming(it) {
  const { next } = await get(`schedules/${it.namespace}/${it.name}/next`, { count: 10 });
  const local = (at) => new Date(at).toLocaleString([], { dateStyle: "full", timeStyle: "medium" });
  await tellAll(`When ${it.name} fires next`, next.length ? next.map(local).join("\n") : "Never again.");
}

function pausing(kind, it) {
  if (it.status === "paused") return action("Resume", async () => { await tell(`${kind}/${it.namespace}/${it.name}/resume`); refresh(); });
  if (it.status !== "active") return null;
  return action("Pause", () => ask({
    title: `Pause ${it.name}`, yes: "Pause", fields: [{ name: "reason", label: "Why", hint: "Shown to whoever wonders." }],
    act: async ({ reason }) => { await tell(`${kind}/${it.namespace}/${it.name}/pause`, { reason: reason || null }); refresh(); },
  }));
}

// A form that is filled in; its fields are what the trigger's schema asks for.
function firing(it) {
  const fields = fieldsOf(it.schema ?? {});
  return action("Start", () => ask({
    title: `Start ${it.name}`, yes: "Start", fields: fields.length ? fields : [{ name: "data", label: "Data", kind: "json", value: {} }],
    act: async (given) => {
      const answer = await tell(`triggers/${it.namespace}/${it.name}/fire`, { data: fields.length ? given : given.data ?? null });
      if (answer.run) location.hash = `#/runs/${answer.run}`; else { say(answer.reason ?? answer.outcome); refresh(); }
    },
  }));
}

// Runs that it started, or the sentence that says why there are none.
function decided(event) {
  const runs = event.decisions.filter((decision) => decision.run);
  if (!runs.length) return event.explanation;
  return el("span", {}, runs.map(({ trigger, run }) => [`${trigger} `, link(`#/runs/${run}`, run), " "]));
}

async function explained(event) {
  const why = await get(`events/${event.key}/explanation`);
  const lines = (why.triggers ?? []).map((one) => `${one.trigger}: ${one.words}`);
  await tellAll(`${event.type}`, [why.explanation ?? event.explanation, ...lines].filter(Boolean).join("\n\n"));
}
