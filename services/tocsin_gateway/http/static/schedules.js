// Schedules: what starts workflows by the clock, when next and why not, what is to come, and what was missed.

import { progress } from "./backfills.js";
import { action, ask, refresh, tellAll } from "./dialog.js";
import { filtered } from "./filter.js";
import { bars } from "./insight.js";
import { ago, badge, card, el, facts, json, lasting, link, paged, part, table, when } from "./parts.js";
import { get, look, tell, uri } from "./session.js";
import { pausing } from "./triggers.js";

const to = (it) => `#/schedules/${uri(it.namespace)}/${uri(it.name)}`;
const named = (it) => el("span", {}, it.namespace === "default" ? "" : el("span.hint", {}, `${it.namespace}/`), link(to(it), it.name));
const made = (it) => link(`#/workflows/${uri(it.namespace)}/${uri(it.workflow)}`, it.workflow);
const rhythm = (it) => it.cron ?? (it.every && `each ${lasting(it.every)}`) ?? it.rrule ?? it.at ?? (it.after && `${lasting(it.after)} after the last`) ?? (it.follow && `after ${it.follow.workflow}`);
// 15m is PT15M; what is no such word stays as it is.
const lasts = (text) => text?.trim().replace(/^(\d+)([smhd])$/, (_, count, unit) => (unit === "d" ? `P${count}D` : `PT${count}${unit.toUpperCase()}`));
const locally = (at) => new Date(at).toLocaleString([], { dateStyle: "full", timeStyle: "medium" });

export async function showSchedules(place, _, query) {
  const { form, chosen, isChosen } = filtered("schedules", query, [["namespace", "Namespace"], ["workflow", "Workflow"], ["status", "Status", ["", "active", "paused", "finished"]]]);
  const [schedules, backfills] = await Promise.all([
    paged((cursor) => get("schedules", { ...chosen, limit: 50, cursor }), (items) => table([
      ["Status", (it) => badge(it.status)], ["Schedule", named], ["Starts", made], ["When", (it) => el("span", {}, rhythm(it), el("span.hint", {}, ` ${it.timezone ?? ""}${it.reason ? `, ${it.reason}` : ""}`)), "long"], ["Next", (it) => ago(it.next_at)],
      ["Fired", (it) => String(it.fired), "number"], ["Last", (it) => it.last_run && link(`#/runs/${it.last_run}`, "run")], ["", (it) => el("span", {}, action("Upcoming", () => upcoming(it)), " ", pausing("schedules", it))],
    ], items, isChosen ? "No schedule is like that." : "No schedule yet: make one here, or with tocsin schedule apply.", to)),
    part(progress({}))]);
  place.replaceChildren(
    el("section.card", { ariaLabel: "Schedules" }, el("h1", {}, "Schedules"), form, schedules,
      el("p.actions", {}, action("New schedule", add, { needs: ["schedule:write"] }), action("Try a timetable", preview), action("The week to come", () => simulate(chosen.namespace), { needs: ["schedule:read"] }))),
    card("Backfills", backfills));
}

async function upcoming(it) {
  const { next } = await get(`schedules/${uri(it.namespace)}/${uri(it.name)}/next`, { count: 10 });
  await tellAll(`When ${it.name} fires next`, next.length ? next.map(locally).join("\n") : "Never again.");
}

// A timetable is calculated, and nothing is made.
const preview = () => ask({
  title: "Try a timetable", text: "Calculates, and makes nothing.", yes: "Calculate",
  fields: [{ name: "cron", label: "Cron", placeholder: "0 7 * * mon-fri" }, { name: "every", label: "or each", placeholder: "PT15M, or 15m" }, { name: "rrule", label: "or RRULE", placeholder: "FREQ=MONTHLY;BYDAY=-1FR" }, { name: "timezone", label: "Time zone", value: Intl.DateTimeFormat().resolvedOptions().timeZone, required: true }],
  act: async ({ timezone, every, ...said }) => {
    const timetable = Object.fromEntries(Object.entries({ ...said, every: lasts(every) }).filter(([, value]) => value));
    const { next } = await tell("schedules/preview", { ...timetable, timezone, count: 10 });
    tellAll("The next instants", next.length ? next.map(locally).join("\n") : "Never.");
  },
});

async function simulate(namespace) {
  const found = await tell(namespace ? `schedules/simulate?namespace=${uri(namespace)}` : "schedules/simulate", { days: 7 });
  const skipped = Object.entries(found.skipped).map(([why, count]) => `${count} not, because of ${why}`).join(", ");
  await tellAll("The week to come", el("div.stack", {},
    el("p", {}, `${found.schedules} schedules fire ${found.firings} times until ${when(found.until)}${skipped ? `; ${skipped}` : ""}. At most ${found.at_once} runs go on at once.${found.complete ? "" : " That is not all: there are too many."}`),
    found.load.length > 0 && bars(found.load.map((one) => ({ begins: one.hour, runs: one.firings, failed: 0 })), "Firings in each hour", locally(found.until)),
    table([["When", (one) => locally(one.at)], ["How many", (one) => String(one.count), "number"], ["Schedules", (one) => one.schedules.join(", "), "said"]], found.crowds.slice(0, 20), "No instant has a crowd."),
    found.overlapping.length > 0 && table([["Still going when it fires again", (one) => one.schedule], ["Times", (one) => String(one.count), "number"]], found.overlapping, "")), true);
}

export async function showSchedule(place, [namespace, name]) {
  const [it, ahead, firings, backfills] = await Promise.all([
    get(`schedules/${uri(namespace)}/${uri(name)}`), look(`schedules/${uri(namespace)}/${uri(name)}/next`, { count: 10 }, { next: [], decisions: [] }),
    part(paged((cursor) => get(`schedules/${uri(namespace)}/${uri(name)}/firings`, { limit: 25, cursor }), (items) => table([["Instant", (one) => ago(one.at)], ["Outcome", (one) => one.outcome && badge(one.outcome)], ["Run", (one) => link(`#/runs/${uri(one.run)}`, one.run), "id"]], items, "It has not fired yet."))),
    part(progress({ namespace, schedule: name }))]);
  const rules = [["Catches up", `${it.catch_up} of ${lasting(it.catch_up_window)}`], ["When one still runs", it.overlap], ["Spread over", it.jitter !== "PT0S" && lasting(it.jitter)], ["Late after", it.late_after && `${lasting(it.late_after)}, then ${it.lateness}`], ["Pauses after", it.pause_after_failures && `${it.pause_after_failures} failures`], ["Only if", it.condition && el("code", {}, it.condition)], ["At most", it.max_runs && `${it.max_runs} runs`]];
  place.replaceChildren(
    el("section.card", {}, el("h1", {}, badge(it.status), ` ${it.name}`), it.description && el("p", {}, it.description), it.reason && el("p.wait", {}, it.reason),
      facts([["Namespace", it.namespace], ["Starts", made(it)], ["Version", it.version ?? "the latest"], ["When", el("span", {}, el("code", {}, rhythm(it)), it.also.length > 0 && ` and ${it.also.join(", ")}`)], ["Time zone", it.timezone], ["Next", ago(it.next_at)], ["Last", it.last_at && el("span", {}, ago(it.last_at), it.last_run && [" ", link(`#/runs/${it.last_run}`, "run")])], ["Fired", `${it.fired} ${it.fired === 1 ? "time" : "times"}`], ["Failures in a row", it.failures ? String(it.failures) : null],
        ...rules, ["Changed", el("span", {}, ago(it.updated_at), ` by ${it.updated_by}`)]].filter(([, value]) => value)),
      el("p.actions", {}, pausing("schedules", it), action("Catch up on a past time", () => catchUp(it), { needs: ["backfill:write", it.namespace, it.name] }), action("Change", () => change(it), { needs: ["schedule:write", it.namespace, it.name] }),
        action("Delete", async () => { await tell(`schedules/${uri(namespace)}/${uri(name)}`, null, "DELETE"); location.hash = "#/schedules"; }, { confirmed: `${it.name} fires no more; runs that it started go on.`, danger: true, needs: ["schedule:write", it.namespace, it.name] })),
      json("Input", it.input)),
    el("div.halves.even", {},
      card("What comes next", ahead.next.length ? el("ol.story", {}, ahead.next.map((at) => el("li", {}, locally(at), el("span.hint", {}, ` ${why(ahead.decisions, at)}`)))) : el("p.empty", {}, it.status === "paused" ? "Nothing while it is paused." : "Nothing.")),
      card("What came of it", firings)),
    card("Backfills", backfills));
}

function why(decisions, at) {
  const found = decisions.find((one) => one.at === at);
  return found ? [found.decision, found.why].filter(Boolean).join(": ") : "";
}

const LEFT = ["namespace", "name", "status", "reason", "retrying", "pending", "waiting", "failures", "managed_by", "next_at", "last_at", "last_run", "fired", "created_at", "updated_at", "updated_by"];
const change = (it) => ask({
  title: `Change ${it.name}`, yes: "Save", wide: true, fields: [{ name: "settings", label: "Settings", kind: "json", rows: 18, value: Object.fromEntries(Object.entries(it).filter(([name, value]) => !LEFT.includes(name) && value !== null)), required: true }],
  act: async ({ settings }) => { await tell(`schedules/${uri(it.namespace)}/${uri(it.name)}`, settings, "PUT"); refresh(); },
});

// What it would start is shown before anything is.
const catchUp = (it) => ask({
  title: `Runs of ${it.name} for a past time`, yes: "What would start?", fields: [{ name: "name", label: "Name of the backfill", value: `${it.name}-${new Date().toISOString().slice(0, 10)}`.slice(0, 63), required: true }, { name: "from", label: "From", kind: "instant", value: Date.now() - 86400e3, required: true }, { name: "until", label: "Until", kind: "instant", value: Date.now(), required: true },
    { name: "reprocess", label: "Those that ran already", kind: "choice", options: ["none", "failed", "all"], value: "none", required: true }, { name: "concurrency", label: "At once", kind: "number", whole: true, value: 2, required: true }],
  act: async ({ name, ...said }) => {
    const plan = { schedule: it.name, ...said };
    const found = await tell(`backfills/${uri(it.namespace)}/${uri(name)}/preview`, plan);
    if (!found.total) throw new Error(`Nothing would start: ${found.had_runs} instants of that time had a run.`);
    return await ask({
      title: `Start ${found.total} runs?`, text: `${ends(found).join("\n")}\n\n${found.had_runs} instants of that time had a run.`, yes: "Start",
      act: async () => { await tell(`backfills/${uri(it.namespace)}/${uri(name)}`, plan, "PUT"); refresh(); },
    }) ?? false;
  },
});

// The first and the last of what would start.
function ends({ total, first, last }) {
  const shown = (all) => all.map((at) => (Number.isNaN(Date.parse(at)) ? at : locally(at)));
  return total <= 10 ? shown(first.slice(0, total)) : [...shown(first.slice(0, 5)), "…", ...shown(last.slice(-5))];
}

const add = () => ask({
  title: "New schedule", yes: "Make", fields: [{ name: "name", label: "Name", required: true }, { name: "namespace", label: "Namespace", value: "default", required: true }, { name: "workflow", label: "Starts the workflow", required: true },
    { name: "cron", label: "Cron", placeholder: "0 7 * * mon-fri" }, { name: "every", label: "or each", placeholder: "PT15M, or 15m" }, { name: "timezone", label: "Time zone", value: Intl.DateTimeFormat().resolvedOptions().timeZone, required: true }, { name: "input", label: "Input", kind: "json", rows: 4 }],
  act: async ({ name, namespace, cron, every, ...said }) => {
    const it = await tell(`schedules/${uri(namespace)}/${uri(name)}`, { ...said, ...(cron ? { cron } : {}), ...(every ? { every: lasts(every) } : {}) }, "PUT");
    location.hash = to(it);
  },
});
