// The graph of assets and jobs: columns by distance from the asset in the middle, drawn in the order that crosses least.

import { el, svg } from "./parts.js";
import { look } from "./session.js";

const ACROSS = 250;
const DOWN = 44;
const WIDE = 190;
const HIGH = 30;
const LETTERS = 25; // that a box has room for

// Which way and how far is the reader's choice; a click on an asset goes there.
export async function lineage(namespace, key) {
  const place = el("div");
  const choice = (name, values, chosen) => {
    const made = el("select", { ariaLabel: name }, values.map(([value, text]) => el("option", { value, selected: value === chosen }, text)));
    made.addEventListener("change", draw);
    return made;
  };
  const direction = choice("Direction", [["both", "Both ways"], ["upstream", "Where it comes from"], ["downstream", "What depends on it"]], "both");
  const depth = choice("Depth", ["1", "2", "3", "5", "10"].map((n) => [n, n === "1" ? "1 asset away" : `${n} assets away`]), "2");
  async function draw() {
    const query = { namespace, asset: key, depth: depth.value, direction: direction.value, details: true };
    const graph = await look("lineage/graph", query, null);
    place.replaceChildren(graph ? drawn(graph, namespace) : el("p.empty", {}, "Not to be seen."));
  }
  await draw();
  return [el("div.filter", {}, direction, depth), place];
}

function drawn(graph, namespace) {
  if (!graph.edges.length) return el("p.empty", {}, "Nothing is joined to it yet: let a task say what it consumes, or declare `upstream`.");
  const { columns, at } = laidOut(graph);
  const width = columns.length * ACROSS;
  const height = Math.max(...columns.map((column) => column.length)) * DOWN + 16;
  const edges = graph.edges.filter(({ source, target }) => at.has(source) && at.has(target)).map(({ source, target }) => {
    const [from, to] = [at.get(source), at.get(target)];
    const [x1, y1, x2, y2] = [from.x + WIDE, from.y + HIGH / 2, to.x, to.y + HIGH / 2];
    const bend = Math.max(24, Math.abs(x2 - x1) / 2);
    return svg("path", { class: "edge", d: `M${x1} ${y1} C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}` });
  });
  const nodes = [...at].map(([name, where]) => node(name, where, graph, namespace));
  const picture = svg("svg", { class: "graph", viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": "Lineage" }, ...edges, ...nodes);
  const place = el("div.scroll", {}, picture);
  requestAnimationFrame(() => { place.scrollLeft = (at.get(graph.start)?.x ?? 0) + WIDE / 2 - place.clientWidth / 2; }); // what was asked about is in sight
  return el("div", {}, place, graph.truncated && el("p.hint", {}, "There is more than is shown."));
}

function node(name, { x, y }, graph, namespace) {
  const [kind, rest] = name.split(/:(.*)/s, 2);
  const about = graph.details?.[name];
  const state = about?.state ?? "unknown";
  const text = kind === "job" ? rest.replace(`${namespace}/`, "").replace(/\[.*\]$/, "") : rest;
  const label = svg("text", { x: x + (kind === "asset" ? 24 : 14), y: y + 20 });
  label.textContent = text.length > LETTERS ? `…${text.slice(1 - LETTERS)}` : text;
  const title = svg("title");
  title.textContent = kind === "asset" ? `${rest}${about?.kind ? `, ${about.kind}` : ""}, ${state}` : rest;
  const parts = [title, svg("rect", { x, y, width: WIDE, height: HIGH, rx: kind === "asset" ? 6 : 15 })];
  if (kind === "asset") parts.push(svg("circle", { cx: x + 13, cy: y + HIGH / 2, r: 5, class: state }));
  const drawnNode = svg("g", { class: `node ${kind}${name === graph.start ? " start" : ""}` }, ...parts, label);
  if (kind !== "asset" || name === graph.start) return drawnNode;
  return svg("a", { href: `#/assets/${namespace}/${encodeURIComponent(rest)}` }, drawnNode);
}

function laidOut(graph) {
  const level = new Map([[graph.start, 0]]);
  const joined = new Map();
  for (const { source, target } of graph.edges) {
    for (const [one, other] of [[source, target], [target, source]]) joined.set(one, [...(joined.get(one) ?? []), other]);
  }
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
  const row = new Map();
  columns.forEach((column) => column.sort().forEach((name, y) => row.set(name, y - column.length / 2)));
  const middle = (name) => {
    const rows = (joined.get(name) ?? []).filter((other) => row.has(other)).map((other) => row.get(other));
    return rows.length ? rows.reduce((sum, one) => sum + one, 0) / rows.length : 0;
  };
  for (let sweep = 0; sweep < 6; sweep += 1) { // each beside the middle of what it is joined to
    for (const column of sweep % 2 ? columns.toReversed() : columns) {
      const wanted = new Map(column.map((name) => [name, middle(name)]));
      column.sort((one, other) => wanted.get(one) - wanted.get(other) || one.localeCompare(other));
      column.forEach((name, y) => row.set(name, y - column.length / 2));
    }
  }
  const tallest = Math.max(...columns.map((column) => column.length));
  const at = new Map();
  columns.forEach((column, x) => column.forEach((name, y) => {
    at.set(name, { x: x * ACROSS + 8, y: (y + (tallest - column.length) / 2) * DOWN + 8 });
  }));
  return { columns, at };
}
