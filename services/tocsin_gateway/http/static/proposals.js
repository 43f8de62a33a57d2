// Proposals: where two people publish, what one of them wants, what it changes, and what the other one says.

import { action, ask, refresh, say } from "./dialog.js";
import { drawDifferences } from "./diff.js";
import { filtered } from "./filter.js";
import { drawWorkflow, inTheMiddle } from "./graph.js";
import { ago, badge, card, el, facts, json, link, paged, table } from "./parts.js";
import { get, look, tell, uri } from "./session.js";

const STANDS = ["", "open", "approved", "declined", "withdrawn"];
const workflow = (it) => `#/workflows/${uri(it.namespace)}/${uri(it.name)}`;

export async function showProposals(place, _, query) {
  const { form, chosen, isChosen } = filtered("proposals", query, [["stand", "State", STANDS], ["namespace", "Namespace"]]);
  const list = await paged((cursor) => get("proposals", { ...chosen, limit: 50, cursor }), (items) => table([
    ["State", (it) => badge(it.stand)], ["What", (it) => (it.deed === "publish" ? "publish" : "delete")], ["Workflow", (it) => link(`#/proposals/${it.id}`, `${it.namespace}/${it.name}`)], ["Version", (it) => it.version ?? "all"],
    ["By", (it) => it.proposed_by], ["Proposed", (it) => ago(it.proposed_at)], ["Note", (it) => it.note, "long"], ["Decided by", (it) => it.decided_by],
  ], items, isChosen ? "No proposal is like that." : "No proposal. In a namespace that is reviewed, nobody publishes alone: what one person proposes, another one publishes.", (it) => `#/proposals/${it.id}`));
  place.replaceChildren(el("section.card", { ariaLabel: "Proposals" }, el("h1", {}, "Proposals"), form, list));
}

export async function showProposal(place, [id]) {
  const { proposal: it, document } = await get(`proposals/${uri(id)}`);
  const now = await look(`workflows/${uri(it.namespace)}/${uri(it.name)}`, {}, null);
  const text = (value) => JSON.stringify(value, null, 2);
  place.replaceChildren(...[
    el("section.card", {}, el("h1", {}, badge(it.stand), ` ${it.deed === "publish" ? "Publish" : "Delete"} ${it.namespace}/${it.name}`, el("span.hint", {}, ` ${it.version ?? "all versions"}`)),
      facts([["Proposed", el("span", {}, ago(it.proposed_at), ` by ${it.proposed_by}`)], ["Note", it.note], ["Digest", it.digest?.slice(0, 16)],
        ["Decided", it.decided_at && el("span", {}, ago(it.decided_at), ` by ${it.decided_by}`)], ["Why", it.reason], ["Counts now", now ? link(workflow(it), now.version) : "nothing of this name"]]),
      it.stand === "open" && deciding(it)),
    document && card(now ? `What differs from ${now.version}, which counts now` : "All of it is new", drawDifferences(now ? text(now.document) : "", text(document))),
    document && card("Graph", inTheMiddle(drawWorkflow(document))),
    document && card("Document", json("As JSON", document))].filter(Boolean));
}

function deciding(it) {
  const decide = (verb, title, danger, needs) => action(title, () => ask({
    title: `${title} ${it.name}?`, yes: title, danger, fields: [{ name: "reason", label: "Why", hint: "Stays on record." }],
    act: async ({ reason }) => { await tell(`proposals/${uri(it.id)}/${verb}`, { reason: reason || null }); say(`${title}: done.`); refresh(); },
  }), { danger, needs });
  if (it.mine) return el("p.actions", {}, decide("withdraw", "Withdraw", true, ["workflow:propose", it.namespace, it.name]), el("span.hint", {}, "It is your own: somebody else decides."));
  return el("p.actions", {}, decide("approve", "Approve", false, ["workflow:review", it.namespace, it.name]), decide("decline", "Decline", true, ["workflow:review", it.namespace, it.name]));
}
