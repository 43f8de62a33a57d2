// Who did what: the records of the proven trail, with what was asked and what changed.

import { filtered } from "./filter.js";
import { ago, badge, clock, el, facts, json, paged, table } from "./parts.js";
import { get, look } from "./session.js";

export async function showAudit(place, _, query) {
  const { form, chosen } = filtered("audit", query, [["actor", "Who, such as user:ada"], ["action", "What, such as run.started"], ["entity", "Kind"], ["id", "Id"], ["namespace", "Namespace"], ["correlation", "Correlation"], ["outcome", "Outcome", ["", "accepted", "refused", "failed"]]]);
  const state = await look("audit/status", {}, null);
  const list = await paged((cursor) => get("audit", { ...chosen, limit: 50, cursor }), (items) => (items.length ? el("div.records", {}, items.map(record)) : el("p.empty", {}, "No record is like that.")));
  const proof = state && el("p.hint", {}, `${state.number} records in one chain, sealed up to ${state.sealed}. To prove it elsewhere: tocsin audit export, then tocsin audit verify.`);
  place.replaceChildren(el("section.card", { ariaLabel: "Audit" }, el("h1", {}, "Audit"), proof, form, list));
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
