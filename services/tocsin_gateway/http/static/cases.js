// Cases: the queue with what is promised next, and one case with everything that can be done about it.

import { action, ask, refresh, say, tellAll } from "./dialog.js";
import { lacking } from "./may.js";
import { ago, badge, card, el, facts, link, paged, span, table, when } from "./parts.js";
import { call, get, look, tell } from "./session.js";

const NOTHING = { items: [] };
const CLOCKS = [["response", "Answer"], ["updating", "Word"], ["resolving", "Solution"]];
const VIEWS = [
  ["Active", { active: "true" }], ["Mine", { active: "true", owner: "me" }], ["Nobody's", { active: "true", owner: "-" }],
  ["Broken promises", { overdue: "true" }], ["Next promise first", { active: "true", sort: "next_due" }], ["Waiting", { stage: "paused" }], ["Ended", { active: "false" }],
];

let me = null;
const whoami = async () => (me ??= (await get("auth/me")).subject);

// ["how it is shown", "its class"] of a promise; what is shown counts down by itself.
function promise(clock, stage) {
  if (!clock) return null;
  if (clock.met) return [clock.breached ? "kept late" : "kept", clock.breached ? "warn" : "good"];
  if (clock.breached) return [`broken ${span(Date.now() - new Date(clock.breached))} ago`, "bad"];
  if (!clock.due) return [stage === "paused" ? "held" : "", "busy"];
  const left = new Date(clock.due) - Date.now();
  if (left <= 0) return ["broken now", "bad"];
  return [`in ${span(left)}`, clock.warned || left < 15 * 60e3 ? "warn" : "calm"];
}

function countdown(clocks, stage) {
  const urgency = (clock) => (clock.met ? 3e15 : clock.breached ? -1 : clock.due ? +new Date(clock.due) : 2e15);
  const next = clocks.filter(Boolean).sort((a, b) => urgency(a) - urgency(b))[0];
  const place = el("span.promise");
  const draw = () => {
    const [text, kind] = promise(next, stage) ?? ["", "calm"];
    place.textContent = text;
    place.className = `promise ${kind}`;
  };
  draw();
  // Ends by itself: what is not on the page any more needs no clock.
  const timer = setInterval(() => (place.isConnected ? draw() : clearInterval(timer)), 1000);
  return place;
}

const shut = (it) => it.restricted && el("span.chip.bad", {}, "restricted");

export async function showCases(place, _, query) {
  const chosen = Object.fromEntries(query);
  const named = VIEWS.find(([name]) => name === chosen.view) ?? VIEWS[0];
  const filter = { ...named[1], text: chosen.text, ...Object.fromEntries(["priority", "status", "team", "tags", "owner"].filter((f) => chosen[f]).map((f) => [f === "tags" ? "tag" : f, chosen[f]])) };
  if (filter.owner === "me") filter.owner = await whoami();
  const counts = await look("cases/facets", filter, { facets: {}, counted: 0, complete: true });
  const list = await paged((cursor) => look("cases", { ...filter, limit: 50, cursor }, NOTHING), (items) => table([
    ["Next promise", (it) => (it.resolved_at ? when(it.resolved_at) : countdown(CLOCKS.map(([name]) => it[name]), it.stage))],
    ["Priority", (it) => el(`span.priority.${it.priority}`, {}, it.priority)], ["Status", (it) => badge(it.status)],
    ["Title", (it) => el("span", {}, shut(it), link(`#/cases/${it.id}`, it.title))], ["Owner", (it) => it.owner ?? el("span.problem", {}, "nobody")],
    ["Team", (it) => it.team], ["Times", (it) => (it.occurrences > 1 ? String(it.occurrences) : ""), "number"],
    ["Tasks", (it) => (it.tasks ? `${it.tasks_done}/${it.tasks}` : ""), "number"], ["Opened", (it) => ago(it.opened_at)],
  ], items, "No case here.", (it) => `#/cases/${it.id}`));
  const go = (changes) => { location.hash = `#/cases?${new URLSearchParams(Object.entries({ ...chosen, ...changes }).filter(([, value]) => value))}`; };
  const words = el("input", { type: "search", placeholder: "Words; fail* begins one", ariaLabel: "Words", value: chosen.text ?? "" });
  words.addEventListener("change", () => go({ text: words.value }));
  const views = VIEWS.map(([name]) => el(name === named[0] ? "button.quiet.chosen" : "button.quiet", { type: "button", onclick: () => go({ view: name }) }, name));
  const chips = ["priority", "status", "team", "owner", "tags"].map((field) => Object.entries(counts.facets[field] ?? {}).slice(0, 6).map(([value, count]) =>
    el(chosen[field] === value ? "button.chip.chosen" : "button.chip", { type: "button", onclick: () => go({ [field]: chosen[field] === value ? "" : value }) }, `${value} `, el("b", {}, String(count)))));
  place.replaceChildren(el("section.card", { ariaLabel: "Cases" }, el("h1", {}, "Cases", el("span.hint", {}, ` ${counts.counted}${counts.complete ? "" : " and more"}`)), el("div.filter", {}, views, words), el("div.filter.chips", {}, chips), list));
}

export async function showCase(place, [id]) {
  const it = await get(`cases/${id}`);
  const [comments, history, tasks, files, seen, books] = await Promise.all([
    look(`cases/${id}/comments`, { limit: 200 }, NOTHING), look(`cases/${id}/history`, {}, NOTHING), look(`cases/${id}/tasks`, {}, NOTHING),
    look(`cases/${id}/attachments`, {}, NOTHING), look(`cases/${id}/observables`, {}, NOTHING), look(`cases/${id}/playbooks`, {}, { playbooks: [] })]);
  place.replaceChildren(
    el("section.card", {}, el("h1", {}, badge(it.status), ` ${it.title} `, shut(it)), clocks(it), doing(it)),
    el("div.halves", {},
      el("div.stack", {}, it.html && card("Description", safe(it.html)), it.resolution && card("Resolution", el("p", {}, it.resolution)),
        talk(it, comments.items), card("Timeline", el("ol.story", {}, history.items.map(entry).reverse()))),
      el("div.stack", {}, card("Facts", about(it)), taskCard(it, tasks.items), playbooks(it, books.playbooks), evidence(it, files.items, seen.items))));
}

function clocks(it) {
  const tiles = CLOCKS.filter(([name]) => it[name]).map(([name, title]) => el("div.tile", {}, el("strong", {}, countdown([it[name]], it.stage)),
    el("span", {}, `${title}${it[name].due && !it[name].met ? ` until ${new Date(it[name].due).toLocaleString([], { dateStyle: "medium", timeStyle: "short" })}` : ""}${it[name].breaches > 1 ? `, broken ${it[name].breaches} times` : ""}`)));
  const chain = it.escalation;
  if (chain) tiles.push(el("div.tile", {}, el("strong", {}, el(`span.promise.${chain.ended === "exhausted" ? "bad" : chain.ended ? "good" : "warn"}`, {}, chain.ended ?? `level ${chain.level}`)), el("span", {}, `Escalation ${chain.policy}${chain.next_at ? `, next ${when(chain.next_at)}` : ""}`)));
  return tiles.length ? el("div.tiles", {}, tiles) : null;
}

const writing = (it) => ({ needs: ["case:write", it.namespace] });

function doing(it) {
  const to = (status) => action(status, async () => {
    const ends = ["resolved", "closed"].includes(status);
    const move = async ({ resolution } = {}) => { await tell(`cases/${it.id}/transitions`, { status, ...(resolution ? { resolution } : {}) }); refresh(); };
    if (!ends) return move();
    await ask({ title: `Take it to ${status}`, yes: status, fields: [{ name: "resolution", label: "How did it end?", kind: "long", value: it.resolution }], act: move });
  }, writing(it));
  const change = (fields) => async () => { await tell(`cases/${it.id}`, fields, "PATCH"); refresh(); };
  const take = action("Take it", async () => {
    await tell(`cases/${it.id}`, { owner: await whoami() }, "PATCH");
    if (it.steps.includes("acknowledged")) await tell(`cases/${it.id}/transitions`, { status: "acknowledged" });
    refresh();
  }, writing(it));
  const give = action("Give to …", () => ask({ title: "Whose is it?", yes: "Give", fields: [{ name: "owner", label: "Owner", value: it.owner, hint: "user:<name>, or empty for nobody" }], act: ({ owner }) => change({ owner: owner || null })() }), writing(it));
  const rank = el("select", { ariaLabel: "Priority", disabled: Boolean(lacking(...writing(it).needs)), title: lacking(...writing(it).needs) }, ["low", "normal", "high", "critical"].map((one) => el("option", { value: one, selected: one === it.priority }, one)));
  rank.addEventListener("change", () => change({ priority: rank.value })().catch((problem) => say(problem.message, "bad")));
  const stop = it.escalation && !it.escalation.ended && action("Stop escalation", async () => { await tell(`cases/${it.id}/escalation/stop`); refresh(); }, writing(it));
  const report = action("Report", async () => save(await call(`/api/v1/cases/${it.id}/report`), `case-${it.id}.md`));
  return [el("p.actions", {}, take, give, rank, stop, report), it.steps.length > 0 && el("p.actions", {}, el("span.hint", {}, "Take it to"), it.steps.map(to))];
}

const below = (comments, parent) => comments.filter((one) => one.parent === parent).flatMap((one) => [one, ...below(comments, one.id)]);

function talk(it, comments) {
  const text = el("textarea", { rows: 3, placeholder: "Comment in Markdown; @name mentions somebody", ariaLabel: "Comment" });
  const internal = el("input", { type: "checkbox" });
  let parent = null;
  const say = action("Comment", async () => {
    await tell(`cases/${it.id}/comments`, { text: text.value, visibility: internal.checked ? "internal" : "public", ...(parent ? { parent } : {}) });
    refresh();
  }, { needs: ["case:comment", it.namespace] });
  const answer = (comment) => action("Answer", () => { parent = comment.id; text.placeholder = `Answer to ${comment.author}`; text.focus(); });
  const threads = comments.filter((one) => !comments.some(({ id }) => id === one.parent)).flatMap((one) => [one, ...below(comments, one.id)]);
  const shown = threads.map((comment) => el(`div.comment${comment.visibility === "internal" ? ".internal" : ""}${comment.parent ? ".answer" : ""}`, {},
    el("p.hint", {}, `${comment.author} · `, ago(comment.at), `${comment.visibility === "internal" ? " · internal" : ""}${comment.edited_at ? " · edited" : ""} `, answer(comment)), safe(comment.html)));
  return card("Comments", shown, text, el("p.actions", {}, say, el("label.inline", {}, internal, "internal")));
}

// What the reader sees elsewhere, or what only the service needs.
const HIDDEN = new Set(["clocks", "last_position", "escalation", "playbooks", "comments", "tasks", "tasks_done", "attachments", "observables", "occurrences", "merges", "dedupes", "sla", "stage", "answered_at", "resolved_at"]);

function linked(before, after) {
  const names = (links) => new Set((links ?? []).map(({ kind, target, role }) => `${role} ${kind} ${target}`));
  const [was, is] = [names(before), names(after)];
  return [...[...is].filter((one) => !was.has(one)).map((one) => `+ ${one}`), ...[...was].filter((one) => !is.has(one)).map((one) => `− ${one}`)].join(", ");
}

function entry(record) {
  const fields = record.revision === 1 ? "" : record.changes.filter(({ name }) => !HIDDEN.has(name))
    .map(({ name, before, after }) => (name === "links" ? linked(before, after) : `${name}: ${plain(before)} → ${plain(after)}`)).join("; ");
  return el("li", {}, el("span.hint", {}, ago(record.at), ` · ${record.actor}`), " ", el("b", {}, record.why), " ", record.notes.map((note) => [el(`span.chip.${note.endsWith("breached") ? "bad" : "note"}`, {}, note), " "]), el("span", {}, fields));
}

function about(it) {
  const target = ({ kind, target: name }) => (kind === "run" ? link(`#/runs/${name}`, name) : kind === "case" ? link(`#/cases/${name}`, name) : kind === "asset" ? link(`#/assets/default/${encodeURIComponent(name)}`, name) : name);
  return facts([["Case", it.id], ["Type", it.kind], ["Severity", String(it.severity)], ["Owner", it.owner ?? "nobody"], ["Team", it.team], ["Queue", it.queue], ["Tags", it.tags.join(", ")],
    ...Object.entries(it.fields).map(([name, value]) => [name, plain(value)]), ["Opened", el("span", {}, ago(it.opened_at), ` by ${it.opened_by}`)], ["By rule", it.rule],
    ["Happened", it.occurrences > 1 ? `${it.occurrences} times` : null], ["Part of", it.merged_into && link(`#/cases/${it.merged_into}`, it.merged_into)],
    ...it.links.map((one) => [one.role, el("span", {}, `${one.kind} `, target(one))])]);
}

function taskCard(it, tasks) {
  const done = (task) => ["done", "skipped"].includes(task.status);
  const tick = (task) => { const box = el("input", { type: "checkbox", checked: done(task), disabled: Boolean(lacking(...writing(it).needs)) });
    box.addEventListener("change", () => tell(`cases/${it.id}/tasks/${task.id}`, { status: box.checked ? "done" : "todo" }, "PATCH").catch((problem) => say(problem.message, "bad")).finally(refresh));
    return box; };
  const add = action("Add a task", () => ask({ title: "Add a task", yes: "Add", fields: [{ name: "title", label: "What is there to do?", required: true }, { name: "owner", label: "Owner", hint: "user:<name>, or empty" }],
    act: async ({ title, owner }) => { await tell(`cases/${it.id}/tasks`, { title, ...(owner ? { owner } : {}) }); refresh(); } }), writing(it));
  return card("Tasks", tasks.length ? el("ul.plain", {}, tasks.map((task) => el("li", {}, el("label.inline", {}, tick(task), task.title),
    el("span.hint", {}, ` ${task.owner ?? ""} ${task.due && !done(task) ? when(task.due) : ""} ${task.after.length && !done(task) ? "after others" : ""}`), task.overdue && !done(task) && el("span.chip.bad", {}, "late")))) : el("p.empty", {}, "Nothing to do."), el("p.actions", {}, add));
}

function playbooks(it, known) {
  if (!known.length && !it.playbooks.length) return null;
  const runs = it.playbooks.map((run) => el("li", {}, badge(run.status), " ", link(`#/runs/${run.run}`, run.name), el("span.hint", {}, ` ${when(run.started_at)} ${run.detail?.startsWith("```") ? "" : run.detail ?? ""}`), run.waits_for && el("p.wait", {}, `waits for ${run.waits_for}`)));
  const start = known.map((book) => action(`Run ${book.name}`, async () => { await tell(`cases/${it.id}/playbooks/${book.name}`); refresh(); }, { confirmed: `Start workflow ${book.workflow}?`, ...writing(it) }));
  return card("Playbooks", el("ul.plain", {}, runs), el("p.actions", {}, start));
}

function evidence(it, files, seen) {
  if (!files.length && !seen.length) return null;
  const check = (file) => action("Verify", async () => { const chain = await get(`cases/${it.id}/attachments/${file.id}/custody`);
    tellAll(file.name, `${chain.unbroken && chain.intact ? "Chain and content are whole." : "THE CHAIN OR THE CONTENT WAS CHANGED."}\n\n${chain.items.map((one) => `${one.number}. ${one.action} by ${one.actor}, ${one.at} ${one.note}`).join("\n")}`); });
  const fetched = (file) => action(file.name, async () => save(await call(`/api/v1/cases/${it.id}/attachments/${file.id}`), file.name));
  return card("Evidence", el("ul.plain", {}, files.map((file) => el("li", {}, file.deleted_at ? `${file.name} (deleted)` : fetched(file), " ", check(file), el("span.hint", {}, ` ${file.size} bytes · ${file.sha256.slice(0, 12)}… ${file.evidence ? "· evidence" : ""}`)))),
    seen.length ? table([["Seen", (one) => one.type], ["Value", (one) => one.value], ["Note", (one) => one.note]], seen, "") : null);
}

async function save(answer, name) {
  const at = URL.createObjectURL(await answer.blob());
  el("a", { href: at, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(at), 1000);
}

const plain = (value) => (value == null ? "nothing" : typeof value === "string" ? value : JSON.stringify(value));

// The platform's own HTML of somebody's Markdown, built anew from the few elements that Markdown has: nothing else gets in.
const ELEMENTS = new Set(["P", "EM", "STRONG", "S", "CODE", "PRE", "UL", "OL", "LI", "BLOCKQUOTE", "H1", "H2", "H3", "H4", "H5", "H6", "HR", "BR", "TABLE", "THEAD", "TBODY", "TR", "TH", "TD", "A"]);
function safe(html) {
  const copy = (node) => {
    if (node.nodeType === Node.TEXT_NODE) return node.data;
    const inside = [...node.childNodes].map(copy);
    if (!ELEMENTS.has(node.nodeName)) return inside;
    const made = el(node.nodeName.toLowerCase(), {}, inside);
    if (node.nodeName === "A" && /^https?:/.test(node.getAttribute("href") ?? "")) Object.assign(made, { href: node.getAttribute("href"), rel: "noopener noreferrer", target: "_blank" });
    return made;
  };
  return el("div.prose", {}, [...new DOMParser().parseFromString(html, "text/html").body.childNodes].map(copy));
}
