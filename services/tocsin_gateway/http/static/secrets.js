// Secrets: their names, versions, rules and uses. Values go in and never come out.

import { action, ask, refresh, say } from "./dialog.js";
import { filtered } from "./filter.js";
import { ago, badge, card, el, facts, link, paged, part, table } from "./parts.js";
import { get, tell, uri } from "./session.js";

const to = (it) => `#/secrets/${uri(it.namespace)}/${uri(it.name)}`;
const SEARCHED = 500; // records of secrets, the newest
const writing = (it) => ({ needs: ["secret:write", it.namespace, it.name] });
const lines = (text) => (text ?? "").split(/[\n,]+/).map((one) => one.trim()).filter(Boolean);

export async function showSecrets(place, _, query) {
  const { form, chosen, isChosen } = filtered("secrets", query, [["namespace", "Namespace, or * for all"]]);
  const list = await paged((cursor) => get("secrets", { ...chosen, limit: 100, cursor }), (items) => table([
    ["Secret", (it) => link(to(it), it.name)], ["Namespace", (it) => (it.namespace === "*" ? "all" : it.namespace)], ["Where", (it) => (it.provider === "store" ? "here" : `${it.provider}: ${it.reference}`), "half"],
    ["Version", (it) => (it.version === null ? "" : String(it.version)), "number"], ["For", (it) => it.workflows.join(", ") || "all workflows", "short"], ["What for", (it) => it.summary, "half"], ["Changed", (it) => ago(it.changed_at)], ["Last used", (it) => ago(it.last_used_at) ?? "never"],
  ], items, isChosen ? "No secret there." : "No secret yet. What is put here can be used by workflows, and is never shown again.", to));
  place.replaceChildren(el("section.card", { ariaLabel: "Secrets" }, el("h1", {}, "Secrets"), form, list, el("p.actions", {}, action("New secret", add, { needs: ["secret:write"] }))));
}

const VALUE = { name: "value", label: "Value", kind: "secret", hint: "Never shown again, to nobody." };
const OBJECT = { name: "object", label: "It is a JSON object", kind: "flag", hint: " with members of its own" };

function meant({ value, object }) {
  if (!value) throw new Error("Value: nothing was said.");
  if (!object) return value;
  const parsed = JSON.parse(value);
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) throw new Error("Value: this is no JSON object.");
  return parsed;
}

const add = () => ask({
  title: "New secret", yes: "Store", fields: [{ name: "name", label: "Name", required: true }, { name: "namespace", label: "Namespace", value: "default", required: true, hint: "* for all; one of the namespace goes before it." },
    { name: "provider", label: "Where its value is", kind: "choice", options: ["store", "environment", "file", "vault"], value: "store", required: true, hint: "store: here, sealed. The others are read at each use." },
    { ...VALUE, hint: "For store. Never shown again, to nobody." }, OBJECT, { name: "reference", label: "Reference", hint: "For environment, file, vault: where it is there." },
    { name: "workflows", label: "Only for these workflows", kind: "long", hint: "One a line, such as billing-*; empty for all." }, { name: "summary", label: "What for" }],
  act: async ({ name, namespace, provider, reference, workflows, summary, ...said }) => {
    const content = provider === "store" ? { value: meant(said) } : { provider, reference };
    const made = await tell(`secrets/${uri(name)}`, { namespace, ...content, workflows: lines(workflows), summary: summary ?? "" }, "PUT");
    location.hash = to(made);
  },
});

export async function showSecret(place, [namespace, name]) {
  const it = await get(`secrets/${uri(name)}`, { namespace });
  const uses = await part(get("audit", { entity: "secret", namespace: namespace === "*" ? "" : namespace, limit: SEARCHED }).then(({ items }) => table([
    ["When", (one) => ago(one.time)], ["What", (one) => one.action?.replace(".", " ")], ["Who", (one) => one.event?.data?.service ?? one.actor], ["For", (one) => user(one.event?.data?.used_by ?? {}), "long"], ["Record", (one) => `#${one.number}`, "number"],
  ], items.filter((one) => isAbout(one, it)), "Not used and not changed lately.")));
  const isHere = it.provider === "store";
  place.replaceChildren(
    el("section.card", {}, el("h1", {}, it.name), it.summary && el("p", {}, it.summary),
      facts([["Namespace", it.namespace === "*" ? "all of them" : it.namespace], ["Value", isHere ? "sealed here, shown to nobody" : `${it.provider}: ${it.reference}`], ["Version", it.version === null ? null : String(it.version)], ["For", it.workflows.join(", ") || "all workflows of the namespace"],
        ["Stored", ago(it.created_at)], ["Changed", ago(it.changed_at)], ["Last used", ago(it.last_used_at) ?? "never"]]),
      el("p.actions", {}, isHere && action("Give another value", () => rotate(it), writing(it)), action("Change the rules", () => rules(it), writing(it)),
        action("Delete", async () => { await tell(`secrets/${uri(name)}?namespace=${uri(namespace)}`, null, "DELETE"); say(`${name} is deleted.`); location.hash = "#/secrets"; }, { confirmed: `${name} with all its values? Runs that ask for it then fail.`, danger: true, ...writing(it) }))),
    card("Versions", table([
      ["Version", (one) => String(one.number)], ["Made", (one) => ago(one.made_at)], ["By", (one) => one.made_by],
      ["", (one) => (one.number === it.version ? badge("active") : action("Give out again", async () => { await tell(`secrets/${uri(name)}/restore`, { namespace, version: one.number }); refresh(); }, { confirmed: `What runs next gets the value of version ${one.number}.`, ...writing(it) }))],
    ], it.versions.toReversed(), "Its value is elsewhere: the versions are kept there.")),
    card("Uses and changes", uses));
}

// A use names all secrets that were asked for at once.
const isAbout = ({ id, event }, it) => id === it.name || (event?.data?.secrets ?? []).some((one) => (one.name ?? one) === it.name && (!one.scope || one.scope === it.namespace));

// What it was asked for.
function user({ run, workflow, task, ...more }) {
  return el("span", {}, [workflow, task, ...Object.entries(more).map(([name, value]) => `${name} ${value}`)].filter(Boolean).join(" · "), run && [" ", link(`#/runs/${uri(run)}`, run)]);
}

const rotate = (it) => ask({
  title: `Another value of ${it.name}`, text: "What runs next gets it. The one before is kept a while, and can be given out again.", yes: "Store", fields: [VALUE, OBJECT],
  act: async (said) => { const made = await tell(`secrets/${uri(it.name)}/rotate`, { namespace: it.namespace, value: meant(said) }); say(`Version ${made.version} is given out.`); refresh(); },
});

const rules = (it) => ask({
  title: `Rules of ${it.name}`, yes: "Save", fields: [{ name: "workflows", label: "Only for these workflows", kind: "long", value: it.workflows.join("\n"), hint: "One a line; empty for all." }, { name: "summary", label: "What for", value: it.summary }],
  act: async ({ workflows, summary }) => { await tell(`secrets/${uri(it.name)}`, { namespace: it.namespace, workflows: lines(workflows), summary: summary ?? "" }, "PUT"); refresh(); },
});
