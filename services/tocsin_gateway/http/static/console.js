// The console: logs in, and shows the page that the address names after its `#`.

import { showCase, showCases } from "./cases.js";
import { showAsset, showAssets } from "./data.js";
import { hear, showOverview } from "./overview.js";
import { showRun, showRuns } from "./runs.js";
import { ended, follow, get, post, tokens } from "./session.js";
import { showStarts, showWork } from "./work.js";

const REFRESH_MS = 5000;
const byId = (id) => document.getElementById(id);

// [address, what it shows, whether it is shown anew now and then]
const PAGES = [
  [/^$/, showOverview, true],
  [/^runs$/, showRuns, false],
  [/^runs\/([^/]+)$/, showRun, true],
  [/^work$/, showWork, false],
  [/^cases$/, showCases, true],
  [/^cases\/([^/]+)$/, showCase, false],
  [/^starts$/, showStarts, false],
  [/^assets$/, showAssets, false],
  [/^assets\/([^/]+)\/([^/]+)$/, showAsset, false],
];

let timer = null;
let shown = 0;

async function show(asked = true) {
  if (!tokens.access) return;
  clearTimeout(timer);
  const mine = ++shown;
  const [address, search] = location.hash.replace(/^#\/?/, "").split("?", 2);
  for (const item of byId("pages").children) item.toggleAttribute("aria-current", item.hash.replace(/^#\/?/, "") === address.split("/")[0]);
  const page = PAGES.find(([pattern]) => pattern.test(address)) ?? PAGES[0];
  const [pattern, draw, isLive] = page;
  const place = document.createElement("div");
  try {
    await draw(place, address.match(pattern)?.slice(1) ?? [], new URLSearchParams(search));
  } catch (problem) {
    if (!tokens.access) return;
    place.replaceChildren(Object.assign(document.createElement("p"), { className: "problem card", textContent: problem.message }));
  }
  if (mine !== shown) return; // the reader has gone elsewhere meanwhile
  // What somebody is reading is not drawn anew by itself.
  const isRead = !asked && byId("page").querySelector("[data-touched], .more:not([hidden])");
  if (!isRead) byId("page").replaceChildren(...place.childNodes);
  if (isLive) timer = setTimeout(() => show(false), REFRESH_MS);
}

function enter() {
  byId("login").hidden = true;
  byId("console").hidden = byId("pages").hidden = byId("logout").hidden = false;
  get("auth/me").then((me) => { byId("who").textContent = me.name ?? me.sub ?? ""; }).catch(() => {});
  show();
  follow(hear, (isLive) => { byId("live").className = isLive ? "dot on" : "dot down"; });
}

function leave() {
  tokens.drop();
  clearTimeout(timer);
  byId("who").textContent = "";
  byId("console").hidden = byId("pages").hidden = byId("logout").hidden = true;
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
