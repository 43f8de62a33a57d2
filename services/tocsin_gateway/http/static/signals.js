// Every signal as it comes, what was said before, and all that can be said: who says it, who listens, how often.

import { action, tellAll } from "./dialog.js";
import { filtered } from "./filter.js";
import { ago, badge, clock, el, link, paged, part, table, tabs } from "./parts.js";
import { get, look, uri } from "./session.js";

const KEPT = 300; // signals
const DRAWN_MS = 250; // however many come: what is new is drawn together
const PAGES = [["#/signals", "Live"], ["#/signals/catalogue", "Catalogue"]];

const heard = []; // the newest first
const news = [];
let lists = []; // of pages that were drawn lately, {body, most, isShown, isHeld, told}: the one that is on the page is fed
let drawing = null;

// A signal has come: it is kept for when a list is looked at, and shown if one is.
export function hear(signal) {
  heard.unshift(signal);
  heard.length = Math.min(heard.length, KEPT);
  if (!lists.some((it) => it.body.isConnected)) return;
  news.push(signal);
  drawing ??= setTimeout(draw, DRAWN_MS);
}

export function forget() {
  heard.length = news.length = lists.length = 0;
}

// A page that was asked for before another one may be ready after it: then it is not shown, and must not take what comes.
function feed(list) {
  lists = [list, ...lists].slice(0, 4);
}

function draw() {
  drawing = null;
  const live = lists.find((it) => it.body.isConnected);
  if (!live) { news.length = 0; return; }
  if (live.isHeld()) { live.told(news.filter(live.isShown).length); return; }
  const wanted = news.splice(0).filter(live.isShown).slice(-live.most);
  live.told(0);
  for (const signal of wanted) {
    const made = row(signal);
    if (wanted.length < 30) made.className = "new"; // in a storm nothing stands out
    live.body.prepend(made);
  }
  while (live.body.rows.length > live.most) live.body.deleteRow(-1);
  if (wanted.length) live.body.closest("section").querySelector(".empty")?.remove();
}

// The last signals of all, and those that come.
export async function recent(most) {
  if (!heard.length) heard.push(...(await look("signals", { limit: 30 }, { items: [] })).items.map((item) => item.event)); // what was said before the page was opened
  const body = el("tbody", {}, heard.slice(0, most).map(row));
  news.length = 0;
  feed({ body, most, isShown: () => true, isHeld: () => false, told: () => {} });
  return [list(body), heard.length === 0 && el("p.empty", {}, "Waiting for the first signal.")];
}

const list = (body) => el("div.scroll.rows", {}, el("table.signals", {}, el("thead", {}, el("tr", {}, ["Time", "What", "Namespace", "Which", "More"].map((title) => el("th", { scope: "col" }, title)))), body));

function row(signal) {
  const hash = place(signal);
  const which = hash && signal.subject ? link(hash, signal.subject) : signal.subject ?? "";
  const whole = el("button.plainly", { type: "button", title: "All of it", onclick: () => tellAll(signal.type, el("pre", { tabIndex: 0 }, JSON.stringify(signal, null, 2)), true) }, clock(signal.time));
  const cells = [whole, shortType(signal.type), signal.namespace, which, detail(signal.data)];
  return el("tr", { title: signal.type }, cells.map((text, at) => el(at === 4 ? "td.data.long" : "td", {}, text ?? "")));
}

// The page of what a signal is about, where there is one.
function place({ type, namespace, subject = "" }) {
  if (/\.(workflow|task)\./.test(type)) return `#/runs/${subject.split("/")[0]}`;
  const entity = type.match(/^io\.tocsin\.([a-z-]+)\./)?.[1];
  if (entity === "case") return `#/cases/${uri(subject)}`;
  if (entity === "asset") return `#/assets/${uri(namespace)}/${uri(subject)}`;
  if (entity === "user" || entity === "group" || entity === "role") return `#/access/${entity}s/${uri(subject)}`;
  const kind = { definition: "workflows", schedule: "schedules", webhook: "webhooks" }[entity];
  return kind && !subject.includes("/") ? `#/${kind}/${uri(namespace)}/${uri(subject)}` : null;
}

// io.serverlessworkflow.task.completed.v1 -> task completed
const shortType = (type) => type.replace(/^io\.[a-z]+\./, "").replace(/\.v\d+$/, "").replaceAll(".", " ");

// What the other columns do not say already: not when, and not which run.
function detail(data) {
  const said = Object.entries(data ?? {}).filter(([name]) => !/(At|^name|^workflow|_at)$/.test(name));
  return said.map(([name, value]) => (typeof value === "string" ? `${name} ${value}` : `${name} ${JSON.stringify(value)}`)).join(" · ");
}

export async function showSignals(main, [tab], query) {
  if (tab) return showCatalogue(main);
  const { form, chosen, isChosen } = filtered("signals", query, [["namespace", "Namespace"], ["entity", "Entity, such as run"], ["id", "Id"], ["type", "Type, such as io.tocsin.case.opened.v1"], ["actor", "Who, such as user:ada"], ["correlation", "Correlation"]]);
  const hint = el("span.hint", { role: "status" });
  let isHeld = false;
  const hold = action("Hold", () => { isHeld = !isHeld; hold.textContent = isHeld ? "Go on" : "Hold"; draw(); });
  const older = await part(paged((cursor) => get("signals", { ...chosen, limit: 100, cursor }), (items) => [
    list(el("tbody", {}, items.map(({ event }) => row(event)))), items.length === 0 && el("p.empty", {}, isChosen ? "No signal is like that yet." : "Waiting for the first signal.")]));
  const said = (signal) => ({ namespace: signal.namespace, id: signal.subject?.split("/")[0], type: signal.type, actor: signal.authid, correlation: signal.correlationid });
  const isOf = (type, entity) => type.includes(`.${entity === "run" ? "workflow" : entity}.`);
  const isShown = (signal) => Object.entries(chosen).every(([name, value]) => !value || (name === "entity" ? isOf(signal.type, value) : said(signal)[name] === value));
  news.length = 0;
  const body = older.querySelector("tbody");
  if (body) feed({ body, most: 400, isShown, isHeld: () => isHeld, told: (count) => { hint.textContent = count ? `${count} more have come meanwhile.` : ""; } });
  main.replaceChildren(el("section.card", { ariaLabel: "Signals" }, el("h1", {}, "Signals"), tabs(PAGES, "Live"),
    el("p.hint", {}, "Each change of state of anything, the newest first; new ones appear by themselves. The time opens all of it."), form, el("p.actions", {}, hold, hint), older));
}

async function showCatalogue(main) {
  const { items } = await get("signals/catalogue");
  const body = el("div");
  const field = el("input", { type: "search", placeholder: "Words: case, run, webhook", ariaLabel: "Words" });
  const show = () => {
    const wanted = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = items.filter((one) => wanted.every((word) => `${one.type} ${one.owner} ${one.summary} ${one.listeners.join(" ")}`.toLowerCase().includes(word)));
    body.replaceChildren(el("p.hint", {}, `${found.length} of ${items.length} kinds`), table([
      ["What", (one) => link(`#/signals?type=${uri(one.type)}`, shortType(one.type))], ["Says", (one) => one.summary, "half"], ["Owner", (one) => one.owner], ["Severity", (one) => badge(one.severity.toLowerCase())],
      ["Who listens", (one) => one.listeners.join(", "), "short"], ["Last hour", (one) => String(one.last_hour), "number"], ["Last seen", (one) => ago(one.last_seen)], ["Subject", (one) => one.subject, "id.half"],
    ], found, "No kind of signal is like that."));
  };
  field.addEventListener("input", show);
  show();
  main.replaceChildren(el("section.card", { ariaLabel: "Catalogue" }, el("h1", {}, "Signals"), tabs(PAGES, "Catalogue"),
    el("p.hint", {}, "All that the platform says. Any of it can start a workflow, be told to others by a webhook, or fire an alert."), el("div.filter", {}, field), body));
}
