// Who may what, and why; and what would change if somebody were bound to a role.

import { bindingFields, bound, changes, granted } from "./bindings.js";
import { action, ask } from "./dialog.js";
import { holds } from "./may.js";
import { badge, complaint, el, table } from "./parts.js";
import { get, look, tell, uri } from "./session.js";

const FIELDS = [["permission", "What, such as run:start", "run:start"], ["namespace", "Namespace", "default"], ["name", "Of which name (any)", ""], ["user", "Who (yourself)", ""]];

export async function showAsking(query) {
  const roles = (await look("roles", {}, { items: [] })).items;
  const known = el("datalist", { id: "permissions" }, [...new Set(roles.flatMap((one) => one.permissions))].sort().map((one) => el("option", { value: one })));
  const answer = el("div.stack", { role: "status" });
  const form = el("form.filter", {}, FIELDS.map(([name, title, value]) => {
    const field = el("input", { name, placeholder: title, ariaLabel: title, value: query.get(name) ?? value, required: name === "permission", disabled: name === "user" && !holds("user:read") });
    if (name === "permission") field.setAttribute("list", "permissions");
    return field;
  }), el("button", { type: "submit" }, "May they?"), known);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const said = Object.fromEntries([...new FormData(form)].filter(([, value]) => value));
    try { answer.replaceChildren(...told(await tell("auth/explain", said))); } catch (problem) { answer.replaceChildren(el("div.problem", {}, complaint(problem))); }
  });
  const simulate = action("What if …?", () => whatIf(roles.map((one) => one.name), query.get("user") ?? ""), { needs: ["user:read", "*"] });
  return el("div", {}, el("p.hint", {}, "The answer says which rule gives it or takes it away, and all that was looked at."), form, answer, el("p.actions", {}, simulate, el("span.hint", {}, "what would change if somebody were bound to a role; nothing is changed.")));
}

const told = (it) => [
  el("p", {}, badge(it.allowed ? "allowed" : "refused"), ` ${it.user}: `, it.by ? granted(it.by) : "no rule gives it."),
  table([["Binding", (one) => one.binding, "said"], ["Says", (one) => badge(one.effect)], ["Why", (one) => one.why, "said"]], it.considered, "There was no binding to look at.")];

const whatIf = (roles, user) => ask({
  title: "What if …?", text: "Beside what they hold themselves now.", yes: "What would change?", fields: [{ name: "user", label: "Who", value: user, required: true }, ...bindingFields(roles)],
  act: async ({ user: name, ...said }) => {
    const { bindings } = await get(`users/${uri(name)}`);
    const { gained, lost } = await tell("auth/simulate", { user: name, bindings: [...bindings, bound(said)] });
    return ask({ title: `What would change for ${name}`, text: changes(gained, lost), yes: "Close", no: null });
  },
});
