// Alerts: what fires and who takes care of it, the rules and promises behind that, their quiet times, and who is told.

import { action, ask, refresh, say, tellAll } from "./dialog.js";
import { filtered } from "./filter.js";
import { ago, badge, card, el, facts, json, lasting, link, paged, part, table, tabs, when } from "./parts.js";
import { get, tell, uri } from "./session.js";

const PAGES = [["#/alerts", "Alerts"], ["#/alerts/rules", "Rules and promises"], ["#/alerts/channels", "Channels"]];
const DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const SEVERITIES = ["info", "warning", "error", "critical"];
const NAMESPACE = ["namespace", "Namespace (default)"];
const to = (it) => `#/alerts/rules/${uri(it.namespace)}/${uri(it.name)}`;
const writing = (it) => ({ needs: ["alert-rule:write", it.namespace, it.name] });
const page = (title, ...inside) => el("section.card", { ariaLabel: title }, el("h1", {}, "Alerts"), tabs(PAGES, title), inside);

export async function showAlerts(place, [tab], query) {
  const shown = { rules: showRules, channels: showChannels }[tab] ?? showFiring;
  place.replaceChildren(await shown(query));
}

async function showFiring(query) {
  const { form, chosen, isChosen } = filtered("alerts", query, [["state", "State", ["", "firing", "acknowledged", "resolved"]], ["severity", "Severity", ["", ...SEVERITIES]], ["rule", "Rule"], ["workflow", "Workflow"], ["namespace", "Namespace"]]);
  return page("Alerts", form, await alerts(chosen, isChosen ? "No alert is like that." : "Nothing has been alarming yet."));
}

const alerts = (chosen, empty) => part(paged((cursor) => get("alerts", { ...chosen, limit: 50, cursor }), (items) => table([
  ["State", (it) => badge(it.state)], ["Severity", (it) => badge(it.severity)], ["What", (it) => it.summary, "long"], ["Rule", (it) => link(`#/alerts/rules/${uri(it.namespace)}/${uri(it.rule)}`, it.rule)], ["Fired", (it) => ago(it.fired_at)],
  ["Run", (it) => it.run && link(`#/runs/${it.run}`, "run")], ["Who", (it) => it.resolved_by ?? it.acknowledged_by], ["Note", (it) => it.note, "short"], ["", (it) => caring(it)],
], items, empty)));

// What can be done about an alert.
export function caring(it) {
  const note = (verb, title) => action(title, () => ask({
    title: `${title}: ${it.summary}`, yes: title, fields: [{ name: "note", label: "Note", hint: verb === "acknowledge" ? "So that others know: on it." : "What was the matter." }],
    act: async (said) => { await tell(`alerts/${uri(it.id)}/${verb}`, { note: said.note || null }); refresh(); },
  }), { needs: ["alert:acknowledge", it.namespace, it.rule] });
  return it.state === "resolved" ? null : el("span", {}, it.state === "firing" && note("acknowledge", "Acknowledge"), " ", note("resolve", "Resolve"));
}

async function showRules(query) {
  const { form, chosen } = filtered("alerts/rules", query, [NAMESPACE]);
  const list = await part(paged((cursor) => get("alert-rules", { ...chosen, limit: 100, cursor }), (items) => table([
    ["State", (it) => badge(standing(it))], ["Rule", (it) => link(to(it), it.name)], ["Fires when", fires, "half"], ["Severity", (it) => badge(it.severity)], ["Then", (it) => deeds(it.actions).join(", ") || "only the alert", "half"],
  ], items, "No rule here. A rule watches signals or measures; a promise is a rule about a workflow: that it ends in time, say.", to)));
  const make = [action("New promise", promise, { needs: ["alert-rule:write"] }), action("New rule", rule, { needs: ["alert-rule:write"] })];
  return page("Rules and promises", form, list, el("p.actions", {}, make));
}

const standing = (it) => (!it.enabled ? "disabled" : isMuted(it) ? "muted" : "active");

// As the platform has it: weekly times are in UTC, and may go past midnight.
function isMuted(it, now = new Date()) {
  const minute = now.getUTCHours() * 60 + now.getUTCMinutes();
  const day = (now.getUTCDay() + 6) % 7;
  return it.mutes.some((one) => {
    if ((one.since && now < new Date(one.since)) || (one.until && now >= new Date(one.until))) return false;
    if (!one.days.length) return Boolean(one.since || one.until);
    if (one.begins < one.ends) return one.days.includes(day) && minute >= one.begins && minute < one.ends;
    return (one.days.includes(day) && minute >= one.begins) || (one.days.includes((day + 6) % 7) && minute < one.ends);
  });
}

function fires(it) {
  const [window, what] = [lasting(it.window), it.workflow ? `${it.subject} of ${it.workflow}` : it.subject];
  return {
    count: `${it.threshold} or more of ${what} within ${window}`, absence: `no ${what} for ${window}`, rate: `more than ${Math.round(100 * it.ratio)} % of at least ${it.threshold} ${what} are ${it.bad_subject} within ${window}`,
    deadline: `${what} is not followed by ${it.until_subject} within ${window}`, measure: `${it.measure} ${it.above != null ? `above ${it.above}` : `below ${it.below}`}`,
  }[it.kind];
}

const deeds = (it) => [it.notify?.length && `tell ${it.notify.join(", ")}`, it.cancel_run && "cancel the run", it.open_case && "open a case", it.start_workflow && `start ${it.start_workflow}`].filter(Boolean);

export async function showRule(place, [namespace, name]) {
  const it = await get(`alert-rules/${uri(namespace)}/${uri(name)}`);
  const { namespace: _, name: __, promise: ___, ...body } = it;
  const put = (changes) => tell(`alert-rules/${uri(namespace)}/${uri(name)}`, { ...body, ...changes }, "PUT");
  const save = (changes) => put(changes).then(refresh);
  place.replaceChildren(
    el("section.card", {}, el("h1", {}, badge(standing(it)), ` ${it.name}`), it.summary && el("p", {}, it.summary),
      facts([["Namespace", it.namespace], ["Fires when", fires(it)], ["Only if", it.filter && el("code", {}, it.filter)], ["Must last", lasting(it.hold_for) !== it.hold_for && lasting(it.hold_for)], ["One for each", it.group_by.join(", ")], ["Severity", badge(it.severity)], ["Then", deeds(it.actions).join(", ") || "only the alert"]].filter(([, value]) => value)),
      el("p.actions", {}, action(it.enabled ? "Switch off" : "Switch on", () => save({ enabled: !it.enabled }), writing(it)), action("Change", () => change(it, body), writing(it)),
        action("Delete", async () => { await tell(`alert-rules/${uri(namespace)}/${uri(name)}`, null, "DELETE"); location.hash = "#/alerts/rules"; }, { confirmed: "What it fired is resolved.", danger: true, ...writing(it) }))),
    card("Quiet times", table([
      ["Why", (one) => one.reason, "long"], ["When", quiet], ["", (one) => action("Take away", () => save({ mutes: it.mutes.filter((other) => other !== one) }), writing(it))],
    ], it.mutes, "None. In a quiet time nothing fires; what still holds at its end fires then."), el("p.actions", {}, action("New quiet time", () => mute(it, save), writing(it)))),
    card("Alerts of this rule", await alerts({ namespace, rule: name }, "It has not fired yet.")));
}

function quiet(one) {
  const time = (minute) => `${String(Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;
  const weekly = one.days.length > 0 && `${one.days.map((day) => DAYS[day]).join(", ")} ${time(one.begins)} to ${time(one.ends)} UTC`;
  return [weekly, one.since && `from ${when(one.since)}`, one.until && `until ${when(one.until)}`].filter(Boolean).join(", ");
}

const mute = (it, save) => ask({
  title: `Quiet times of ${it.name}`, yes: "Be quiet", fields: [{ name: "reason", label: "Why", required: true }, { name: "since", label: "From", kind: "instant", value: Date.now(), required: true }, { name: "until", label: "Until", kind: "instant", value: Date.now() + 3600e3, required: true }],
  act: ({ reason, since, until }) => save({ mutes: [...it.mutes, { reason, since, until }] }),
});

const change = (it, body) => ask({
  title: `Change ${it.name}`, yes: "Save", wide: true, fields: [{ name: "rule", label: "Rule", kind: "json", rows: 18, value: body, required: true }],
  act: async (said) => { await tell(`alert-rules/${uri(it.namespace)}/${uri(it.name)}`, said.rule, "PUT"); refresh(); },
});

const NAMED = [{ name: "name", label: "Name", required: true }, { name: "namespace", label: "Namespace", value: "default", required: true }];
const THEN = [{ name: "severity", label: "Severity", kind: "choice", options: SEVERITIES, value: "error", required: true }, { name: "notify", label: "Tell these channels", hint: "Names, with commas." }, { name: "open_case", label: "Open a case", kind: "flag" }];

async function made({ name, namespace, notify, open_case, minutes, ...said }) {
  const actions = { notify: (notify ?? "").split(/[\s,]+/).filter(Boolean), open_case };
  await tell(`alert-rules/${uri(namespace)}/${uri(name)}`, { ...said, window: `PT${Math.round(60 * minutes)}S`, actions }, "PUT");
  location.hash = to({ namespace, name });
}

const promise = () => ask({
  title: "New promise", text: "About a workflow; whenever it is broken, an alert fires.", yes: "Promise", fields: [...NAMED, { name: "workflow", label: "Workflow", required: true }, { name: "promise", label: "Promise", kind: "choice", options: ["ends-in-time", "starts-in-time", "fails-seldom", "runs-regularly"], value: "ends-in-time", required: true },
    { name: "minutes", label: "Within so many minutes", kind: "number", value: 30, required: true }, { name: "ratio", label: "At most this part may fail", kind: "number", hint: "Of fails-seldom: 0.1 is one of ten." }, { name: "threshold", label: "Of at least so many runs", kind: "number", whole: true, hint: "Of fails-seldom." }, ...THEN],
  act: made,
});

const rule = () => ask({
  title: "New rule", yes: "Make", fields: [...NAMED, { name: "kind", label: "Fires on", kind: "choice", options: ["count", "absence"], value: "count", required: true, hint: "The other kinds (rate, deadline, measure) are made of it by a change." },
    { name: "subject", label: "Which signals", value: "signals.default.run.faulted.*", required: true }, { name: "workflow", label: "Only of workflows like", placeholder: "order-*" }, { name: "threshold", label: "So many", kind: "number", whole: true, value: 1, required: true }, { name: "minutes", label: "Within so many minutes", kind: "number", value: 10, required: true },
    { name: "summary", label: "What to say", value: "{group} fails again and again" }, ...THEN],
  act: ({ workflow, ...said }) => made({ ...said, ...(workflow ? { workflow } : {}) }),
});

async function showChannels(query) {
  const { form, chosen } = filtered("alerts/channels", query, [NAMESPACE]);
  const list = await part(paged((cursor) => get("channels", { ...chosen, limit: 100, cursor }), (items) => table([
    ["Channel", (it) => it.name], ["Kind", (it) => it.kind], ["To", (it) => it.to.join(", ") || (it.url_secret ? `the secret ${it.url_secret}` : it.has_url ? "an address that is kept" : ""), "long"], ["Key", (it) => (it.key_secret ? `the secret ${it.key_secret}` : it.has_key ? "kept" : "")], ["Changed", (it) => ago(it.changed_at)],
    ["", (it) => el("span", {}, action("Test", () => test(it), { needs: ["channel:write", it.namespace, it.name] }), " ", action("Delete", async () => { await tell(`channels/${uri(it.namespace)}/${uri(it.name)}`, null, "DELETE"); refresh(); }, { confirmed: "What waits for it is discarded.", danger: true, needs: ["channel:write", it.namespace, it.name] }))],
  ], items, "No channel here: a channel tells people, by chat, mail, PagerDuty or a webhook.")));
  return page("Channels", form, list, el("p.actions", {}, action("New channel", channel, { needs: ["channel:write"] })));
}

async function test(it) {
  const tried = await tell(`channels/${uri(it.namespace)}/${uri(it.name)}/test`);
  await tellAll(`What ${it.name} answers`, el("div", {}, el("p", {}, tried.error ?? `It answered ${tried.status ?? "well"} within ${Math.round(1000 * tried.seconds)} ms.`), json("Headers", tried.headers), el("pre", { tabIndex: 0 }, tried.request), tried.answer && el("pre", { tabIndex: 0 }, tried.answer)), true);
}

const channel = () => ask({
  title: "New channel", yes: "Make", fields: [...NAMED, { name: "kind", label: "Kind", kind: "choice", options: ["slack", "email", "webhook", "pagerduty"], value: "slack", required: true }, { name: "url", label: "Address", kind: "password", autocomplete: "off", hint: "Of chat and webhook; it is kept like a secret." },
    { name: "key", label: "Key", kind: "password", autocomplete: "off", hint: "Of PagerDuty, or what a webhook signs with (whsec_…)." }, { name: "to", label: "To", hint: "Of mail: addresses, with commas." }],
  act: async ({ name, namespace, kind, url, key, to: mail }) => {
    await tell(`channels/${uri(namespace)}/${uri(name)}`, { kind, url: url || null, key: key || null, to: (mail ?? "").split(/[\s,]+/).filter(Boolean) }, "PUT");
    say(`${name} is there.`);
    refresh();
  },
});
