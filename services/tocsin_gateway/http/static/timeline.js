// When each task of a run worked: a row for a task of the definition, a bar for each time that it was done, pale while it waited for a worker.
// However many there are, a row has at most as many bars as a reader can tell apart.

import { badge, clock, el, facts, json, span } from "./parts.js";

const STEPS = 400; // places of a bar in a row
const ORDER = new Intl.Collator(undefined, { numeric: true });
const SHOWN = 50; // activations of one task that are listed at first
const BADLY = ["faulted", "retrying", "cancelled", "running", "waiting"];

export function timeline(run, tasks, open, hands) {
  const whole = el("div.timeline");
  const rows = new Map();
  whole.pick = (reference) => { const row = rows.get(reference); row?.open(); row?.scrollIntoView({ block: "center", behavior: "smooth" }); };
  if (!tasks.length) { whole.append(el("p.empty", {}, "Nothing has begun yet.")); return whole; }
  const now = Date.now();
  const instant = (time) => (time ? +new Date(time) : now);
  const begin = tasks.reduce((least, task) => Math.min(least, instant(task.created_at)), Infinity);
  const end = tasks.reduce((most, task) => Math.max(most, instant(task.ended_at)), instant(run.ended_at));
  const scale = STEPS / Math.max(1, end - begin);
  const groups = Map.groupBy ? Map.groupBy(tasks, (task) => task.reference) : grouped(tasks);
  const ordered = [...groups].sort(([, one], [, other]) => instant(one[0].created_at) - instant(other[0].created_at) || ORDER.compare(one[0].reference, other[0].reference));
  for (const [reference, group] of ordered) {
    const parts = row(reference, group, { begin, scale, instant, open, hands });
    rows.set(reference, parts[0]);
    whole.append(...parts);
  }
  whole.prepend(el("div.scale", {}, el("span", {}, clock(begin)), el("span", {}, `+ ${span(end - begin)}`)));
  return whole;
}

function grouped(tasks) {
  const groups = new Map();
  for (const task of tasks) groups.set(task.reference, [...(groups.get(task.reference) ?? []), task]);
  return groups;
}

function row(reference, group, { begin, scale, instant, open, hands }) {
  const first = group[0];
  const name = first.name + (group.length > 1 ? ` × ${group.length}` : "");
  const lasted = instant(group.at(-1).ended_at) - instant(first.created_at);
  const longest = group.reduce((most, task) => Math.max(most, instant(task.ended_at) - instant(task.created_at)), 0);
  const progress = first.total && !first.ended_at ? ` ${first.done}/${first.total}` : "";
  const more = el("div.more", { hidden: true });
  const made = el("button.row", { type: "button", ariaExpanded: "false" }, el("span.name", { title: reference }, name, el("span.hint", {}, progress)),
    el("span.track", {}, bars(group, begin, scale, instant)), el("span.number", { title: group.length > 1 ? `the longest took ${span(longest)}` : "" }, span(group.length > 1 ? lasted : longest)));
  const show = (isOpen) => {
    if (isOpen && !more.children.length) more.append(...inside(group, hands));
    more.hidden = !isOpen;
    made.ariaExpanded = String(isOpen);
    if (isOpen) open.add(reference); else open.delete(reference);
  };
  made.open = () => { show(true); made.focus({ preventScroll: true }); };
  made.addEventListener("click", () => show(more.hidden));
  if (open.has(reference)) show(true);
  return [made, more];
}

// Adjacent times of the same colour are one bar.
function bars(group, begin, scale, instant) {
  const queued = new Array(STEPS + 1);
  const worked = new Array(STEPS + 1);
  for (const task of group) {
    const [created, started, ended] = [task.created_at, task.started_at ?? task.ended_at, task.ended_at].map((time) => Math.min(STEPS, Math.max(0, (instant(time) - begin) * scale)));
    for (let at = Math.floor(created); at < Math.floor(started); at += 1) queued[at] = "queued";
    for (let at = Math.floor(started); at <= Math.min(STEPS, Math.max(Math.ceil(ended) - 1, Math.floor(started))); at += 1) {
      if (!worked[at] || BADLY.includes(task.status) && !BADLY.includes(worked[at])) worked[at] = task.status;
    }
  }
  return [...runs(queued), ...runs(worked)];
}

function runs(steps) {
  const made = [];
  for (let at = 0; at <= STEPS; at += 1) {
    if (!steps[at]) continue;
    const from = at;
    while (at < STEPS && steps[at + 1] === steps[from]) at += 1;
    const bar = el(`i.bar.${steps[from]}`);
    bar.style.left = `${100 * from / (STEPS + 1)}%`;
    bar.style.width = `${100 * (at + 1 - from) / (STEPS + 1)}%`;
    made.push(bar);
  }
  return made;
}

function inside(group, hands) {
  const list = el("div");
  const next = el("button.quiet", { type: "button" }, "More");
  const failed = group.filter((task) => task.status === "faulted");
  const order = group.length > SHOWN ? [...failed, ...group.filter((task) => task.status !== "faulted")] : group; // what went wrong is found first
  let shown = 0;
  const add = () => {
    list.append(...order.slice(shown, shown + SHOWN).map((task) => activation(task, group.length > 1, hands)));
    shown += SHOWN;
    next.hidden = shown >= group.length;
  };
  next.addEventListener("click", add);
  add();
  return [list, next];
}

function activation(task, isOne, hands) {
  const body = () => [facts([
    ["Reference", task.reference], ["Attempt", task.attempt || null], ["Worker", task.worker], ["Began", clock(task.started_at ?? task.created_at)],
    ["Took", span(new Date(task.ended_at ?? Date.now()) - new Date(task.created_at))],
  ]), task.error && el("p.wrong", {}, el("strong", {}, task.error.title ?? "Error"), `: ${task.error.detail ?? ""}`), hands(task), json("Input", task.input), json("Output", task.output, true)].filter(Boolean);
  if (!isOne) return el("div", {}, body());
  const title = el("summary", {}, badge(task.status), ` ${task.index == null ? clock(task.created_at) : `[${task.index}]`} `, el("span.hint", {}, span(new Date(task.ended_at ?? Date.now()) - new Date(task.created_at)), task.error ? ` ${task.error.detail ?? task.error.title}` : ""));
  const made = el("details", {}, title);
  made.addEventListener("toggle", () => { if (made.open && made.children.length === 1) made.append(...body()); }, { once: true });
  return made;
}
