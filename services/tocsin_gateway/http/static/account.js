// One's own account: what one may do, the second factor, sessions, keys, the password.

import { granted } from "./bindings.js";
import { action, ask, refresh, say } from "./dialog.js";
import { keyTable, sessionTable } from "./keys.js";
import { ago, card, copying, el, facts, link, part } from "./parts.js";
import { drawCode } from "./qr.js";
import { get, look, tell, uri } from "./session.js";

export async function showAccount(place) {
  const me = await get("auth/me");
  const name = me.person?.replace(/^user:/, "") ?? me.name;
  const [sessions, keys, whole] = await Promise.all([part(sessionTable({})), part(keyTable({})), look(`users/${uri(name)}`, {}, null)]);
  const factor = whole?.second_factor; // known to whoever may see users; the others are told by what they try
  place.replaceChildren(
    el("section.card", { ariaLabel: "You" }, el("h1", {}, "Your account"), me.second_factor_due && el("p.wrong", {}, "You need a second factor by ", ago(me.second_factor_due), ": after that, roles that ask for one give you nothing."),
      facts([["Name", me.name], ["Account", me.subject], ["Second factor", factor === undefined ? null : factor ? "yes" : "no"]]),
      el("p.actions", {}, factor !== true && action("Add a second factor", enrol), factor !== false && action("Remove the second factor", remove, { danger: true }), action("Change the password", change), link("#/access/ask", "Ask what you may do, and why")),
      el("details", {}, el("summary", {}, `What you may do (${me.grants.length})`), el("ul.grants", {}, me.grants.map((one) => el("li", {}, granted(one)))))),
    card("Sessions", sessions), card("API keys", keys));
}

const PASSWORD = { name: "password", label: "Your password", kind: "password", autocomplete: "current-password", required: true };

// Shown once: the code for the phone, the same as text, and what helps when the phone is gone.
const enrol = () => ask({
  title: "Add a second factor", yes: "Go on", fields: [PASSWORD],
  act: async ({ password }) => {
    const made = await tell("auth/second-factor", { password });
    const key = new URL(made.uri).searchParams.get("secret") ?? made.uri;
    return ask({
      title: "Scan it, and type the code", yes: "Confirm", wide: true, fields: [{ name: "code", label: "The code that your app shows", required: true, autocomplete: "one-time-code" }],
      text: el("div.enrolment", {}, drawCode(made.uri), el("div.stack", {}, el("p", {}, "Or type the key:"), copying(key), el("p", {}, "Keep these recovery codes: each logs you in once when the app is gone. They are shown now, and never again."), copying(made.recovery_codes.join("\n")))),
      act: async ({ code }) => { await tell("auth/second-factor/confirm", { code: code.replace(/\s/g, "") }); say("From now on it is asked for."); refresh(); },
    });
  },
});

const remove = () => ask({
  title: "Remove the second factor", text: "The password alone is enough then.", yes: "Remove", danger: true, fields: [PASSWORD],
  act: async ({ password }) => { await tell("auth/second-factor/remove", { password }); say("No second factor is asked for."); refresh(); },
});

const change = () => ask({
  title: "Change the password", text: "All your sessions end, this one too.", yes: "Change", fields: [{ name: "current", label: "The present one", kind: "password", autocomplete: "current-password", required: true }, { name: "new", label: "The new one", kind: "password", required: true }],
  act: async (said) => { await tell("auth/password", { current: said.current, new: said.new }); say("It is changed: log in with the new one."); refresh(); },
});
