// Small parts of every view. Everything a reader sees is put in as text, never as HTML.

const SVG = "http://www.w3.org/2000/svg";

// el("td.number", {title: "x"}, "text", child): an element with its class, its properties and what is in it.
export function el(what, properties = {}, ...children) {
  const [tag, ...classes] = what.split(".");
  const made = Object.assign(document.createElement(tag || "div"), properties);
  if (classes.length) made.className = classes.join(" ");
  made.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return made;
}

export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export const badge = (status) => el(`span.status.${status}`, {}, status.replaceAll("_", " "));

export const link = (hash, text, what = "a") => el(what, { href: hash }, text);

export const card = (title, ...children) => el("section.card", { ariaLabel: title }, el("h2", {}, title), ...children);

// What went wrong, with each place where it did.
export const complaint = (problem) => [problem instanceof TypeError ? `The platform does not answer (${problem.message}).` : problem.message,
  problem.errors?.length > 0 && el("ul", {}, problem.errors.map((one) => el("li", {}, one.pointer && el("code", {}, one.pointer), one.pointer && " ", one.detail ?? "", one.hint && el("span.hint", {}, ` ${one.hint}`))))].filter(Boolean);

// A part of a page by itself: what the reader may not see, or what does not answer, is said there and takes nothing else away.
export const part = (shown) => shown.catch((problem) => {
  if (problem.status === 401) throw problem;
  return el(problem.status === 403 ? "p.empty" : "div.problem", {}, complaint(problem));
});

// Something to be taken along whole.
export function copying(text) {
  const value = el("code.copied", { tabIndex: 0 }, text);
  const button = el("button.quiet", { type: "button" }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch { // not over plain HTTP, or not allowed: then it is marked, ready for the keyboard
      getSelection().selectAllChildren(value);
      button.textContent = "Marked: press Ctrl+C";
    }
  });
  return el("p.copying", {}, value, button);
}

// Pages that belong together.
export const tabs = (all, chosen) => el("nav.tabs", { ariaLabel: "Parts of this page" }, all.map(([hash, text]) => {
  const made = link(hash, text);
  if (text === chosen) made.setAttribute("aria-current", "true");
  return made;
}));

// How much of something is taken.
export function meter(taken, whole) {
  const bar = el("i");
  bar.style.width = `${whole > 0 ? Math.min(100, 100 * taken / whole) : 0}%`;
  return el("span.meter", { title: `${taken} of ${whole}` }, el("span.track", {}, bar), `${taken}/${whole}`);
}

// A table of records: columns are [heading, record -> text or node, class].
export function table(columns, records, empty, onOpen) {
  if (!records.length) return el("p.empty", {}, empty);
  const head = el("tr", {}, columns.map(([title, , kind]) => el(kind ? `th.${kind}` : "th", { scope: "col" }, title)));
  const rows = records.map((record) => {
    const row = el(onOpen ? "tr.open" : "tr", {}, columns.map(([, value, kind]) => {
      const shown = value(record) ?? "";
      const cell = el(kind ? `td.${kind}` : "td", {}, shown);
      if (typeof shown === "string") cell.title = shown;
      return cell;
    }));
    if (onOpen) row.addEventListener("click", (event) => { if (!String(getSelection()) && !event.target.closest("a, button")) location.hash = onOpen(record); });
    return row;
  });
  return el("div.scroll.rows", {}, el("table", {}, el("thead", {}, head), el("tbody", {}, rows)));
}

// A list that the platform gives in pages: the first now, the next when asked for, put below what is there.
export async function paged(fetchPage, show) {
  const place = el("div");
  const more = el("button.quiet", { type: "button" }, "More");
  const rows = (within) => within.querySelector("tbody, .records");
  let cursor = null;
  async function next() {
    const page = await fetchPage(cursor);
    const shown = el("div", {}, show(page.items));
    if (cursor && rows(place) && rows(shown)) rows(place).append(...rows(shown).children); else place.replaceChildren(...shown.childNodes, more);
    cursor = page.next_cursor;
    more.hidden = !cursor;
  }
  more.addEventListener("click", () => {
    more.disabled = true;
    next().then(() => { more.textContent = "More"; }, (problem) => { more.textContent = `More (${problem.message})`; }).finally(() => { more.disabled = false; });
  });
  await next();
  return place;
}

// Made once: a formatter costs more than a thousand of its answers.
const CLOCK = new Intl.DateTimeFormat([], { hour12: false, hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 });
const FULL = new Intl.DateTimeFormat([], { dateStyle: "medium", timeStyle: "medium" });
const SHORT = new Intl.DateTimeFormat([], { dateStyle: "medium", timeStyle: "short" });

export const clock = (time) => (time ? CLOCK.format(new Date(time)) : "");

// "3 min ago", "in 2 h", or the local date when it is further than a day.
export function when(time) {
  if (!time) return "";
  const at = new Date(time);
  const away = Math.round((at - Date.now()) / 1000);
  const far = Math.abs(away);
  if (far >= 86400) return SHORT.format(at);
  const text = far < 60 ? `${far} s` : far < 3600 ? `${Math.floor(far / 60)} min` : `${Math.floor(far / 3600)} h ${Math.floor((far % 3600) / 60)} min`;
  if (far < 2) return "now";
  return away < 0 ? `${text} ago` : `in ${text}`;
}

// The same as an element that stays true, and says the local and the universal time to whoever points at it.
export function ago(time) {
  if (!time) return null;
  const at = new Date(time);
  return el("time", { dateTime: at.toISOString(), title: `${FULL.format(at)} (${at.toISOString()})` }, when(time));
}

setInterval(() => { for (const it of document.querySelectorAll("time")) it.textContent = when(it.dateTime); }, 5000);

export function span(ms) {
  if (ms < 1) return "< 1 ms";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60e3) return `${(ms / 1000).toFixed(1)} s`;
  const both = (whole, unit, rest, less) => (rest ? `${whole} ${unit} ${rest} ${less}` : `${whole} ${unit}`);
  if (ms < 3600e3) return both(Math.floor(ms / 60e3), "min", Math.floor((ms % 60e3) / 1000), "s");
  if (ms < 86400e3) return both(Math.floor(ms / 3600e3), "h", Math.floor((ms % 3600e3) / 60e3), "min");
  return `${(ms / 86400e3).toFixed(1)} days`;
}

export const took = (it) => (it.started_at ? span(Math.max(0, new Date(it.ended_at ?? Date.now()) - new Date(it.started_at))) : "");

export function facts(pairs) {
  return el("dl.facts", {}, pairs.filter(([, value]) => value != null && value !== "").map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

export function json(title, value, open = false) {
  if (value === undefined || value === null) return null;
  const summary = el("summary", {}, title);
  summary.addEventListener("click", () => { summary.dataset.touched = "yes"; }); // then the page is not drawn anew under the reader
  return el("details", { open }, summary, el("pre", { tabIndex: 0 }, JSON.stringify(value, null, 2)));
}

// PT1H30M is "1 h 30 min", and 10m is "10 min"; what is no such duration stays as it is.
export function lasting(text) {
  const short = text?.match?.(/^(\d+)([smhd])$/);
  if (short) return `${short[1]} ${{ s: "s", m: "min", h: "h", d: short[1] === "1" ? "day" : "days" }[short[2]]}`;
  const found = text?.match?.(/^P(?=.)(?:(\d+)D)?(?:T(?=.)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.\d+)?S)?)?$/);
  return found ? [[found[1] === "1" ? "day" : "days", 1], ["h", 2], ["min", 3], ["s", 4]].filter(([, at]) => found[at]).map(([unit, at]) => `${found[at]} ${unit}`).join(" ") : text;
}
