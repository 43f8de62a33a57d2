// Assets: what the runs made, how fresh it is, and where it comes from, as a graph.

import { badge, card, el, facts, paged, svg, table, when } from "./parts.js";
import { get, look } from "./session.js";

const ACROSS = 230;
const DOWN = 46;
const WIDE = 180;
const HIGH = 30;

export async function showAssets(place) {
  const list = await paged((cursor) => get("assets", { limit: 50, cursor }), (items) => table([
    ["Fresh", (it) => badge(it.freshness?.state ?? "unknown")], ["Asset", (it) => `${it.namespace} ${it.key}`], ["Kind", (it) => it.kind],
    ["Owners", (it) => (it.owners ?? []).join(", ")], ["Written", (it) => when(it.materialized)], ["Times", (it) => String(it.materializations), "number"],
    ["Failing checks", (it) => (it.failing ?? []).join(", ")],
  ], items, "No asset yet: let a task say what it produces, or point an OpenLineage client here.",
  (it) => `#/assets/${it.namespace}/${encodeURIComponent(it.key)}`));
  place.replaceChildren(card("Assets", list));
}

export async function showAsset(place, [namespace, encoded]) {
  const key = decodeURIComponent(encoded);
  const [it, graph] = await Promise.all([
    get(`assets/${namespace}/${encodeURIComponent(key)}`), look("lineage/graph", { namespace, asset: key, depth: 4, direction: "both" }, null)]);
  place.replaceChildren(
    el("section.card", {}, el("h2", {}, badge(it.freshness?.state ?? "unknown"), ` ${key}`),
      facts([["Namespace", it.namespace], ["Kind", it.kind], ["Group", it.group], ["Owners", (it.owners ?? []).join(", ")], ["Tags", (it.tags ?? []).join(", ")],
        ["Written", when(it.materialized)], ["Times", String(it.materializations)]]), it.description && el("p", {}, it.description)),
    card("Where it comes from, and where it goes", graph ? drawn(graph) : el("p.empty", {}, "Not to be seen.")));
}

// Columns by distance from the asset in the middle: what it is made from on the left, what is made from it on the right.
function drawn(graph) {
  const { columns, at } = laidOut(graph);
  const width = columns.length * ACROSS;
  const height = Math.max(...columns.map((column) => column.length)) * DOWN + 16;
  const edges = graph.edges.filter(({ source, target }) => at.has(source) && at.has(target)).map(({ source, target }) => {
    const [from, to] = [at.get(source), at.get(target)];
    const [x1, y1, x2, y2] = [from.x + WIDE, from.y + HIGH / 2, to.x, to.y + HIGH / 2];
    const bend = Math.max(24, Math.abs(x2 - x1) / 2);
    return svg("path", { class: "edge", d: `M${x1} ${y1} C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}` });
  });
  const nodes = [...at].map(([name, { x, y }]) => {
    const [kind, rest] = name.split(/:(.*)/s, 2);
    const label = svg("text", { x: x + 10, y: y + 20 });
    label.textContent = rest.length > 24 ? `…${rest.slice(-23)}` : rest;
    const title = svg("title");
    title.textContent = name;
    const box = svg("rect", { x, y, width: WIDE, height: HIGH, rx: kind === "asset" ? 6 : 15 });
    return svg("g", { class: `node ${kind}${name === graph.start ? " start" : ""}` }, title, box, label);
  });
  const picture = svg("svg", { class: "graph", viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": "Lineage" }, ...edges, ...nodes);
  return el("div.scroll", {}, picture, graph.truncated && el("p.hint", {}, "There is more than is shown."));
}

function laidOut(graph) {
  const level = new Map([[graph.start, 0]]);
  for (let changed = true, rounds = 0; changed && rounds < 64; rounds += 1) {
    changed = false;
    for (const { source, target } of graph.edges) {
      if (level.has(source) && !level.has(target)) { level.set(target, level.get(source) + 1); changed = true; }
      if (level.has(target) && !level.has(source)) { level.set(source, level.get(target) - 1); changed = true; }
    }
  }
  const lowest = Math.min(...level.values());
  const columns = [];
  for (const [name, depth] of level) (columns[depth - lowest] ??= []).push(name);
  const tallest = Math.max(...columns.map((column) => column.length));
  const at = new Map();
  columns.forEach((column, x) => column.sort().forEach((name, y) => {
    at.set(name, { x: x * ACROSS + 8, y: (y + (tallest - column.length) / 2) * DOWN + 8 });
  }));
  return { columns, at };
}
