// The list of runs with its filters, which the address remembers.

import { filtered } from "./filter.js";
import { ago, badge, el, link, paged, table, took } from "./parts.js";
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
  const { form, chosen, isChosen } = filtered("runs", query, [["status", "Status", STATUSES], ["workflow", "Workflow"], ["namespace", "Namespace"], ["label", "Label, such as team=post"], ["error", "Words of the error"], ["since", "Created", SINCE]]);
  const { since, ...asked } = chosen;
  if (since) asked.created_after = new Date(Date.now() - since * 1000).toISOString();
  const list = await paged((cursor) => get("runs", { ...asked, limit: 100, cursor }),
    (runs) => table(columns, runs, isChosen ? "No run is like that." : "No run yet: start one on the page of its workflow.", (run) => `#/runs/${run.id}`));
  place.replaceChildren(el("section.card", { ariaLabel: "Runs" }, el("h1", {}, "Runs"), form, list));
}
