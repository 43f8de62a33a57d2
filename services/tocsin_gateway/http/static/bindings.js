// Bindings: a role in a namespace, for things of some names, at some times; or the lack of it. And single permissions in the same words.

import { action, ask } from "./dialog.js";
import { el, link, table } from "./parts.js";
import { may } from "./may.js";
import { look, tell, uri } from "./session.js";

const where = (namespace) => (namespace === "*" ? "everywhere" : `in ${namespace}`);
const named = (names) => (names && names !== "*" ? `, for ${names}` : "");

export const worded = (it) => `${it.deny ? "not " : ""}${it.role} ${where(it.namespace ?? "*")}${named(it.names)}${it.when ? ", at times" : ""}`;
export const granted = (it) => `${it.deny ? "not " : ""}${it.permission} ${where(it.namespace ?? "*")}${named(it.name)}`;

// run:start@billing/pay-* as the command line has it.
export function parsed(text) {
  return (text ?? "").split(/[\n,]+/).map((one) => one.trim()).filter(Boolean).map((one) => {
    const [permission, scope = "*"] = one.split(/@(.*)/s, 2);
    const [namespace, name = "*"] = scope.split(/\/(.*)/s, 2);
    return { permission, namespace, name };
  });
}

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

// What a holder has, each to be taken away, and one more; `save` is given all of them. `before` says what would change.
export function bindings(held, { save, before, needs }) {
  const drop = (it) => action("Take away", async () => confirmed(held.filter((one) => !same(one, it)), `Take away: ${worded(it)}`), { danger: true, needs });
  const confirmed = async (next, title) => {
    const changes = before ? await before(next) : null;
    return ask({ title: `${title}?`, text: changes ?? undefined, yes: "Do it", act: async () => { await save(next); } });
  };
  const add = action("New binding", async () => {
    const roles = (await look("roles", {}, { items: [] })).items.map((one) => one.name);
    await ask({
      title: "New binding", yes: "What would change?", fields: bindingFields(roles),
      act: async (said) => (await confirmed([...held, bound(said)], `Bind: ${worded(bound(said))}`)) ?? false,
    });
  }, { needs });
  return [table([
    ["Role", (it) => el("span", {}, it.deny && el("span.chip.bad", {}, "not"), " ", link(`#/access/roles/${uri(it.role)}`, it.role))], ["Where", (it) => (it.namespace === "*" ? "everywhere" : it.namespace)], ["For", (it) => (it.names === "*" ? "all names" : it.names)],
    ["When", (it) => (it.when ? JSON.stringify(Object.fromEntries(Object.entries(it.when).filter(([, value]) => value && Object.keys(value).length))) : "always"), "long"], ["", drop],
  ], held, "None: it may do nothing by itself."), el("p.actions", {}, add)];
}

export const bindingFields = (roles) => [
  roles.length ? { name: "role", label: "Role", kind: "choice", options: roles, value: roles[0], required: true } : { name: "role", label: "Role", required: true },
  { name: "namespace", label: "Namespace", value: "*", required: true, hint: "* for all." }, { name: "names", label: "For things called", value: "*", required: true, hint: "A name, whole parts and * (billing-*), or * for all." },
  { name: "deny", label: "Take away instead of giving", kind: "flag" }, { name: "when", label: "Only when", kind: "json", rows: 3, hint: 'Empty for always; such as {"environments": ["production"]}.' }];

export const bound = ({ role, namespace, names, deny, when }) => ({ role, namespace: namespace || "*", names: names || "*", deny: Boolean(deny), when: when ?? null });

// What would change for somebody, as lists.
export async function simulated(user, next) {
  if (!may("user:read")) return null;
  const { gained, lost } = await tell("auth/simulate", { user, bindings: next });
  return changes(gained, lost);
}

export function changes(gained, lost) {
  if (!gained.length && !lost.length) return el("p", {}, "Nothing would change.");
  const listed = (title, all, kind) => all.length > 0 && el("div", {}, el("h3", {}, title), el("ul.changes", {}, all.map((one) => el(`li.${kind}`, {}, granted(one)))));
  return el("div.stack", {}, listed("Gained", gained, "come"), listed("Lost", lost, "gone"));
}
