// What differs between two texts, line by line.

import { el } from "./parts.js";

const AROUND = 3; // lines that are shown about a change
const MOST = 4e6; // cells of the table; beyond, the texts are shown one below the other

// [mark, line] of each line: " " in both, "-" in the first only, "+" in the second only.
export function differences(one, other) {
  const [a, b] = [one.split("\n"), other.split("\n")];
  let begin = 0;
  while (begin < a.length && begin < b.length && a[begin] === b[begin]) begin += 1;
  let end = 0;
  while (end < a.length - begin && end < b.length - begin && a.at(-1 - end) === b.at(-1 - end)) end += 1;
  const [left, right] = [a.slice(begin, a.length - end), b.slice(begin, b.length - end)];
  return [...a.slice(0, begin).map((line) => [" ", line]), ...middle(left, right), ...a.slice(a.length - end).map((line) => [" ", line])];
}

function middle(a, b) {
  if (a.length * b.length > MOST) return [...a.map((line) => ["-", line]), ...b.map((line) => ["+", line])];
  const longest = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1)); // of what is common from here on
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) longest[i][j] = a[i] === b[j] ? longest[i + 1][j + 1] + 1 : Math.max(longest[i + 1][j], longest[i][j + 1]);
  }
  const found = [];
  for (let i = 0, j = 0; i < a.length || j < b.length;) {
    if (i < a.length && j < b.length && a[i] === b[j]) { found.push([" ", a[i]]); i += 1; j += 1; }
    else if (j >= b.length || (i < a.length && longest[i + 1][j] >= longest[i][j + 1])) { found.push(["-", a[i]]); i += 1; }
    else { found.push(["+", b[j]]); j += 1; }
  }
  return found;
}

const SAID = { "-": "taken away: ", "+": "new: " };

export function drawDifferences(one, other) {
  const lines = differences(one, other);
  const isNear = lines.map((_, at) => lines.slice(Math.max(0, at - AROUND), at + AROUND + 1).some(([mark]) => mark !== " "));
  if (!isNear.some(Boolean)) return el("p.empty", {}, "Nothing differs.");
  const shown = lines.flatMap(([mark, text], at) => {
    if (!isNear[at]) return isNear[at - 1] || at === 0 ? [el("span.line.gap", {}, "…")] : [];
    return [el(`span.line.${{ " ": "same", "-": "gone", "+": "come" }[mark]}`, { ariaDescription: SAID[mark] ?? "" }, `${mark} ${text}`)];
  });
  return el("pre.diff", { tabIndex: 0, ariaLabel: "What differs" }, shown);
}
