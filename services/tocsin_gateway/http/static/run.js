// One run: its graph, its timeline, what it waits for, what it wrote, and what can be done about it.

import { action, ask, fieldsOf, refresh, say } from "./dialog.js";
import { drawWorkflow, inTheMiddle, progress } from "./graph.js";
import { ago, badge, card, clock, el, facts, json, link, table, took } from "./parts.js";
import { get, look, tell } from "./session.js";
import { timeline } from "./timeline.js";

export const OVER = new Set(["completed", "faulted", "cancelled"]);
const PAGE = 500;
const MOST = 5000; // tasks that are shown
const known = { id: null, pages: [], open: new Set() }; // of the run that is looked at

// Answers whether it is worth looking again.
export async function showRun(place, [id]) {
  if (known.id !== id) Object.assign(known, { id, pages: [], open: new Set() });
  const run = await look(`runs/${id}`, {}, null);
  if (!run) { // what was started a moment ago may still be on its way; its first signal draws the page anew
    place.replaceChildren(card("Run", el("p.empty", {}, `There is no run ${id}, or it has not begun yet.`)));
    return true;
  }
  const [tasks, why, definition, questions, logs] = await Promise.all([
    everyTask(id), look(`runs/${id}/explanation`, {}, { waits: [] }), look(`workflows/${run.namespace}/${run.workflow}`, { version: run.version }, null),
    OVER.has(run.status) ? { items: [] } : look("approvals", { namespace: run.namespace, limit: 200 }, { items: [] }), look(`runs/${id}/logs`, { limit: 100 }, { items: [] })]);
  const bars = timeline(run, tasks, known.open, (task) => hands(run, task));
  const graph = definition && graphOf(definition.document, tasks, bars);
  const whole = card(tasks.length >= MOST ? `Timeline of the first ${tasks.length} tasks` : "Timeline", bars);
  place.replaceChildren(...[head(run, why, questions.items.filter((one) => one.run === id)), graph ? el("div.beside", {}, graph, whole) : whole,
    logs.items.length > 0 && card("Logs", table([["Task", (it) => it.task], ["", (it) => it.stream], ["Line", (it) => it.line, "data"]], logs.items, ""),
      logs.next_cursor && el("p.hint", {}, `More: tocsin run logs ${id}`))].filter(Boolean));
  return !OVER.has(run.status);
}

function head(run, why, questions) {
  const { id } = run;
  const act = (verb, text, options) => action(text, async () => {
    const answer = await tell(`runs/${id}/${verb}`);
    const next = answer.run?.id ?? answer.id;
    if (next && next !== id) location.hash = `#/runs/${next}`; else refresh();
  }, { needs: [`run:${verb}`, run.namespace, run.workflow], ...options });
  const again = action("Run again with another input", () => ask({
    title: `Run ${run.workflow} again`, yes: "Run", fields: [{ name: "input", label: "Input", kind: "json", value: run.input ?? {} }],
    act: async ({ input }) => { const { id: made } = await tell("runs", { namespace: run.namespace, workflow: run.workflow, input: input ?? {} }); location.hash = `#/runs/${made}`; },
  }), { needs: ["run:start", run.namespace, run.workflow] });
  const buttons = OVER.has(run.status)
    ? [act("rerun", run.status === "completed" ? "Run again" : "Run again what failed"), again]
    : [run.status === "suspended" ? act("resume", "Resume") : act("suspend", "Suspend"), act("cancel", "Cancel", { confirmed: "What it does is stopped, and what it did is undone where the workflow says how.", danger: true })];
  return el("section.card", {},
    el("h1", {}, badge(run.status), " ", link(`#/workflows/${run.namespace}/${run.workflow}`, `${run.namespace}/${run.workflow}`), el("span.hint", {}, ` ${run.version}`)),
    facts([
      ["Run", run.id], ["Started", run.started_at && el("span", {}, ago(run.started_at), ` at ${clock(run.started_at)}`)], ["Took", took(run)],
      ["By", run.actor], ["Trigger", run.trigger && [run.trigger.kind, run.trigger.name].filter(Boolean).join(" ")],
      ["Parent", run.parent?.run && link(`#/runs/${run.parent.run}`, run.parent.run)],
      ["Labels", Object.entries(run.labels ?? {}).map(([name, value]) => `${name}=${value}`).join(" ")],
    ]),
    el("p.actions", {}, buttons),
    run.error && el("p.wrong", {}, el("strong", {}, run.error.title ?? "Error"), `: ${run.error.detail ?? ""} `, el("span.hint", {}, run.error.instance ?? "")),
    questions.map((question) => el("p.wait", {}, `${question.title} `, answers(question))),
    why.waits.filter((wait) => !questions.some((question) => question.id === wait.approval)).map((wait) => el("p.wait", {}, wait.name && el("strong", {}, `${wait.name}: `), readable(wait.detail), " ", el("span.hint", {}, "since ", ago(wait.since)))),
    json("Input", run.input), json("Output", run.output, true));
}

// Instants in a sentence, in the reader's own zone.
const readable = (text) => (text ?? "").replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, (at) => new Date(at).toLocaleString([], { dateStyle: "medium", timeStyle: "medium" }));

function graphOf(document, tasks, bars) {
  const picture = drawWorkflow(document, { states: progress(tasks), onPick: (reference) => bars.pick(reference) });
  return card("Graph", inTheMiddle(picture));
}

// All tasks; a page whose tasks have all ended is not asked for again. Two looks at once must not meet in one list.
async function everyTask(id) {
  const kept = known.pages.findIndex((page) => !page.next_cursor || page.items.some((task) => !task.ended_at));
  const pages = kept < 0 ? [...known.pages] : known.pages.slice(0, kept);
  for (let cursor = pages.at(-1)?.next_cursor ?? null; pages.length * PAGE < MOST; cursor = pages.at(-1).next_cursor) {
    pages.push(await get(`runs/${id}/tasks`, { limit: PAGE, cursor }));
    if (!pages.at(-1).next_cursor) break;
  }
  if (known.id === id) known.pages = pages; // the reader may have gone to another run meanwhile
  return pages.flatMap((page) => page.items);
}

// What a person may do about a live task.
function hands(run, task) {
  if (OVER.has(run.status) || task.ended_at) return null;
  const needs = ["task:override", run.namespace, run.workflow];
  const output = action("Give its output", () => ask({
    title: `Output of ${task.name}`, text: "What it does is stopped, and this is its output instead. Who did it is recorded.", yes: "Give",
    fields: [{ name: "output", label: "Output", kind: "json", value: {} }, { name: "reason", label: "Why" }],
    act: async ({ output: value, reason }) => { await tell(`runs/${run.id}/output`, { task: task.activation, output: value ?? null, reason: reason || null }); refresh(); },
  }), { needs });
  const skip = action("Skip", async () => { await tell(`runs/${run.id}/skip`, { task: task.activation }); refresh(); }, { confirmed: `Leave out ${task.name}? What it does is stopped.`, needs });
  return el("p.actions", {}, output, skip);
}

// The ways to answer a question of a run, or who may.
export function answers(question) {
  const given = question.approvals && el("span.hint", {}, ` ${question.answers.filter((it) => it.approved).length} of ${question.approvals} approvals${question.answers.map((it) => `, ${it.approved ? "yes" : "no"} of ${it.person.replace("user:", "")}`).join("")} `);
  if (!question.mine) return el("span.hint", {}, `for ${[...question.assignees, ...question.roles].join(", ") || "whoever may answer"}`, given);
  const answer = (value, reason) => tell(`approvals/${question.id}/answer`, { answer: value, reason: reason || null });
  const quick = (value, said) => async () => { await answer(value); say(said); refresh(); };
  const over = question.assignees.length + question.roles.length > 0 && action("Hand over", () => ask({
    title: `Hand over: ${question.title}`, text: "Somebody else is asked instead, and it is recorded who did it and why.", yes: "Hand over",
    fields: [{ name: "to", label: "User", required: true }, { name: "instead_of", label: "Instead of", hint: "Your own place unless given." }, { name: "reason", label: "Why (for the record)" }],
    act: async ({ to, instead_of, reason }) => { await tell(`approvals/${question.id}/delegate`, { to, instead_of: instead_of || null, reason: reason || null }); say(`${to} is asked now.`); refresh(); },
  }), { needs: ["approval:delegate", question.namespace, question.workflow] });
  if (!question.form) return el("span", {}, given, action("Approve", quick({ approved: true }, "Approved.")), " ", action("Refuse", quick({ approved: false }, "Refused.")), " ", over);
  const fields = fieldsOf(question.form);
  return el("span", {}, given, action("Answer", () => ask({
    title: question.title, text: question.message, yes: "Answer",
    fields: [...(fields.length ? fields : [{ name: "answer", label: "Answer", kind: "json", value: {} }]), { name: " reason", label: "Why (for the record)" }],
    act: async ({ " reason": reason, ...given }) => { await answer(fields.length ? filled(given, fields) : given.answer, reason); say("Answered."); refresh(); },
  })), " ", over);
}

// What was left empty and need not be there is not said.
const filled = (given, fields) => Object.fromEntries(Object.entries(given).filter(([name, value]) => value !== "" || fields.find((it) => it.name === name).required));
