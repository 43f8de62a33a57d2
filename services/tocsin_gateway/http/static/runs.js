// The list of runs with its filters, which the address remembers.

import { ago, badge, card, el, link, paged, table, took } from "./parts.js";
import { get } from "./session.js";

const STATUSES = ["", "running", "waiting", "suspended", "pending", "completed", "faulted", "cancelled"];
const SINCE = [["", "whenever"], ["3600", "in the last hour"], ["86400", "in the last day"], ["604800", "in the last week"]];

export const columns = [
  ["Status", (run) => badge(run.status)],
  ["Workflow", (run) => el("span", {}, run.namespace === "default" ? "" : el("span.hint", {}, `${run.namespace}/`), `${run.workflow} `, el("span.hint", {}, run.version ?? ""))],
  ["Run", (run) => link(`#/runs/${run.id}`, run.id), "id"],
  ["Started", (run) => ago(run.started_at ?? run.created_at)],
  ["Took", took, "number"],
  ["Error", (run) => wrong(run.error), "long"],
];

// What went wrong, without its type and its place: https://… Title Detail /do/1/task.
const wrong = (text) => (text ?? "").replace(/^\w+:\/\/\S+ /, "").replace(/ \/do\/\S+$/, "");

export async function showRuns(place, _, query) {
  const filter = Object.fromEntries(["status", "workflow", "namespace", "label", "error", "since"].map((name) => [name, query.get(name) ?? ""]));
  const { since, ...asked } = filter;
  if (since) asked.created_after = new Date(Date.now() - since * 1000).toISOString();
  const choice = (name, title, values) => el("select", { name, ariaLabel: title }, values.map(([value, text]) => el("option", { value, selected: value === filter[name] }, text)));
  const field = (name, placeholder) => el("input", { name, placeholder, ariaLabel: placeholder, value: filter[name] });
  const form = el("form.filter", {},
    choice("status", "Status", STATUSES.map((status) => [status, status || "any status"])), field("workflow", "Workflow"), field("namespace", "Namespace"),
    field("label", "Label, such as team=post"), field("error", "Words of the error"), choice("since", "Created", SINCE), el("button", { type: "submit" }, "Find"));
  const find = () => { location.hash = `#/runs?${new URLSearchParams([...new FormData(form)].filter(([, value]) => value))}`; };
  form.addEventListener("submit", (event) => { event.preventDefault(); find(); });
  for (const control of form.querySelectorAll("select")) control.addEventListener("change", find);
  const list = await paged((cursor) => get("runs", { ...asked, limit: 100, cursor }),
    (runs) => table(columns, runs, Object.values(filter).some(Boolean) ? "No run is like that." : "No run yet: start one on the page of its workflow.", (run) => `#/runs/${run.id}`));
  place.replaceChildren(card("Runs", form, list));
}
