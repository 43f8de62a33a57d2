// Workflows: what is published, one with its graph and its versions, starting it, and writing the next version.

import { action, ask, say } from "./dialog.js";
import { drawWorkflow, inTheMiddle } from "./graph.js";
import { ago, badge, card, el, facts, json, link, paged, span, table, took } from "./parts.js";
import { call, get, look, tell, uri } from "./session.js";

const NOTHING = { items: [] };
const to = (it) => `#/workflows/${it.namespace}/${it.name}`;
const BEGINNING = { document: { dsl: "1.0.3", namespace: "default", name: "my-workflow", version: "1.0.0" }, do: [{ greet: { set: { greeting: '${ "Hello, \\(.name // "world")!" }' } } }] };

export async function showWorkflows(place) {
  const list = await paged((cursor) => get("workflows", { limit: 100, cursor }), (items) => table([
    ["Workflow", (it) => link(to(it), it.namespace === "default" ? it.name : `${it.namespace}/${it.name}`)], ["Version", (it) => it.version], ["Versions", (it) => String(it.versions), "number"],
    ["Published", (it) => ago(it.published_at)], ["By", (it) => it.published_by], ["", (it) => start(it)],
  ], items, "No workflow yet: write one here, or publish a file with tocsin workflow apply.", to));
  place.replaceChildren(el("section.card", { ariaLabel: "Workflows" }, el("h1", {}, "Workflows"), list, el("p.actions", {}, link("#/write", "Write a workflow"))));
}

function start(it) {
  return action("Start", () => ask({
    title: `Start ${it.name}`, yes: "Start", fields: [{ name: "input", label: "Input", kind: "json", value: {} }, { name: "labels", label: "Labels", hint: "such as team=post, stage=test" }],
    act: async ({ input, labels }) => {
      const pairs = Object.fromEntries((labels ?? "").split(/[\s,]+/).filter(Boolean).map((one) => one.split(/=(.*)/s, 2)));
      const run = await tell("runs", { namespace: it.namespace, workflow: it.name, version: it.chosen ?? null, input: input ?? {}, labels: pairs });
      location.hash = `#/runs/${run.id}`;
    },
  }), { needs: ["run:start", it.namespace, it.name] });
}

export async function showWorkflow(place, [namespace, name], query) {
  const version = query.get("version");
  const about = { namespace, workflow: name };
  const [it, recent, statistics] = await Promise.all([
    get(`workflows/${namespace}/${name}`, { version }), look("runs", { ...about, limit: 8 }, NOTHING), look("analytics/runs", about, null)]);
  const { document: head } = it.document;
  const write = link(`#/write/${namespace}/${name}${version ? `?version=${version}` : ""}`, "Write the next version");
  place.replaceChildren(
    el("section.card", {}, el("h1", {}, `${namespace}/${name}`, el("span.hint", {}, ` ${it.version}`)), head.title && el("p", {}, head.title), head.summary && el("p", {}, head.summary),
      facts([["Published", el("span", {}, ago(it.published_at), ` by ${it.published_by}`)], ["Digest", it.digest.slice(0, 16)],
        ["Last day", statistics?.runs > 0 && `${statistics.runs} runs, ${Math.round(100 * statistics.failure_rate)} % failed, half took less than ${span(1000 * statistics.duration.p50)}`]].filter(([, value]) => value)),
      el("p.actions", {}, start({ ...it, chosen: version }), write)),
    card("Graph", inTheMiddle(drawWorkflow(it.document))),
    card("Recent runs", table([["Status", (run) => badge(run.status)], ["Run", (run) => link(`#/runs/${run.id}`, run.id), "id"], ["Version", (run) => run.version], ["Started", (run) => ago(run.started_at ?? run.created_at)], ["Took", took, "number"]],
      recent.items, "It has not run yet.", (run) => `#/runs/${run.id}`)),
    card("Versions", table([["Version", (one) => link(`${to(it)}?version=${one.version}`, one.version)], ["Published", (one) => ago(one.published_at)], ["By", (one) => one.published_by], ["Digest", (one) => one.digest.slice(0, 16)]], it.versions, "")),
    card("Document", json("As JSON", it.document)));
}

// A definition as text beside its graph, which follows what is typed; the platform checks it when it is published.
export async function showWriting(place, [namespace, name], query) {
  const it = name ? await get(`workflows/${namespace}/${name}`, { version: query.get("version") }) : null;
  const text = el("textarea.code", { spellcheck: false, ariaLabel: "Definition", value: JSON.stringify(it ? raised(it.document) : BEGINNING, null, 2) });
  const picture = el("div.scroll.picture");
  const problems = el("div", { role: "alert" });
  const draw = () => {
    try {
      picture.replaceChildren(drawWorkflow(JSON.parse(text.value)));
      problems.replaceChildren();
    } catch (problem) {
      problems.replaceChildren(el("p.hint", {}, problem instanceof SyntaxError ? `Not JSON yet, so the graph shows what was before: ${problem.message}. YAML may be published, too.` : "The graph cannot be drawn yet."));
    }
  };
  const sent = () => ({ headers: { "Content-Type": text.value.trimStart().startsWith("{") ? "application/json" : "application/yaml" }, body: text.value });
  const publish = action("Publish", () => checked(async () => {
    const made = await (await call("/api/v1/workflows", { method: "POST", ...sent() })).json();
    say(`${made.namespace}/${made.name} ${made.version} is published.`);
    location.hash = to(made);
  }), { needs: ["workflow:write"] });
  const propose = action("Propose", () => ask({
    title: "Propose it", text: "Somebody else looks at it, and publishes it. Where a namespace is reviewed, there is no other way.", yes: "Propose", fields: [{ name: "note", label: "What it is for" }],
    act: ({ note }) => checked(async () => {
      const made = await (await call(`/api/v1/proposals?note=${uri(note ?? "")}`, { method: "POST", ...sent() })).json();
      location.hash = `#/proposals/${made.id}`;
    }),
  }), { needs: ["workflow:propose"] });
  const checked = async (act) => {
    try { await act(); } catch (refused) {
      if (!refused.errors) throw refused;
      problems.replaceChildren(...refused.errors.map((one) => el("p.wrong", {}, el("strong", {}, one.line ? `Line ${one.line}:${one.column} ` : `${one.pointer ?? ""} `), one.detail, one.hint && el("span.hint", {}, ` ${one.hint}`))));
    }
  };
  text.addEventListener("input", () => { text.dataset.touched = "yes"; draw(); });
  draw();
  place.replaceChildren(el("section.card", { ariaLabel: "Definition" }, el("h1", {}, it ? `The next version of ${it.name}` : "A new workflow"),
    el("p.hint", {}, "JSON, drawn while it is typed; YAML can be published as it is. What is published never changes: the next text needs the next version."),
    el("div.writing", {}, el("div", {}, text, problems, el("p.actions", {}, publish, propose)), picture)));
}

function raised(document) {
  const [major, minor, ...rest] = document.document.version.split(".");
  return { ...document, document: { ...document.document, version: [major, Number(minor) + 1, ...rest.map(() => "0")].join(".") } };
}
