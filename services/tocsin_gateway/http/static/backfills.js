// Backfills: runs for a time that is past, how far they are, and stopping them.

import { action, ask, refresh } from "./dialog.js";
import { ago, badge, el, link, meter, paged, table } from "./parts.js";
import { get, tell, uri } from "./session.js";

// The backfills of a schedule, or all.
export const progress = ({ namespace, schedule }) => paged((cursor) => get("backfills", { namespace, limit: 50, cursor }), (items) => table([
  ["Status", (it) => badge(it.status)], ["Backfill", (it) => it.name], ["Of", (it) => (it.schedule ? link(`#/schedules/${uri(it.namespace)}/${uri(it.schedule)}`, it.schedule) : it.workflow)], ["Done", (it) => meter(it.completed + it.failed + it.cancelled, it.total)],
  ["Failed", (it) => (it.failed ? el("span.chip.bad", { title: it.failed_keys.join(", ") }, String(it.failed)) : ""), "number"], ["Going on", (it) => String(it.started - it.completed - it.failed - it.cancelled), "number"], ["Begun", (it) => el("span", {}, ago(it.created_at), ` by ${it.created_by}`)], ["Why", (it) => it.reason],
  ["", (it) => it.status === "running" && action("Stop", () => ask({
    title: `Stop ${it.name}?`, text: "Nothing more starts, and what goes on is told to end.", yes: "Stop", danger: true, fields: [{ name: "reason", label: "Why" }],
    act: async ({ reason }) => { await tell(`backfills/${uri(it.namespace)}/${uri(it.name)}/cancel`, { reason: reason || null }); refresh(); },
  }), { danger: true, needs: ["backfill:write", it.namespace, it.name] })],
], schedule ? items.filter((it) => it.schedule === schedule) : items, "None."));
