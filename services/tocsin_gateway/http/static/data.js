// Assets: what the runs made, how fresh it is and why, partition by partition, and where it comes from.

import { lineage } from "./lineage.js";
import { action, refresh } from "./dialog.js";
import { ago, badge, card, el, facts, lasting, link, paged, span, table, when } from "./parts.js";
import { get, look, tell } from "./session.js";

const NOTHING = { items: [] };
const to = (namespace, key) => `#/assets/${namespace}/${encodeURIComponent(key)}`;

export async function showAssets(place) {
  const wanted = {};
  const list = el("div");
  const show = async () => list.replaceChildren(await paged((cursor) => get("assets", { limit: 100, cursor, ...wanted }), (items) => table([
    ["Fresh", (it) => badge(it.freshness?.state ?? "unknown")], ["Asset", (it) => link(to(it.namespace, it.key), it.key)], ["Kind", (it) => it.kind], ["Group", (it) => it.group],
    ["Owners", (it) => (it.owners ?? []).join(", ")], ["Written", (it) => ago(it.materialized)], ["Times", (it) => String(it.materializations), "number"],
    ["Late partitions", (it) => String(Object.keys(it.freshness?.late ?? {}).length || ""), "number"], ["Failing checks", (it) => (it.failing ?? []).join(", ")],
    ["Namespace", (it) => it.namespace],
  ], items, "No asset like this: let a task say what it produces, or point an OpenLineage client here.", (it) => to(it.namespace, it.key))));
  const field = (name, placeholder) => {
    const made = el("input", { placeholder, ariaLabel: placeholder });
    made.addEventListener("change", () => { wanted[name] = made.value; show(); });
    return made;
  };
  const state = el("select", { ariaLabel: "Freshness" }, [["", "However fresh"], ..."stale warning fresh unknown".split(" ").map((one) => [one, one])].map(
    ([value, text]) => el("option", { value }, text)));
  state.addEventListener("change", () => { wanted.state = state.value; show(); });
  await show();
  place.replaceChildren(el("section.card", { ariaLabel: "Assets" }, el("h1", {}, "Assets"), el("div.filter", {}, field("prefix", "Begins with"), field("group", "Group"), field("kind", "Kind"), field("tag", "Tag"), state), list));
}

export async function showAsset(place, [namespace, key]) {
  const about = { namespace, key };
  const [it, why, slots, happenings, checks, columns, looks, picture] = await Promise.all([
    get(`assets/${namespace}/${encodeURIComponent(key)}`), look("assets/freshness", about, null),
    look("assets/partitions", about, { items: [], counts: {} }), look("assets/happenings", { ...about, limit: 15 }, NOTHING),
    look("assets/checks", { ...about, limit: 15 }, NOTHING), look("assets/schemas", { ...about, limit: 5 }, NOTHING),
    look("assets/evaluations", { ...about, limit: 10 }, NOTHING), lineage(namespace, key)]);
  place.replaceChildren(...[
    head(it, why), slots.items.some((one) => one.partition) && partitions(it, slots), card("Where it comes from, and where it goes", ...picture),
    checks.items.length > 0 && card("Checks", table([
      ["Passed", (one) => badge(one.passed ? "passed" : one.severity === "warn" ? "warning" : "failed")], ["Check", (one) => one.check],
      ["Partition", (one) => one.partition], ["When", (one) => ago(one.at)], ["Detail", (one) => one.detail], ["Run", (one) => run(one.run)]], checks.items, "")),
    columns.items.length > 0 && card("Columns", schema(columns.items)),
    it.automation && card("Why its maker was started, or not", table([
      ["When", (one) => ago(one.at)], ["Partition", (one) => one.partition], ["Held", (one) => badge(one.finding.holds ? "started" : "skipped")],
      ["Seen", (one) => seen(one.finding)], ["Run", (one) => run(one.run)]], looks.items, "Its condition was not looked at yet.")),
    card("What happened to it", table([
      ["When", (one) => ago(one.at)], ["What", (one) => one.act], ["Partition", (one) => one.partition], ["By", (one) => run(one.run) ?? one.actor],
      ["Job", (one) => one.job?.replace("job:", "")], ["Metadata", (one) => JSON.stringify(one.metadata).slice(1, -1), "data"]], happenings.items, "Nothing yet.")),
  ].filter(Boolean));
}

const run = (id) => (id && /^[0-9a-z]{26}$/.test(id) ? link(`#/runs/${id}`, id) : id);

const list = (parts) => parts.flatMap((part, at) => (at ? [", ", part] : [part]));

function head(it, why) {
  const state = it.freshness?.state ?? "unknown";
  const code = it.made_with && it.made_with !== it.code_version ? `${it.code_version ?? "?"}, made with ${it.made_with}` : it.code_version;
  const upstream = (it.upstream ?? []).map((one) => (typeof one === "string" ? { asset: one, mapping: "same" } : one));
  const shown = why && (state === "stale" || state === "warning") ? why.causes : [];
  return el("section.card", {}, el("h1", {}, badge(state), ` ${it.key}`),
    facts([["Namespace", it.namespace], ["Kind", it.kind], ["Group", it.group], ["Owners", (it.owners ?? []).join(", ")], ["Tags", (it.tags ?? []).join(", ")],
      ["Written", it.materialized ? el("span", {}, ago(it.materialized), it.materializations > 1 ? `, ${it.materializations} times` : "") : "never"], [`${state[0].toUpperCase()}${state.slice(1)} for`, it.freshness?.since && span(Date.now() - new Date(it.freshness.since))],
      ["Promised", it.promise && said(it.promise)], ["Can change", state !== "stale" && it.freshness?.due && when(it.freshness.due)],
      ["Made of", upstream.length > 0 && el("span", {}, list(upstream.map((one) => link(to(it.namespace, one.asset), one.mapping === "same" ? one.asset : `${one.asset} (${said(one.mapping)})`))))],
      ["Made by", it.maker && link(`#/runs?workflow=${it.maker.workflow}`, it.maker.workflow)], ["Made when", it.automation && said(it.automation.when)], ["Code", code]]
      .filter(([, value]) => value)),
    it.description && el("p", {}, it.description),
    shown.map((one) => el("p.wait", {}, el("strong", {}, `${one.kind}: `), one.detail, /^[0-9a-z]{26}$/.test(one.subject ?? "") && [" ", link(`#/runs/${one.subject}`, "show the run")],
      one.kind === "late-upstream" && [" ", link(to(it.namespace, one.subject), "show it")])));
}

// A declaration in few words: {"maximum_lag": "PT6H"} is "maximum lag PT6H".
function said(value) {
  if (typeof value !== "object" || value === null) return lasting(String(value));
  if (Array.isArray(value)) return value.map(said).join(", ");
  return Object.entries(value).map(([name, inner]) => `${name.replaceAll("_", " ")} ${typeof inner === "object" && inner !== null ? `(${said(inner)})` : lasting(String(inner))}`).join(", ");
}

function partitions(it, { items, counts }) {
  const summary = Object.entries(counts).map(([name, count]) => `${count} ${name}`).join(", ");
  const open = items.filter((one) => one.condition === "missing" || one.condition === "failed");
  const fill = it.maker && open.length > 0 && action(`Make ${open.length} missing or failed`, async () => {
    await tell("assets/backfills", { namespace: it.namespace, key: it.key, partitions: "missing-or-failed" });
    refresh();
  }, { confirmed: `Start ${Math.min(open.length, 1000)} runs of ${it.maker.workflow}?`, needs: ["asset:backfill", it.namespace] });
  const rows = new Map();
  for (const one of items.slice(-2000)) {
    const [row, column] = one.partition.includes("|") ? one.partition.split("|") : ["", one.partition];
    rows.set(row, [...(rows.get(row) ?? []), { ...one, column }]);
  }
  const map = [...rows].map(([row, cells]) => el("div.slots", {}, row && el("span.row", {}, row), cells.map((one) => {
    const cell = el(`span.slot.${one.freshness ?? one.condition}`, { title: `${one.partition}: ${one.condition}${one.freshness ? `, ${one.freshness}` : ""}${one.written ? `, ${when(one.written)}` : ""}` });
    const id = one.condition === "failed" ? one.failed_run : one.run;
    return id ? link(`#/runs/${id}`, cell) : cell;
  })));
  const [first, last] = [items[0].partition, items.at(-1).partition];
  return card("Partitions", el("p.hint", {}, `${first} to ${last}: ${summary}`), el("div.map", {}, map), fill && el("div.actions", {}, fill));
}

function schema(versions) {
  const [now] = versions;
  const changes = versions.filter((one) => one.added.length || one.removed.length || one.changed.length).map((one) => el("p", {}, `${when(one.at)}: `,
    [...one.added.map((name) => `+ ${name}`), ...one.removed.map((name) => `− ${name}`), ...one.changed.map(([name, before, after]) => `${name}: ${before} → ${after}`)].join(", "),
    one.breaking && [" ", badge("breaking")]));
  return [table([["Column", (one) => one.name], ["Type", (one) => one.type], ["Description", (one) => one.description]], now.columns, "None."), changes].flat();
}

function seen(finding) {
  const parts = (finding.parts ?? []).filter((part) => part.holds === finding.holds);
  return (parts.length ? parts : [finding]).map((part) => `${part.condition}: ${part.detail}`).join("; ");
}
