// Questions to the reader, and what became of them: dialogs that the keyboard can use, and a line of news at the bottom.

import { lacking } from "./may.js";
import { complaint, copying, el } from "./parts.js";

// News that nobody has to answer; what went wrong stays until it is put away.
export function say(text, kind = "good") {
  const shut = el("button.quiet", { type: "button", ariaLabel: "Put away" }, "×");
  const line = el(`p.news.${kind}`, { role: kind === "bad" ? "alert" : "status" }, text, shut);
  shut.addEventListener("click", () => line.remove());
  document.getElementById("news").append(line);
  if (kind !== "bad") setTimeout(() => line.remove(), 4000);
}

// Fields are {name, label, kind, value, required, options, hint}; kinds are text, long, secret, number, flag, choice, instant and json.
const KINDS = {
  text: (it) => el("input", { name: it.name, value: it.value ?? "", required: !!it.required, disabled: !!it.fixed, placeholder: it.placeholder ?? "" }),
  password: (it) => el("input", { name: it.name, type: "password", autocomplete: it.autocomplete ?? "new-password", required: !!it.required }),
  secret: (it) => el("textarea.secret", { name: it.name, rows: 3, spellcheck: false, autocomplete: "off", required: !!it.required }),
  instant: (it) => el("input", { name: it.name, type: "datetime-local", step: "1", value: it.value ? local(it.value) : "", required: !!it.required }),
  number: (it) => el("input", { name: it.name, type: "number", step: it.whole ? "1" : "any", value: it.value ?? "", required: !!it.required }),
  flag: (it) => el("input", { name: it.name, type: "checkbox", checked: !!it.value }),
  long: (it) => el("textarea", { name: it.name, rows: 4, value: it.value ?? "", required: !!it.required }),
  json: (it) => el("textarea.code", { name: it.name, rows: it.rows ?? 8, spellcheck: false, value: it.value === undefined ? "" : JSON.stringify(it.value, null, 2), required: !!it.required }),
  choice: (it) => el("select", { name: it.name, required: !!it.required }, [...(it.required ? [] : [""]), ...it.options].map((one) => el("option", { value: JSON.stringify(one), selected: one === it.value }, String(one)))),
};

// As a field for dates wants it: the reader's own time, without a zone.
function local(instant) {
  const at = new Date(instant);
  return new Date(at - at.getTimezoneOffset() * 60e3).toISOString().slice(0, 19);
}

function read(it, control) {
  if (it.kind === "flag") return control.checked;
  if (control.value === "") return ["json", "choice", "number", "instant"].includes(it.kind) ? undefined : "";
  if (it.kind === "instant") return new Date(control.value).toISOString();
  if (it.kind === "number") return Number(control.value);
  if (it.kind === "choice") return JSON.parse(control.value);
  if (it.kind !== "json") return control.value;
  try { return JSON.parse(control.value); } catch (problem) { throw new Error(`${it.label}: ${problem.message}`); }
}

// Asks, and does: `act(values)` may refuse, and then the dialog stays open and says why. Answers what `act` gave, or null.
export function ask({ title, text, fields = [], yes = "Do it", no = "Never mind", danger = false, wide = false, act = (values) => values }) {
  const controls = new Map(fields.map((it) => [it.name, KINDS[it.kind ?? "text"](it)]));
  const problem = el("div.problem", { role: "alert" });
  const go = el(danger ? "button.danger" : "button", { type: "submit" }, yes);
  const leave = no && el("button.quiet", { type: "button" }, no);
  const shown = fields.map((it) => el(it.kind === "flag" ? "label.inline" : "label", {}, it.kind === "flag" ? [controls.get(it.name), it.label] : [it.label, controls.get(it.name)], it.hint && el("span.hint", {}, it.hint)));
  const form = el("form", {}, el("h2", {}, title), text && (text instanceof Node ? text : el("p", {}, text)), shown, problem, el("p.actions", {}, go, leave));
  const box = el(wide ? "dialog.card.wide" : "dialog.card", { ariaLabel: title }, form);
  document.body.append(box);
  box.showModal();
  if (!fields.length) go.focus({ preventScroll: true });
  box.scrollTop = 0; // what there is to read begins at its beginning
  return new Promise((resolve) => {
    let answer = null;
    leave?.addEventListener("click", () => box.close());
    box.addEventListener("close", () => { box.remove(); resolve(answer); });
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      go.disabled = true;
      problem.replaceChildren();
      try {
        const values = Object.fromEntries(fields.map((it) => [it.name, read(it, controls.get(it.name))]).filter(([, value]) => value !== undefined));
        const done = await act(values);
        if (done === false) return; // a question behind this one was left: the reader may say something else
        answer = done ?? true;
        box.close();
      } catch (refused) {
        problem.replaceChildren(...complaint(refused));
        problem.scrollIntoView({ block: "nearest" });
      } finally {
        go.disabled = false;
      }
    });
  });
}

// Something to be read at leisure.
export const tellAll = (title, text, wide = false) => ask({ title, text, yes: "Close", no: null, wide });

// What is shown once and never again: the reader says when it is in a safe place.
export const hand = (title, text, value) => ask({ title, yes: "I have kept it", no: null, text: el("div.stack", {}, el("p", {}, text), copying(value)) });

// The fields that a JSON schema of an object describes.
export function fieldsOf(schema) {
  const kind = (it) => {
    const type = [it.type].flat().find((one) => one && one !== "null");
    if (it.enum) return { kind: "choice", options: it.enum };
    if (type === "boolean") return { kind: "flag" };
    if (type === "number" || type === "integer") return { kind: "number", whole: type === "integer" };
    return type === "string" ? { kind: it.maxLength > 200 ? "long" : "text" } : { kind: "json", rows: 3 };
  };
  return Object.entries(schema.properties ?? {}).map(([name, it]) => ({
    name, label: it.title ?? name, hint: it.description, value: it.default, required: (schema.required ?? []).includes(name), ...kind(it),
  }));
}

// The page is drawn anew: something has just been done.
export const refresh = () => dispatchEvent(new HashChangeEvent("hashchange"));

// A button that asks the platform for something; what went wrong is said at the bottom of the page. What it `needs` is a
// permission, and a namespace and a name if it is about one: a button that the reader may not use says why.
export function action(text, act, { confirmed, danger, needs } = {}) {
  const button = el(danger ? "button.quiet.danger" : "button.quiet", { type: "button" }, text);
  const why = needs ? lacking(...needs) : "";
  if (why) Object.assign(button, { ariaDisabled: "true", ariaDescription: why, title: why });
  button.addEventListener("click", async () => {
    if (why) return say(why, "bad");
    if (confirmed) return ask({ title: text, text: confirmed, yes: text, danger, act: async () => { await act(); } });
    button.disabled = true;
    try { await act(); } catch (problem) { say(problem.message, "bad"); } finally { button.disabled = false; }
  });
  return button;
}
