// A workflow drawn as what it is: tasks below each other, branches beside each other, scopes as boxes, jumps as arcs.
// With the tasks of a run it shows how far each of them has come.

import { el, svg } from "./parts.js";

const WIDE = 176;
const HIGH = 38;
const GAP = 30;
const PAD = 14;
const HEAD = 26;
const MOST = 3 * (WIDE + PAD) + PAD; // of a row of branches, when there are more than a few
const FEW = 4;
const LETTERS = 19; // of a name that a box has room for
const KINDS = ["call", "do", "emit", "for", "fork", "listen", "raise", "run", "set", "switch", "try", "wait"];
// What a reader should see first when the activations of one task differ.
const WORST = ["faulted", "retrying", "suspended", "waiting", "running", "pending", "cancelled", "skipped", "completed"];

// Tasks of a run by reference: {reference: {status, count, error}}.
export function progress(tasks) {
  const found = new Map();
  for (const task of tasks) {
    const seen = found.get(task.reference) ?? { status: "completed", count: 0 };
    seen.count += 1;
    if (seen.count === 1 || WORST.indexOf(task.status) < WORST.indexOf(seen.status)) seen.status = task.status;
    found.set(task.reference, seen);
  }
  return found;
}

export function drawWorkflow(definition, { states = new Map(), onPick } = {}) {
  const context = { states, onPick, edges: [], boxes: [] };
  const body = sequence(definition.do ?? [], "/do", context);
  const width = Math.max(body.width, WIDE) + 2 * PAD;
  const height = body.height + 2 * (PAD + 34);
  const middle = PAD + body.middle;
  place(body, PAD, PAD + 34);
  const ends = [svg("circle", { class: "end", cx: middle, cy: PAD + 6, r: 6 }), svg("circle", { class: "end over", cx: middle, cy: height - PAD - 6, r: 6 })];
  const lines = [line([middle, PAD + 12], [middle, PAD + 34]), line([middle, height - PAD - 34], [middle, height - PAD - 12])];
  context.end = [middle, height - PAD - 12];
  const parts = [...lines, ...context.edges.map((edge) => edge(context)).filter(Boolean), ...ends, ...context.boxes.map((box) => box())];
  const name = definition.document?.name ?? "workflow";
  return svg("svg", { class: "graph flow", viewBox: `0 0 ${width} ${height}`, width, height, role: "group", "aria-label": `Graph of ${name}` }, arrow(), ...parts);
}

// In a place of its own: a little smaller where that makes it fit, else with its middle in sight.
export function inTheMiddle(picture) {
  const place = el("div.scroll.picture", {}, picture);
  requestAnimationFrame(() => {
    const share = place.clientWidth / picture.viewBox.baseVal.width;
    if (share < 1 && share > 0.65) picture.classList.add("fitting");
    else if (!place.scrollLeft) place.scrollLeft = (place.scrollWidth - place.clientWidth) / 2;
  });
  return place;
}

// A block is {width, height, middle: x of its way in and out, arcs: room that jumps need at its right, children: [[block, x, y]]}.
function place(block, x, y) {
  [block.x, block.y] = [x, y];
  for (const [child, dx, dy] of block.children ?? []) place(child, x + dx, y + dy);
}

const kindOf = (task) => KINDS.find((kind) => kind in task && !(kind === "do" && "for" in task)) ?? "task";

function sequence(list, at, context) {
  const blocks = list.map((item, index) => {
    const [name, task] = Object.entries(item)[0];
    return Object.assign(block(name, task ?? {}, `${at}/${index}/${name}`, context), { name, task: task ?? {} });
  });
  const middle = Math.max(WIDE / 2, ...blocks.map((one) => one.middle));
  const right = Math.max(WIDE / 2, ...blocks.map((one) => one.width - one.middle));
  let y = 0;
  const children = blocks.map((one) => { const put = [one, middle - one.middle, y]; y += one.height + GAP; return put; });
  const jumps = blocks.flatMap((one, index) => leaving(one).map((jump) => ({ ...jump, from: index })));
  let arcs = 0;
  for (const jump of jumps) {
    const to = blocks.findIndex((one) => one.name === jump.then);
    const isNext = jump.then === "continue" ? jump.from + 1 < blocks.length : to === jump.from + 1;
    if (isNext) { context.edges.push(() => straight(blocks[jump.from], blocks[jump.from + 1], jump.label)); continue; }
    if (jump.then === "continue") continue; // the last goes on to what follows the scope
    arcs += 1;
    const lane = arcs;
    const side = middle + right + 24 + 16 * (lane - 1);
    context.edges.push((whole) => arc(blocks[jump.from], to >= 0 ? blocks[to] : null, holder.x + side, jump.label, whole, holder));
  }
  const holder = { width: middle + right, height: Math.max(0, y - GAP), middle, arcs: arcs ? 36 + 16 * arcs : 0, children };
  holder.width += holder.arcs;
  return holder;
}

// Where it goes from a task: [{then, label}].
function leaving({ task }) {
  if (!task.switch) return [{ then: task.then ?? "continue" }];
  const cases = task.switch.map((item) => { const [name, one] = Object.entries(item)[0]; return { then: one.then ?? "continue", label: name, always: one.when == null }; });
  return cases.some((one) => one.always) ? cases : [...cases, { then: task.then ?? "continue", label: "else" }];
}

function block(name, task, reference, context) {
  const kind = kindOf(task);
  if (kind === "do") return scope(name, "do", reference, [sequence(task.do, `${reference}/do`, context)], context);
  if (kind === "for") return scope(name, "for each", reference, [sequence(task.do ?? [], `${reference}/do`, context)], context);
  if (kind === "listen" && task.foreach?.do) return scope(name, "listen, for each", reference, [sequence(task.foreach.do, `${reference}/foreach/do`, context)], context);
  if (kind === "try") {
    const caught = task.catch?.do && scope("catch", "", `${reference}/catch`, [sequence(task.catch.do, `${reference}/catch/do`, context)], context, "scope caught");
    return scope(name, task.catch?.retry ? "try, again" : "try", reference, [sequence(task.try, `${reference}/try`, context), ...(caught ? [caught] : [])], context);
  }
  if (kind === "fork") {
    const branches = (task.fork.branches ?? []).map((item, index) => { const [branch, inner] = Object.entries(item)[0]; return block(branch, inner ?? {}, `${reference}/fork/branches/${index}/${branch}`, context); });
    return scope(name, task.fork.compete ? "first of" : "all of", reference, branches, context);
  }
  const made = { width: WIDE, height: HIGH, middle: WIDE / 2, arcs: 0 };
  context.boxes.push(() => box(made, name, about(kind, task), reference, context, `task ${kind}`));
  return made;
}

function about(kind, task) {
  if (kind === "call") return typeof task.call === "string" ? task.call : "call";
  if (kind === "run") return `run ${Object.keys(task.run ?? {}).find((one) => !["await", "return"].includes(one)) ?? ""}`.trim();
  if (kind === "wait") return typeof task.wait === "string" ? `wait ${task.wait}` : `wait ${Object.entries(task.wait ?? {}).map(([unit, n]) => `${n} ${unit}`).join(" ")}`;
  return kind;
}

function scope(name, kind, reference, inner, context, classes = "scope") {
  let [x, y, low, width] = [PAD, HEAD + PAD, HIGH, WIDE];
  const children = inner.map((one) => {
    if (inner.length > FEW && x > PAD && x + one.width > MOST) [x, y, low] = [PAD, y + low + PAD, HIGH]; // many branches stand in rows
    const put = [one, x, y];
    x += one.width + PAD;
    [low, width] = [Math.max(low, one.height), Math.max(width, x)];
    return put;
  });
  const made = { width, height: y + low + PAD, middle: width / 2, arcs: 0, children };
  context.boxes.unshift(() => box(made, name, kind, reference, context, classes)); // behind what is in it
  return made;
}

function box(block, name, kind, reference, { states, onPick }, classes) {
  const state = states.get(reference);
  const isScope = classes.startsWith("scope");
  const title = svg("title");
  title.textContent = [name, kind, state && `${state.status}${state.count > 1 ? `, ${state.count} times` : ""}`].filter(Boolean).join(" · ");
  const label = svg("text", { x: block.x + 12, y: block.y + (isScope ? 18 : 17), class: "name" });
  label.textContent = name.length > LETTERS ? `${name.slice(0, LETTERS - 1)}…` : name;
  const more = svg("text", { x: isScope ? block.x + block.width - 10 : block.x + 12, y: block.y + (isScope ? 18 : 31), class: isScope ? "kind right" : "kind" });
  more.textContent = kind.length > 26 ? `${kind.slice(0, 25)}…` : kind;
  const parts = [title, svg("rect", { x: block.x, y: block.y, width: block.width, height: block.height, rx: isScope ? 9 : 7 }), label, more];
  if (state) {
    if (!isScope) parts.push(svg("circle", { class: "state", cx: block.x + block.width - 14, cy: block.y + 13, r: 5 }));
    if (state.count > 1 && !isScope) {
      const times = svg("text", { x: block.x + block.width - 10, y: block.y + 31, class: "kind right" });
      times.textContent = `× ${state.count}`;
      parts.push(times);
    }
  }
  const node = svg("g", { class: `${classes} ${state?.status ?? "untouched"}` }, ...parts);
  if (onPick && state) {
    for (const [attribute, value] of [["tabindex", "0"], ["role", "button"], ["aria-label", title.textContent]]) node.setAttribute(attribute, value);
    node.addEventListener("click", (event) => { event.stopPropagation(); onPick(reference); });
    node.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); onPick(reference); } });
  }
  return node;
}

const line = (from, to) => svg("path", { class: "edge", d: `M${from} L${to}`, "marker-end": "url(#flow-arrow)" });

function worded(text, x, y, anchor = "start") {
  const label = svg("text", { x, y, class: "word", "text-anchor": anchor });
  label.textContent = text.length > 18 ? `${text.slice(0, 17)}…` : text;
  return label;
}

function straight(from, to, label) {
  const x = from.x + from.middle;
  const drawn = line([x, from.y + from.height], [to.x + to.middle, to.y]);
  return label ? svg("g", {}, drawn, worded(label, x + 6, from.y + from.height + 18)) : drawn;
}

// A jump leaves at the right side, and comes back into the target's right side, or into the end of the scope.
function arc(from, to, side, label, whole, holder) {
  const [x1, y1] = [from.x + from.width, from.y + 12]; // above where others arrive
  const end = to ? [to.x + to.width, to.y + 27] : [holder.x + holder.middle + 8, holder.y + holder.height + 12];
  const [x2, y2] = end;
  const down = y2 > y1 ? 1 : -1;
  const drawn = svg("path", { class: "edge jump", d: `M${x1} ${y1} H${side - 8} Q${side} ${y1} ${side} ${y1 + 8 * down} V${y2 - 8 * down} Q${side} ${y2} ${side - 8} ${y2} H${x2 + 2}`, "marker-end": "url(#flow-arrow)" });
  return label ? svg("g", {}, drawn, worded(label, x1 + 6, y1 - 5)) : drawn;
}

function arrow() {
  const head = svg("marker", { id: "flow-arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto-start-reverse" }, svg("path", { d: "M0 0 L8 4 L0 8 z" }));
  return svg("defs", {}, head);
}
