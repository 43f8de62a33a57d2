// The console: logs in, and shows the page that the address names after its `#`.

import { showAccess, showUser } from "./access.js";
import { showAccount } from "./account.js";
import { showAlerts, showRule } from "./alerts.js";
import { showAudit } from "./audit.js";
import { showCase, showCases } from "./cases.js";
import { showAsset, showAssets } from "./data.js";
import { showDeadLetters } from "./dead.js";
import { refresh } from "./dialog.js";
import { showEvents } from "./events.js";
import { showHealth } from "./health.js";
import { showInsight } from "./insight.js";
import { holds, learn, may } from "./may.js";
import { showOverview } from "./overview.js";
import { complaint, el } from "./parts.js";
import { showProposal, showProposals } from "./proposals.js";
import { showGroup, showRole } from "./roles.js";
import { showRun } from "./run.js";
import { showRuns } from "./runs.js";
import { showSchedule, showSchedules } from "./schedules.js";
import { showSecret, showSecrets } from "./secrets.js";
import { ended, follow, get, post, tokens, unfollow } from "./session.js";
import { forget, hear, showSignals } from "./signals.js";
import { showTrigger, showTriggers } from "./triggers.js";
import { showWebhook, showWebhooks } from "./webhooks.js";
import { showWork } from "./work.js";
import { showWorkers } from "./workers.js";
import { showWorkflow, showWorkflows, showWriting } from "./workflows.js";

const REFRESH_MS = 5000;
const byId = (id) => document.getElementById(id);

// [address, what it is called, what shows it, whether it is shown anew now and then: unless that says that there is nothing to come]
const PAGES = [
  [/^$/, "Overview", showOverview, true],
  [/^workflows$/, "Workflows", showWorkflows, false],
  [/^workflows\/([^/]+)\/([^/]+)$/, "Workflow", showWorkflow, false],
  [/^write(?:\/([^/]+)\/([^/]+))?$/, "Write a workflow", showWriting, false],
  [/^runs$/, "Runs", showRuns, false],
  [/^runs\/([^/]+)$/, "Run", showRun, true],
  [/^proposals$/, "Proposals", showProposals, false],
  [/^proposals\/([^/]+)$/, "Proposal", showProposal, false],
  [/^schedules$/, "Schedules", showSchedules, false],
  [/^schedules\/([^/]+)\/([^/]+)$/, "Schedule", showSchedule, false],
  [/^(?:triggers|starts)$/, "Triggers", showTriggers, false],
  [/^triggers\/([^/]+)\/([^/]+)$/, "Trigger", showTrigger, false],
  [/^events$/, "Events", showEvents, false],
  [/^work$/, "Work", showWork, false],
  [/^cases$/, "Cases", showCases, true],
  [/^cases\/([^/]+)$/, "Case", showCase, false],
  [/^assets$/, "Assets", showAssets, false],
  [/^assets\/([^/]+)\/([^/]+)$/, "Asset", showAsset, false],
  [/^signals(?:\/(catalogue))?$/, "Signals", showSignals, false],
  [/^insight$/, "Insight", showInsight, false],
  [/^alerts(?:\/(rules|channels))?$/, "Alerts", showAlerts, false],
  [/^alerts\/rules\/([^/]+)\/([^/]+)$/, "Rule", showRule, false],
  [/^webhooks$/, "Webhooks", showWebhooks, false],
  [/^webhooks\/([^/]+)\/([^/]+)$/, "Webhook", showWebhook, false],
  [/^audit$/, "Audit", showAudit, false],
  [/^health$/, "Health", showHealth, true],
  [/^workers$/, "Workers", showWorkers, true],
  [/^dead-letters$/, "Dead letters", showDeadLetters, false],
  [/^secrets$/, "Secrets", showSecrets, false],
  [/^secrets\/([^/]+)\/([^/]+)$/, "Secret", showSecret, false],
  [/^access(?:\/(groups|roles|namespaces|keys|ask))?$/, "Access", showAccess, false],
  [/^access\/users\/([^/]+)$/, "User", showUser, false],
  [/^access\/groups\/([^/]+)$/, "Group", showGroup, false],
  [/^access\/roles\/([^/]+)$/, "Role", showRole, false],
  [/^account$/, "Your account", showAccount, false],
];
const PARENTS = { write: "workflows", starts: "triggers" };

let timer = null;
let shown = 0;
let signalled = 0; // when the page was last asked to look because of a signal

async function show(asked = true) {
  if (!tokens.access) return;
  clearTimeout(timer);
  const mine = ++shown;
  const [address, search] = location.hash.replace(/^#\/?/, "").split("?", 2);
  const top = PARENTS[address.split("/")[0]] ?? address.split("/")[0];
  for (const item of [...byId("pages").querySelectorAll("a"), byId("who")]) {
    if (item.hash.replace(/^#\/?/, "") === top) item.setAttribute("aria-current", "page"); else item.removeAttribute("aria-current");
  }
  if (asked) unfold(false);
  const page = PAGES.find(([pattern]) => pattern.test(address));
  const place = document.createElement("div");
  let goesOn = true;
  if (asked) byId("page").setAttribute("aria-busy", "true");
  if (!byId("page").children.length) byId("page").append(el("p.empty.loading", { role: "status" }, "Loading …"));
  try {
    if (!page) throw new Error("There is no such page.");
    goesOn = await page[2](place, address.match(page[0]).slice(1).map((it) => it && decodeURIComponent(it)), new URLSearchParams(search));
  } catch (problem) {
    if (!tokens.access) return;
    place.replaceChildren(failed(problem, page?.[1] ?? "Nothing here"));
  }
  if (mine !== shown) return; // the reader has gone elsewhere meanwhile
  document.title = page ? `${place.querySelector("h1")?.textContent.trim() || page[1]} · Tocsin` : "Tocsin";
  byId("page").removeAttribute("aria-busy");
  if (asked || !isRead()) replace(place);
  if (page?.[3] && goesOn !== false) timer = setTimeout(() => show(false), REFRESH_MS);
}

function failed(problem, title) {
  const again = el("button.quiet", { type: "button" }, "Try again");
  again.addEventListener("click", () => show());
  return el("section.card", {}, el("h1", {}, title), el("div.problem", { role: "alert" }, complaint(problem)), el("p.actions", {}, again));
}

// What somebody is reading is not drawn anew by itself.
const isRead = () => Boolean(byId("page").querySelector("[data-touched], .more:not([hidden])") || document.querySelector("dialog") || String(getSelection()));

// The keyboard stays where it was: on the same part of the same page.
function replace(place) {
  const page = byId("page");
  const path = [];
  for (let it = document.activeElement; page.contains(it) && it !== page; it = it.parentElement) path.unshift([...it.parentElement.children].indexOf(it));
  const scrolled = [...page.querySelectorAll(".scroll")].map((it) => [it.scrollLeft, it.scrollTop]);
  const isSame = page.dataset.hash === location.hash;
  page.dataset.hash = location.hash;
  page.replaceChildren(...place.childNodes);
  if (!isSame) { scrollTo(0, 0); return; }
  [...page.querySelectorAll(".scroll")].forEach((it, at) => { if (scrolled[at]) [it.scrollLeft, it.scrollTop] = scrolled[at]; });
  if (path.length) path.reduce((it, at) => it?.children[at], page)?.focus({ preventScroll: true });
}

// A run that somebody looks at is looked at again as soon as something is said about it, though not for each word.
function listen(signal) {
  hear(signal);
  const looked = location.hash.match(/^#\/runs\/([^/?]+)$/)?.[1];
  if (!looked || signal.subject?.split("/")[0] !== looked || Date.now() - signalled < 1000) return;
  signalled = Date.now();
  clearTimeout(timer);
  timer = setTimeout(() => show(false), 300);
}

// What the reader may not do at all is not offered.
function offer() {
  for (const item of byId("pages").querySelectorAll("a[data-needs]")) item.hidden = !item.dataset.needs.split(" ").some((one) => (one.endsWith("@*") ? may(one.slice(0, -2)) : holds(one)));
  for (const title of byId("pages").querySelectorAll("b")) {
    let it = title.nextElementSibling;
    while (it?.tagName === "A" && it.hidden) it = it.nextElementSibling;
    title.hidden = it?.tagName !== "A";
  }
}

async function meet() {
  const me = await get("auth/me");
  learn(me.grants);
  byId("who").textContent = me.name || me.subject;
  byId("who").classList.toggle("due", Boolean(me.second_factor_due));
  offer();
}

async function enter() {
  byId("login").hidden = true;
  byId("console").hidden = byId("logout").hidden = false;
  try { await meet(); } catch { if (!tokens.access) return; } // then each page says what the matter is
  byId("pages").hidden = byId("menu").hidden = byId("skip").hidden = false;
  show();
  follow(listen, (isLive) => {
    byId("live").className = isLive ? "dot on" : isLive === null ? "dot" : "dot down";
    byId("live").title = isLive ? "Signals come in live" : isLive === null ? "Signals take the permission signal:read" : "No signals come in: the connection is lost, and tried again";
  });
}

// On a small screen the pages are behind a button.
function unfold(isOpen) {
  byId("menu").ariaExpanded = String(isOpen);
  byId("pages").classList.toggle("unfolded", isOpen);
}

function leave() {
  tokens.drop();
  clearTimeout(timer);
  byId("who").textContent = "";
  unfollow();
  forget();
  learn(null);
  unfold(false);
  byId("console").hidden = byId("pages").hidden = byId("menu").hidden = byId("skip").hidden = byId("logout").hidden = true;
  byId("page").replaceChildren();
  byId("news").replaceChildren();
  for (const question of document.querySelectorAll("dialog")) question.close();
  byId("live").className = "dot";
  byId("login").hidden = false;
}

byId("login-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = new FormData(event.target);
  byId("login-problem").textContent = "";
  try {
    const code = form.get("code")?.trim();
    tokens.keep(await post("/api/v1/auth/login", { user: form.get("user"), password: form.get("password"), ...(code ? { code } : {}) }));
    event.target.reset();
    byId("code").hidden = true;
    enter();
  } catch (problem) {
    if (problem.code === "second_factor_needed") byId("code").hidden = false;
    byId("login-problem").textContent = problem.message;
  }
});

// Single sign-on: the ticket stays in this tab, so nobody can be made to finish a login that somebody else began.
async function offerSingleSignOn() {
  const way = await (await fetch("/api/v1/auth/oidc")).json();
  if (!way.available) return;
  byId("oidc").textContent = `Log in with ${way.label}`;
  byId("oidc").hidden = false;
  byId("oidc").addEventListener("click", async () => {
    try {
      const begun = await post("/api/v1/auth/oidc/begin", { redirect_uri: way.redirect_uri });
      sessionStorage.setItem("oidc", JSON.stringify({ state: begun.state, ticket: begun.ticket }));
      location.assign(begun.url);
    } catch (problem) {
      byId("login-problem").textContent = problem.message;
    }
  });
}

async function comeBack() {
  const query = new URLSearchParams(location.search);
  const begun = JSON.parse(sessionStorage.getItem("oidc") ?? "null");
  if (!query.has("state")) return;
  sessionStorage.removeItem("oidc");
  history.replaceState(null, "", "/"); // the code must not stay in the address
  try {
    if (begun?.state !== query.get("state") || !query.has("code")) throw new Error("This login was not begun here, or was refused.");
    tokens.keep(await post("/api/v1/auth/oidc/finish", { state: begun.state, ticket: begun.ticket, code: query.get("code") }));
  } catch (problem) {
    byId("login-problem").textContent = problem.message;
  }
}

byId("logout").addEventListener("click", () => { post("/api/v1/auth/logout", { refresh_token: tokens.refresh }).catch(() => {}); leave(); });
byId("skip").addEventListener("click", () => byId("page").focus()); // past the menu, for the keyboard
byId("menu").addEventListener("click", () => unfold(byId("menu").ariaExpanded !== "true"));
byId("pages").addEventListener("click", (event) => { if (event.target.hash === location.hash) refresh(); }); // the page that is open is looked at anew
addEventListener("keydown", (event) => { if (event.key === "Escape" && byId("menu").ariaExpanded === "true") { unfold(false); byId("menu").focus(); } });
ended.addEventListener("logout", leave);
ended.addEventListener("renewed", () => meet().catch(() => {}));
addEventListener("hashchange", () => show());

comeBack().finally(() => { if (tokens.access) enter(); else { leave(); offerSingleSignOn().catch(() => {}); } });
