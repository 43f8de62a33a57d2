// A form over a list: what is chosen stands in the address, so that it can be kept, sent and gone back to.

import { el } from "./parts.js";

// Fields are [name, what it is called, choices if there are any: texts or [value, text]]. Answers the form and what is chosen.
export function filtered(base, query, fields) {
  const chosen = Object.fromEntries(fields.map(([name]) => [name, query.get(name) ?? ""]));
  const controls = fields.map(([name, title, choices]) => (choices
    ? el("select", { name, ariaLabel: title }, choices.map((one) => (Array.isArray(one) ? one : [one, one || `any ${title.toLowerCase()}`])).map(([value, text]) => el("option", { value, selected: value === chosen[name] }, text)))
    : el("input", { name, placeholder: title, ariaLabel: title, value: chosen[name] })));
  const form = el("form.filter", {}, controls, controls.some((it) => it.tagName === "INPUT") && el("button", { type: "submit" }, "Find"));
  const find = () => {
    const search = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
    location.hash = String(search) ? `#/${base}?${search}` : `#/${base}`;
  };
  form.addEventListener("submit", (event) => { event.preventDefault(); find(); });
  for (const control of controls) if (control.tagName === "SELECT") control.addEventListener("change", find);
  return { form, chosen, isChosen: Object.values(chosen).some(Boolean) };
}
