// API keys and sessions, one's own or somebody's.

import { granted, parsed } from "./bindings.js";
import { action, ask, hand, refresh } from "./dialog.js";
import { ago, badge, el, paged, table } from "./parts.js";
import { get, tell, uri } from "./session.js";

const MADE = "It is shown now, and never again.";

function standing(it) {
  if (it.revoked_at) return "revoked";
  return it.expires_at && new Date(it.expires_at) < new Date() ? "expired" : it.replaced_by ? "replaced" : "active";
}

// Keys of others are made for programs only.
export async function keyTable(whose, mayHave = true) {
  const list = await paged((cursor) => get("api-keys", { ...whose, limit: 100, cursor }), (items) => table([
    ["State", (it) => badge(standing(it))], ["Key", (it) => it.name, "half"], ["Id", (it) => it.id, "id"], ["May", (it) => it.grants.map(granted).join("; ") || "what its owner may", "half"], ["Made", (it) => ago(it.created_at)], ["Expires", (it) => ago(it.expires_at) ?? "never"], ["Last used", (it) => ago(it.last_used_at) ?? "never"],
    ["", (it) => !it.revoked_at && el("span", {}, !it.replaced_by && action("Replace", () => rotate(it)), " ", action("Revoke", async () => { await tell(`api-keys/${uri(it.id)}`, null, "DELETE"); refresh(); }, { confirmed: `Whoever uses ${it.name} is refused within seconds.`, danger: true }))],
  ], items, "No key."));
  return el("div", {}, list, mayHave && el("p.actions", {}, action("New key", () => make(whose.owner))));
}

const make = (owner) => ask({
  title: owner ? `New key of ${owner}` : "New key", yes: "Make", fields: [{ name: "name", label: "Name", required: true, placeholder: "ci" }, { name: "grants", label: "Only these permissions", kind: "long", hint: "One a line, such as run:start@billing/pay-*; empty for all that its owner may." }, { name: "days", label: "Days until it expires", kind: "number", whole: true, value: 90, hint: "Empty for never." }],
  act: async ({ name, grants, days }) => {
    const expires = days ? new Date(Date.now() + days * 86400e3).toISOString() : null;
    const made = await tell("api-keys", { name, ...(grants ? { grants: parsed(grants) } : {}), expires_at: expires, ...(owner ? { owner } : {}) });
    await hand(`The key ${name}`, MADE, made.api_key);
    refresh();
  },
});

const rotate = (it) => ask({
  title: `Replace ${it.name}`, yes: "Replace", fields: [{ name: "hours", label: "Hours in which the old one works on", kind: "number", value: 24, required: true }],
  act: async ({ hours }) => { const made = await tell(`api-keys/${uri(it.id)}/rotate`, { overlap_seconds: Math.round(3600 * hours) }); await hand(`The new key ${it.name}`, MADE, made.api_key); refresh(); },
});

export const sessionTable = (whose) => paged((cursor) => get("auth/sessions", { ...whose, limit: 100, cursor }), (items) => table([
  ["Began", (it) => el("span", {}, ago(it.began_at), it.current && el("span.chip", {}, "this one"))], ["From", (it) => it.address], ["With", (it) => it.agent, "long"], ["Ends if unused", (it) => ago(it.idle_until)], ["Ends", (it) => ago(it.ends_at)],
  ["", (it) => action("End", async () => { await tell(`auth/sessions/${uri(it.id)}`, null, "DELETE"); refresh(); }, { confirmed: it.current ? "You are logged out here." : "Its tokens are refused within seconds.", danger: true })],
], items, "No session."));
