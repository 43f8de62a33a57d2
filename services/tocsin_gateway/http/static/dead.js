// Dead letters: messages that a service could not handle, why, and handing them to their handler again.

import { action, refresh, say, tellAll } from "./dialog.js";
import { ago, el, facts, paged, part, table, tabs } from "./parts.js";
import { get, look, tell } from "./session.js";

const SERVICES = ["trigger", "scheduler", "executor", "lineage", "case", "observer"];
const REDRIVE = ["dead-letter:redrive", "*"];
const MOST = 500; // that are counted

export async function showDeadLetters(place, _, query) {
  const counts = await Promise.all(SERVICES.map((service) => look(`dead-letters/${service}`, { limit: MOST }, null).catch((problem) => ({ problem }))));
  if (counts.every((one) => one === null)) await get(`dead-letters/${SERVICES[0]}`); // says what it takes
  const wanted = SERVICES.includes(query.get("service")) ? query.get("service") : SERVICES[Math.max(0, counts.findIndex((one) => one?.items?.length))];
  const at = SERVICES.indexOf(wanted);
  const title = (service, how) => (how?.problem ? `${service} (does not answer)` : `${service} (${how?.items.length ?? "?"}${how?.next_cursor ? "+" : ""})`);
  const titles = SERVICES.map((service, n) => title(service, counts[n]));
  const list = await part(paged((cursor) => get(`dead-letters/${wanted}`, { limit: 100, cursor }), (items) => table([
    ["Died", (it) => ago(it.died)], ["What", (it) => it.subject, "id"], ["Consumer", (it) => it.consumer], ["Tries", (it) => String(it.attempts), "number"],
    ["Why", (it) => `${it.code}: ${it.reason}`, "long"], ["", (it) => el("span", {}, action("Look", () => looked(it)), " ", retry(wanted, it), " ", discard(wanted, it))],
  ], items, `${wanted} could handle all that came.`)));
  const consumers = [...new Set((counts[at]?.items ?? []).map((it) => it.consumer))];
  place.replaceChildren(el("section.card", { ariaLabel: "Dead letters" }, el("h1", {}, "Dead letters"),
    el("p.hint", {}, "What a service could not handle is kept for 30 days. When the cause is gone, hand it over again: what goes well then is gone from here, what fails again stays. What nobody wants any more can be discarded."),
    tabs(SERVICES.map((service, n) => [`#/dead-letters?service=${service}`, titles[n]]), titles[at]),
    consumers.length > 0 && el("p.actions", {}, consumers.map((consumer) => again(wanted, consumer))), list));
}

function again(service, consumer) {
  return action(`Retry those of ${consumer}`, async () => {
    const { handled, failed } = await tell(`dead-letters/${service}/redrive`, { consumer });
    told(handled, failed);
  }, { needs: REDRIVE });
}

function retry(service, it) {
  return action("Retry", async () => {
    const { handled, failed } = await tell(`dead-letters/${service}/redrive`, { sequence: it.sequence });
    told(handled, failed);
  }, { needs: REDRIVE });
}

function told(handled, failed) {
  say(handled + failed ? `${handled} handled, ${failed} failed again.` : "Nothing is left to try, or nobody handles it any more.", failed ? "bad" : "good");
  refresh();
}

const discard = (service, it) => action("Discard", async () => {
  await tell(`dead-letters/${service}/discard`, { sequence: it.sequence });
  refresh();
}, { confirmed: "It is gone for good, and handled no more. The audit trail says what it was.", danger: true, needs: ["dead-letter:discard", "*"] });

function looked(it) {
  let body = it.payload;
  try { body = JSON.stringify(JSON.parse(it.payload), null, 2); } catch { /* as it is */ }
  return tellAll(it.subject, el("div", {}, facts([["Died", ago(it.died)], ["Consumer", it.consumer], ["Origin", it.origin], ["Tries", String(it.attempts)], ["Code", it.code], ["Why", it.reason], ["Place", String(it.sequence)]]),
    el("pre", { tabIndex: 0 }, body)), true);
}
