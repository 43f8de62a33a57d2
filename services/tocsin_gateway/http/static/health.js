// How every part and replica of the platform is, with degraded modes named, and what is measured of the whole.

import { ago, badge, card, el, link, part, table } from "./parts.js";
import { get, look } from "./session.js";

// Measures that a reader asks about, and where to look further.
const PAGES = [[/dead_letter/, "#/dead-letters"], [/worker|slot|queue/, "#/workers"], [/run/, "#/runs"], [/webhook|deliver/, "#/webhooks"]];

export async function showHealth(place) {
  const [status, health] = await Promise.all([look("status", {}, { services: [] }), part(get("health"))]);
  const services = card("Services", el("ul.services", {}, status.services.map((it) => el("li", {}, el(`span.dot.${it.ready ? "ready" : "down"}`), it.name, el("span.detail", {}, it.ready ? "ready" : it.detail || "not ready")))));
  if (health instanceof Node) { place.replaceChildren(services, card("Parts of the platform", health)); return; }
  place.replaceChildren(
    el("section.card", { ariaLabel: "Health" }, el("h1", {}, badge(health.ready ? "ready" : "degraded"), " Health"), health.absent.length > 0 && el("p.wrong", {}, `Not heard: ${health.absent.join(", ")}`), health.absent.length > 0 && health.deaf && el("p.hint", {}, health.deaf)),
    el("div.columns", {}, services, card("Parts and replicas", table([
      ["State", (it) => badge(it.state)], ["Service", (it) => it.service], ["Replica", (it) => it.instance], ["Version", (it) => it.version], ["Up since", (it) => ago(it.started)], ["Heard", (it) => ago(it.heard)],
      ["What is not well", (it) => [...it.modes, ...it.components.filter((one) => !one.ready).map((one) => `${one.name}: ${one.detail}`)].join("; "), "long"],
    ], health.replicas, "No replica was heard."))),
    measures(health.measures));
}

function measures(all) {
  const rows = Object.entries(all).filter(([name]) => !name.endsWith(".port")).sort();
  const field = el("input", { type: "search", placeholder: "Words: lag, waiting, bus", ariaLabel: "Words" });
  const body = el("div");
  const show = () => {
    const wanted = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    field.toggleAttribute("data-touched", Boolean(wanted.length)); // then the page is not drawn anew under the reader
    body.replaceChildren(table([["Measure", ([name]) => { const page = PAGES.find(([like]) => like.test(name)); return page ? link(page[1], name) : name; }], ["Now", ([, value]) => String(Math.round(1000 * value) / 1000), "number"]],
      rows.filter(([name]) => wanted.every((word) => name.includes(word))), "No measure is called so."));
  };
  field.addEventListener("input", show);
  show();
  return card("Measures", el("p.hint", {}, "An alert can be made of any of them: a rule of the kind measure."), el("div.filter", {}, field), el("div.tall", {}, body));
}
