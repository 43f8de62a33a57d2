// Webhooks out: what is told to whom, how that goes, each request with its answer, and telling it again.

import { action, ask, hand, refresh, say, tellAll } from "./dialog.js";
import { filtered } from "./filter.js";
import { ago, badge, card, el, facts, json, lasting, link, paged, table } from "./parts.js";
import { get, tell, uri } from "./session.js";

const to = (it) => `#/webhooks/${uri(it.namespace)}/${uri(it.name)}`;
const writing = (it) => ({ needs: ["webhook:write", it.namespace, it.name] });
const FORMATS = ["structured", "binary", "template"];
const SETTINGS = ["url", "subject", "filter", "format", "template", "ordered", "key", "parallel", "rate", "timeout", "retry_for", "disable_after", "headers", "signing_secret", "header_secrets", "verification", "description"];

export async function showWebhooks(place, _, query) {
  const { form, chosen } = filtered("webhooks", query, [["namespace", "Namespace (default)"]]);
  const list = await paged((cursor) => get("webhooks", { ...chosen, limit: 100, cursor }), (items) => table([
    ["State", (it) => badge(it.state)], ["Webhook", (it) => link(to(it), it.name)], ["Tells", (it) => it.subject, "id.short"], ["To", (it) => it.url, "half"],
    ["Wait", (it) => (it.waiting ? String(it.waiting) : ""), "number"], ["Failing since", (it) => ago(it.failing_since)], ["Why", (it) => it.reason, "half"],
  ], items, "No webhook here: one tells another system of any change of state, signed, and again until it is taken.", to));
  place.replaceChildren(el("section.card", { ariaLabel: "Webhooks" }, el("h1", {}, "Webhooks"), form, list, el("p.actions", {}, action("New webhook", add, { needs: ["webhook:write"] }))));
}

const add = () => ask({
  title: "New webhook", text: "The address is asked at once whether it wants to be told.", yes: "Make", fields: [{ name: "name", label: "Name", required: true }, { name: "namespace", label: "Namespace", value: "default", required: true },
    { name: "url", label: "Address", placeholder: "https://", required: true }, { name: "subject", label: "Which signals", value: "signals.default.run.faulted.*", required: true, hint: "* stands for one part, > for the rest." },
    { name: "filter", label: "Only if (CESQL)", placeholder: "workflow LIKE 'order-%'" }, { name: "format", label: "Form", kind: "choice", options: FORMATS, value: "structured", required: true }, { name: "template", label: "Template (jq), for that form" }, { name: "description", label: "What for" }],
  act: async ({ name, namespace, filter, template, ...said }) => {
    const made = await tell(`webhooks/${uri(namespace)}/${uri(name)}`, { ...said, filter: filter || null, template: template || null }, "PUT");
    await shown(made);
    location.hash = to(made);
  },
});

const shown = (made) => made.secret && hand(`The secret of ${made.name}`, "The receiver checks signatures with it. It is shown now, and never again.", made.secret);

export async function showWebhook(place, [namespace, name], query) {
  const it = await get(`webhooks/${uri(namespace)}/${uri(name)}`);
  const { form, chosen, isChosen } = filtered(to(it).slice(2), query, [["state", "State", ["", "waiting", "delivered", "given-up", "discarded"]], ["type", "Type of signal"]]);
  const log = await paged((cursor) => get(`webhooks/${uri(namespace)}/${uri(name)}/deliveries`, { ...chosen, limit: 50, cursor }), (items) => (items.length ? el("div.records", {}, items.map((one) => delivery(it, one))) : el("p.empty", {}, isChosen ? "None is like that." : "Nothing was told yet.")));
  place.replaceChildren(
    el("section.card", {}, el("h1", {}, badge(it.state), ` ${it.name}`), it.description && el("p", {}, it.description), it.reason && el("p.wrong", {}, it.reason),
      facts([["Namespace", it.namespace], ["To", it.url], ["Tells", el("code", {}, it.subject)], ["Only if", it.filter && el("code", {}, it.filter)], ["Form", it.format === "template" ? `jq: ${it.template}` : it.format], ["Order", it.ordered ? `kept for each ${it.key || "entity"}` : "not kept"],
        ["At once", String(it.parallel)], ["Rate", it.rate && `${it.rate} a second`], ["Patience", lasting(it.timeout)], ["Tried for", lasting(it.retry_for)], ["Given up after", lasting(it.disable_after)], ["Wait", it.waiting ? String(it.waiting) : null], ["Failing since", ago(it.failing_since)]]),
      doing(it)),
    card("Secrets", table([["Fingerprint", (one) => one.fingerprint, "id"], ["Made", (one) => ago(one.made_at)], ["Signs until", (one) => ago(one.until) ?? "it is replaced"]], it.secrets, it.signing_secret ? `It signs with the secret ${it.signing_secret}.` : "None.")),
    card("Deliveries", form, log));
}

function doing(it) {
  const then = (text, verb, options) => action(text, async () => { await tell(`webhooks/${uri(it.namespace)}/${uri(it.name)}/${verb}`); say(`${text}: done.`); refresh(); }, { ...writing(it), ...options });
  return el("p.actions", {},
    action("Test", async () => { attempt(`What ${it.name} answers`, await tell(`webhooks/${uri(it.namespace)}/${uri(it.name)}/test`)); }, writing(it)),
    it.state === "unverified" && then("Ask again", "verify"), it.state === "active" && then("Pause", "pause", { confirmed: "It is not told until it is resumed; what waits goes on waiting." }),
    it.state === "paused" && then("Resume", "resume"), it.state === "disabled" && then("Enable again", "resume"),
    action("Send a window again", () => again(it), { needs: ["webhook:redeliver", it.namespace, it.name] }),
    action("New secret", () => ask({
      title: `A new secret of ${it.name}`, yes: "Make", fields: [{ name: "hours", label: "Hours in which the old one signs, too", kind: "number", value: 24, required: true }],
      act: async ({ hours }) => { const made = await tell(`webhooks/${uri(it.namespace)}/${uri(it.name)}/rotate`, { overlap: `PT${Math.round(3600 * hours)}S` }); await shown(made); refresh(); },
    }), writing(it)),
    action("Change", () => change(it), writing(it)),
    action("Delete", async () => { await tell(`webhooks/${uri(it.namespace)}/${uri(it.name)}`, null, "DELETE"); location.hash = "#/webhooks"; }, { confirmed: `What waits for ${it.name} is discarded.`, danger: true, ...writing(it) }));
}

const again = (it) => ask({
  title: "Send a window again", text: "All messages of that time, under the ids that they had; also those of a time in which it was not told.", yes: "Send",
  fields: [{ name: "since", label: "From", kind: "instant", value: Date.now() - 3600e3, required: true }, { name: "until", label: "Until", kind: "instant", hint: "Empty for now." }],
  act: async ({ since, until }) => { const { messages } = await tell(`webhooks/${uri(it.namespace)}/${uri(it.name)}/redeliver`, { since, until: until ?? null }); say(`${messages} messages are sent again.`); refresh(); },
});

const change = (it) => ask({
  title: `Change ${it.name}`, text: "Another address is asked at once whether it wants to be told.", yes: "Save", wide: true,
  fields: [{ name: "settings", label: "Settings", kind: "json", rows: 18, value: Object.fromEntries(SETTINGS.map((name) => [name, it[name] ?? null]).filter(([, value]) => value !== null)), required: true }],
  act: async ({ settings }) => { await shown(await tell(`webhooks/${uri(it.namespace)}/${uri(it.name)}`, settings, "PUT")); refresh(); },
});

function delivery(it, one) {
  const last = one.log.at(-1);
  const line = el("summary", {}, badge(one.state), ago(one.created_at), el("b", {}, one.type.replace(/^io\.[a-z]+\./, "").replace(/\.v\d+$/, "")), el("span.long", {}, one.subject),
    el("span.hint", {}, [`${one.attempts} ${one.attempts === 1 ? "try" : "tries"}`, last && (last.error ?? `answered ${last.status}`), one.reason].filter(Boolean).join(", ")));
  const made = el("details.record", {}, line);
  made.addEventListener("toggle", () => {
    line.dataset.touched = "yes";
    if (made.children.length > 1) return;
    made.append(facts([["Message", one.message], ["Next try", one.state !== "waiting" || !one.due ? null : new Date(one.due) > new Date() ? ago(one.due) : "when those before it are through"]]),
      el("p.actions", {}, action("Send again", async () => { const { messages } = await tell(`webhooks/${uri(it.namespace)}/${uri(it.name)}/deliveries/${uri(one.id)}/redeliver`); say(`${messages} sent again.`); refresh(); }, { needs: ["webhook:redeliver", it.namespace, it.name] })),
      ...one.log.toReversed().map((tried) => el("div.tried", {}, about(tried))), json("The signal", one.event) ?? "");
  });
  return made;
}

const about = (tried) => [
  el("p", {}, badge(tried.status >= 200 && tried.status < 300 ? "delivered" : "failed"), " ", tried.at && ago(tried.at), ` ${tried.status ? `answered ${tried.status}` : tried.error ?? "no answer"} within ${Math.round(1000 * tried.seconds)} ms`),
  tried.error && tried.status && el("p.hint", {}, tried.error), folded("Headers sent", Object.entries(tried.headers).map(([name, value]) => `${name}: ${value}`).join("\n")), folded("Request", tried.request), folded("Answer", tried.answer)];

const folded = (title, text) => text && el("details", {}, el("summary", {}, title), el("pre", { tabIndex: 0 }, text));

const attempt = (title, tried) => tellAll(title, el("div", {}, about(tried)), true);
