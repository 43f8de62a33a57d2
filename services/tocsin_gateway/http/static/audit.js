// Who did what: the records of the proven trail, with what was asked and what changed.

import { ago, badge, card, clock, el, facts, json, paged, table } from "./parts.js";
import { get, look } from "./session.js";

export async function showAudit(place, _, query) {
  const names = ["actor", "action", "entity", "id", "outcome", "namespace", "correlation"];
  const filter = Object.fromEntries(names.map((name) => [name, query.get(name) ?? ""]));
  const state = await look("audit/status", {}, null);
  const field = (name, placeholder) => el("input", { name, placeholder, ariaLabel: placeholder, value: filter[name] });
  const outcome = el("select", { name: "outcome", ariaLabel: "Outcome" }, ["", "accepted", "refused", "failed"].map((value) => el("option", { value, selected: value === filter.outcome }, value || "any outcome")));
  const form = el("form.filter", {}, field("actor", "Who, such as user:ada"), field("action", "What, such as run.started"), field("entity", "Kind"), field("id", "Id"), field("namespace", "Namespace"), outcome, el("button", { type: "submit" }, "Find"));
  const find = () => { location.hash = `#/audit?${new URLSearchParams([...new FormData(form)].filter(([, value]) => value))}`; };
  form.addEventListener("submit", (event) => { event.preventDefault(); find(); });
  outcome.addEventListener("change", find);
  const list = await paged((cursor) => get("audit", { ...filter, limit: 50, cursor }), (items) => (items.length ? el("div.records", {}, items.map(record)) : el("p.empty", {}, "No record is like that.")));
  const proof = state && el("p.hint", {}, `${state.number} records in one chain, sealed up to ${state.sealed}. To prove it elsewhere: tocsin audit export, then tocsin audit verify.`);
  place.replaceChildren(card("Audit", proof, form, list));
}

function record(it) {
  const data = it.event?.data ?? {};
  const asked = it.entity === "request" ? `${data.method ?? ""} ${data.target ?? data.route ?? ""}` : it.id;
  const line = el("summary", {}, el("span.number", {}, `#${it.number} `), ago(it.time), badge(it.outcome), el("b", {}, it.action.replace(".", " ")), el("span.long", {}, asked), el("span.hint", {}, it.actor ?? ""));
  const made = el("details.record", {}, line);
  made.addEventListener("toggle", () => {
    line.dataset.touched = "yes";
    if (made.children.length > 1) return;
    made.append(facts([["When", `${new Date(it.time).toLocaleDateString()} ${clock(it.time)}`], ["Who", it.actor], ["From", it.address], ["Permission", it.permission], ["Namespace", it.namespace], ["Request", it.request], ["Correlation", it.correlation], ["Problem", it.problem && JSON.stringify(it.problem)], ["Hash", it.hash]]),
      it.changes?.length ? table([["Field", (one) => one.field ?? one.name ?? one.path], ["Before", (one) => plain(one.before)], ["After", (one) => plain(one.after)]], it.changes, "") : "", json("The signal", it.event));
  });
  return made;
}

const plain = (value) => (value == null ? "–" : typeof value === "string" ? value : JSON.stringify(value));
