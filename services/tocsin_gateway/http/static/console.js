// The console: logs in, and shows the page that the address names after its `#`.

import { showAudit } from "./audit.js";
import { showCase, showCases } from "./cases.js";
import { showAsset, showAssets } from "./data.js";
import { showInsight } from "./insight.js";
import { hear, showOverview } from "./overview.js";
import { showRun } from "./run.js";
import { showRuns } from "./runs.js";
import { ended, follow, get, post, tokens } from "./session.js";
import { showStarts } from "./starts.js";
import { showWork } from "./work.js";
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
  [/^work$/, "Work", showWork, false],
  [/^cases$/, "Cases", showCases, true],
  [/^cases\/([^/]+)$/, "Case", showCase, false],
  [/^starts$/, "Triggers and schedules", showStarts, false],
  [/^assets$/, "Assets", showAssets, false],
  [/^assets\/([^/]+)\/([^/]+)$/, "Asset", showAsset, false],
  [/^insight$/, "Insight", showInsight, false],
  [/^audit$/, "Audit", showAudit, false],
];
const PARENTS = { write: "workflows" };

let timer = null;
let shown = 0;
let signalled = 0; // when the page was last asked to look because of a signal

async function show(asked = true) {
  if (!tokens.access) return;
  clearTimeout(timer);
  const mine = ++shown;
  const [address, search] = location.hash.replace(/^#\/?/, "").split("?", 2);
  const top = PARENTS[address.split("/")[0]] ?? address.split("/")[0];
  for (const item of byId("pages").children) {
    if (item.hash.replace(/^#\/?/, "") === top) item.setAttribute("aria-current", "page"); else item.removeAttribute("aria-current");
  }
  const page = PAGES.find(([pattern]) => pattern.test(address));
  const place = document.createElement("div");
  let goesOn = true;
  if (asked) byId("page").setAttribute("aria-busy", "true");
  try {
    if (!page) throw new Error("There is no such page.");
    goesOn = await page[2](place, (address.match(page[0]) ?? []).slice(1), new URLSearchParams(search));
  } catch (problem) {
    if (!tokens.access) return;
    place.replaceChildren(failed(problem));
  }
  if (mine !== shown) return; // the reader has gone elsewhere meanwhile
  document.title = page ? `${place.querySelector("h1")?.textContent.trim() || page[1]} · Tocsin` : "Tocsin";
  byId("page").removeAttribute("aria-busy");
  if (asked || !isRead()) replace(place);
  if (page?.[3] && goesOn !== false) timer = setTimeout(() => show(false), REFRESH_MS);
}

function failed(problem) {
  const again = Object.assign(document.createElement("button"), { className: "quiet", type: "button", textContent: "Try again" });
  again.addEventListener("click", () => show());
  const box = document.createElement("section");
  box.className = "card";
  box.append(Object.assign(document.createElement("p"), { className: "problem", textContent: problem instanceof TypeError ? `The platform does not answer (${problem.message}).` : problem.message }), again);
  return box;
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

function enter() {
  byId("login").hidden = true;
  byId("console").hidden = byId("pages").hidden = byId("logout").hidden = false;
  get("auth/me").then((me) => { byId("who").textContent = me.name ?? me.sub ?? ""; }).catch(() => {});
  show();
  follow(listen, (isLive) => {
    byId("live").className = isLive ? "dot on" : "dot down";
    byId("live").title = isLive ? "Signals come in live" : "No signals come in: the connection is lost, and tried again";
  });
}

function leave() {
  tokens.drop();
  clearTimeout(timer);
  byId("who").textContent = "";
  byId("console").hidden = byId("pages").hidden = byId("logout").hidden = true;
  byId("page").replaceChildren();
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
  const offer = await (await fetch("/api/v1/auth/oidc")).json();
  if (!offer.available) return;
  byId("oidc").textContent = `Log in with ${offer.label}`;
  byId("oidc").hidden = false;
  byId("oidc").addEventListener("click", async () => {
    try {
      const begun = await post("/api/v1/auth/oidc/begin", { redirect_uri: offer.redirect_uri });
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
ended.addEventListener("logout", leave);
addEventListener("hashchange", () => show());

comeBack().finally(() => { if (tokens.access) enter(); else { leave(); offerSingleSignOn().catch(() => {}); } });
