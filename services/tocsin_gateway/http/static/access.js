// Who may do what: people and programs, groups, roles, namespaces, keys; and why somebody may do something or not.

import { showAsking } from "./asking.js";
import { bindings, simulated, worded } from "./bindings.js";
import { action, ask, refresh, say } from "./dialog.js";
import { keyTable, sessionTable } from "./keys.js";
import { ago, badge, card, el, facts, link, paged, part, table, tabs } from "./parts.js";
import { showGroups, showNamespaces, showRoles } from "./roles.js";
import { get, tell, uri } from "./session.js";

const PAGES = [["#/access", "People and programs"], ["#/access/groups", "Groups"], ["#/access/roles", "Roles"], ["#/access/namespaces", "Namespaces"], ["#/access/keys", "API keys"], ["#/access/ask", "Who may what?"]];
const TABS = { groups: showGroups, roles: showRoles, namespaces: showNamespaces, keys: showKeys, ask: showAsking };
const to = (it) => `#/access/users/${uri(it.name)}`;
const WRITE = { needs: ["user:write", "*"] };

export async function showAccess(place, [tab], query) {
  const [, title] = PAGES.find(([hash]) => hash === (tab ? `#/access/${tab}` : "#/access"));
  const shown = await part((TABS[tab] ?? showUsers)(query));
  place.replaceChildren(el("section.card", { ariaLabel: title }, el("h1", {}, "Access"), tabs(PAGES, title), shown));
}

const kind = (it) => (it.machine ? "program" : it.origin && it.origin !== "local" ? `person, by ${it.origin}` : "person");

async function showUsers() {
  const list = await paged((cursor) => get("users", { limit: 100, cursor }), (items) => table([
    ["State", (it) => badge(it.disabled ? "disabled" : "active")], ["Name", (it) => link(to(it), it.name), "short"], ["Kind", kind], ["Holds", (it) => it.bindings.map(worded).join("; ") || "what its groups hold", "long"],
    ["Second factor", (it) => (it.machine ? "" : it.second_factor ? "yes" : "no")], ["Since", (it) => ago(it.created_at)],
  ], items, "Nobody.", to));
  return el("div", {}, list, el("p.actions", {}, action("New person or program", add, WRITE)));
}

const add = () => ask({
  title: "New person or program", yes: "Make", fields: [{ name: "name", label: "Name", required: true }, { name: "machine", label: "A program: it has API keys, and no password", kind: "flag" }, { name: "password", label: "Password", kind: "password", hint: "Of a person; to be changed by them." }],
  act: async ({ name, machine, password }) => { const it = await tell("users", { name, machine, ...(machine ? {} : { password: password || null }) }); location.hash = to(it); },
});

export async function showUser(place, [name]) {
  const it = await get(`users/${uri(name)}`);
  const [sessions, keys] = await Promise.all([part(sessionTable({ user: name })), part(keyTable({ owner: name }, it.machine))]);
  const patch = async (body) => { await tell(`users/${uri(name)}`, body, "PATCH"); refresh(); };
  const isLocal = !it.machine && (!it.origin || it.origin === "local");
  place.replaceChildren(
    el("section.card", {}, el("h1", {}, badge(it.disabled ? "disabled" : "active"), ` ${it.name}`),
      facts([["Kind", kind(it)], ["Since", ago(it.created_at)], ["Second factor", it.machine ? null : it.second_factor ? "yes" : "no"], ["Groups there", it.claims.join(", ")]]),
      el("p.actions", {},
        it.disabled ? action("Enable", () => patch({ disabled: false }), WRITE) : action("Disable", () => patch({ disabled: true }), { confirmed: `${name} can do nothing any more, within seconds, also with keys.`, danger: true, ...WRITE }),
        isLocal && action("Give a password", () => password(name), WRITE),
        it.second_factor && action("Ask for no second factor", async () => { await tell(`users/${uri(name)}/second-factor`, null, "DELETE"); refresh(); }, { confirmed: "Whoever has lost it can log in with the password alone, and add another.", danger: true, ...WRITE }),
        link(`#/access/ask?user=${uri(name)}`, "Ask what they may do"),
        action("Delete", async () => { await tell(`users/${uri(name)}`, null, "DELETE"); say(`${name} is deleted.`); location.hash = "#/access"; }, { confirmed: `${name}'s sessions and keys stop working.`, danger: true, ...WRITE }))),
    card("What it holds itself", ...bindings(it.bindings, { save: (next) => patch({ bindings: next }), before: (next) => simulated(name, next), needs: WRITE.needs })),
    card("Sessions", sessions), card("API keys", keys));
}

const password = (name) => ask({
  title: `A password for ${name}`, text: "Their sessions end.", yes: "Give", fields: [{ name: "password", label: "Password", kind: "password", required: true }],
  act: async (said) => { await tell(`users/${uri(name)}/password`, { password: said.password }, "PUT"); say(`${name} has another password.`); },
});

async function showKeys(query) {
  const owner = query.get("owner");
  const list = await keyTable(owner ? { owner } : {});
  return el("div", {}, el("p.hint", {}, owner ? `Keys of ${owner}.` : "Your own; those of somebody else are on their page."), list);
}
