// Groups, roles, and what is known about namespaces.

import { bindings, worded } from "./bindings.js";
import { action, ask, refresh } from "./dialog.js";
import { badge, card, el, facts, link, paged, table } from "./parts.js";
import { get, tell, uri } from "./session.js";

const group = (name) => `#/access/groups/${uri(name)}`;
const role = (name) => `#/access/roles/${uri(name)}`;
const USERS = { needs: ["user:write", "*"] };
const ROLES = { needs: ["role:write", "*"] };
const lines = (text) => (text ?? "").split(/[\n,]+/).map((one) => one.trim()).filter(Boolean);

export async function showGroups() {
  const list = await paged((cursor) => get("groups", { limit: 100, cursor }), (items) => table([
    ["Group", (it) => link(group(it.name), it.name)], ["Members", (it) => it.members.join(", "), "third"], ["Of the provider", (it) => it.claimed.join(", "), "short"], ["Hold", (it) => it.bindings.map(worded).join("; "), "third"], ["What for", (it) => it.summary, "third"],
  ], items, "No group: a group holds roles for all its members.", (it) => group(it.name)));
  return el("div", {}, list, el("p.actions", {}, action("New group", () => change(null), USERS)));
}

const change = (it) => ask({
  title: it ? `Change ${it.name}` : "New group", yes: "Save", fields: [...(it ? [] : [{ name: "name", label: "Name", required: true }]), { name: "members", label: "Members", kind: "long", value: it?.members.join("\n"), hint: "One a line." },
    { name: "claimed", label: "Also who has one of these groups at the identity provider", kind: "long", value: it?.claimed.join("\n") }, { name: "summary", label: "What for", value: it?.summary }],
  act: async ({ name, members, claimed, summary }) => {
    const called = it?.name ?? name;
    await tell(`groups/${uri(called)}`, { members: lines(members), claimed: lines(claimed), summary: summary ?? "", bindings: it?.bindings ?? [] }, "PUT");
    if (it) refresh(); else location.hash = group(called);
  },
});

export async function showGroup(place, [name]) {
  const it = await get(`groups/${uri(name)}`);
  const { name: _, ...body } = it;
  place.replaceChildren(
    el("section.card", {}, el("h1", {}, it.name), it.summary && el("p", {}, it.summary),
      facts([["Members", el("span", {}, it.members.flatMap((one) => [link(`#/access/users/${uri(one)}`, one), " "]), !it.members.length && "nobody")], ["Of the provider", it.claimed.join(", ")]]),
      el("p.actions", {}, action("Change", () => change(it), USERS), action("Delete", async () => { await tell(`groups/${uri(name)}`, null, "DELETE"); location.hash = "#/access/groups"; }, { confirmed: "Its members hold its roles no longer.", danger: true, ...USERS }))),
    card("What its members hold", ...bindings(it.bindings, { save: async (next) => { await tell(`groups/${uri(name)}`, { ...body, bindings: next }, "PUT"); refresh(); }, needs: USERS.needs })));
}

export async function showRoles() {
  const { items } = await get("roles");
  return el("div", {}, table([
    ["Role", (it) => link(role(it.name), it.name)], ["Made", (it) => (it.built_in ? "with the platform" : "here")], ["What for", (it) => it.summary, "half"], ["Permissions", (it) => it.permissions.join(", "), "half"],
  ], items, "None.", (it) => role(it.name)), el("p.actions", {}, action("New role", () => write(null), ROLES)));
}

const write = (it) => ask({
  title: it ? `Change ${it.name}` : "New role", yes: "Save", fields: [...(it ? [] : [{ name: "name", label: "Name", required: true }]), { name: "permissions", label: "Permissions", kind: "long", required: true, value: it?.permissions.join("\n"), hint: "One a line: run:start, case:*." }, { name: "summary", label: "What for", value: it?.summary }],
  act: async ({ name, permissions, summary }) => {
    const called = it?.name ?? name;
    await tell(`roles/${uri(called)}`, { permissions: lines(permissions), summary: summary ?? "" }, "PUT");
    if (it) refresh(); else location.hash = role(called);
  },
});

export async function showRole(place, [name]) {
  const it = await get(`roles/${uri(name)}`);
  const holds = new Map();
  for (const one of it.permissions) {
    const [resource, verb] = one.split(":");
    holds.set(resource, [...(holds.get(resource) ?? []), verb]);
  }
  place.replaceChildren(
    el("section.card", {}, el("h1", {}, it.name, " ", it.built_in && badge("built in")), it.summary && el("p", {}, it.summary),
      it.built_in ? el("p.hint", {}, "It comes with the platform, and stays as it is; make one of your own where it does not fit.") : el("p.actions", {}, action("Change", () => write(it), ROLES),
        action("Delete", async () => { await tell(`roles/${uri(name)}`, null, "DELETE"); location.hash = "#/access/roles"; }, { confirmed: "Nobody may hold it any more for that.", danger: true, ...ROLES }))),
    card("Permissions", table([["On", ([resource]) => (resource === "*" ? "everything" : resource)], ["May", ([, verbs]) => verbs.map((verb) => (verb === "*" ? "everything" : verb)).join(", "), "said"]], [...holds].sort(), "None.")));
}

export async function showNamespaces() {
  const { items } = await get("auth/namespaces");
  const list = table([
    ["Namespace", (it) => it.name], ["Environment", (it) => it.environment], ["Labels", (it) => Object.entries(it.labels).map(([label, value]) => `${label}=${value}`).join(" "), "long"], ["Protected", (it) => (it.protected ? "yes" : "")], ["Two people publish", (it) => (it.reviewed ? "yes" : "")],
    ["", (it) => action("Change", () => say(it), ROLES)],
  ], items, "Nothing is said about any namespace: each is as it is called.");
  return el("div", {}, el("p.hint", {}, "In a protected namespace publishing takes a role bound to that very namespace; in a reviewed one it takes two people."), list, el("p.actions", {}, action("Say what a namespace is", () => say(null), ROLES)));
}

const say = (it) => ask({
  title: it ? `What ${it.name} is` : "What a namespace is", yes: "Save", fields: [...(it ? [] : [{ name: "name", label: "Namespace", required: true }]), { name: "environment", label: "Environment", value: it?.environment, placeholder: "production" }, { name: "labels", label: "Labels", kind: "json", rows: 3, value: it?.labels ?? {} },
    { name: "protected", label: "Protected", kind: "flag", value: it?.protected }, { name: "reviewed", label: "Two people for each publication", kind: "flag", value: it?.reviewed }],
  act: async ({ name, environment, labels, ...rules }) => { await tell(`auth/namespaces/${uri(it?.name ?? name)}`, { environment: environment ?? "", labels: labels ?? {}, ...rules }, "PUT"); refresh(); },
});
