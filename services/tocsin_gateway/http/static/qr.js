// A QR code (ISO/IEC 18004: bytes, error correction M, versions 1 to 20) as a picture, for what is typed into a phone once.

import { svg } from "./parts.js";

const CHECKS = [10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24, 28, 28, 26, 26, 26]; // check bytes of a block, by version
const BLOCKS = [1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10, 10, 11, 13, 14, 16];
const QUIET = 4; // light modules around it

const MASKS = [
  (x, y) => (x + y) % 2, (x, y) => y % 2, (x) => x % 3, (x, y) => (x + y) % 3, (x, y) => (Math.floor(x / 3) + Math.floor(y / 2)) % 2,
  (x, y) => x * y % 2 + x * y % 3, (x, y) => (x * y % 2 + x * y % 3) % 2, (x, y) => ((x + y) % 2 + x * y % 3) % 2,
];

// Multiplication in the field of 256 elements whose polynomial is 0x11d.
function times(a, b) {
  let product = 0;
  for (let bit = 7; bit >= 0; bit -= 1) product = (product << 1) ^ ((product >>> 7) * 0x11d) ^ ((b >>> bit & 1) * a);
  return product;
}

function checksOf(data, count) {
  const divisor = new Uint8Array(count);
  divisor[count - 1] = 1;
  for (let at = 0, root = 1; at < count; at += 1, root = times(root, 2)) {
    for (let j = 0; j < count; j += 1) divisor[j] = times(divisor[j], root) ^ (divisor[j + 1] ?? 0);
  }
  const rest = new Uint8Array(count);
  for (const byte of data) {
    const factor = byte ^ rest[0];
    rest.copyWithin(0, 1);
    rest[count - 1] = 0;
    divisor.forEach((one, at) => { rest[at] ^= times(one, factor); });
  }
  return rest;
}

// How many bytes a version holds, check bytes included.
function room(version) {
  const marks = version < 2 ? 0 : Math.floor(version / 7) + 2;
  return Math.floor(((16 * version + 128) * version + 64 - (marks ? (25 * marks - 10) * marks - 55 : 0) - (version < 7 ? 0 : 36)) / 8);
}

const dataRoom = (version) => room(version) - CHECKS[version - 1] * BLOCKS[version - 1];

function codewords(bytes, version) {
  const bits = [[4, 4], [bytes.length, version < 10 ? 8 : 16], ...[...bytes].map((byte) => [byte, 8])].flatMap(([value, length]) => Array.from({ length }, (_, at) => value >>> (length - 1 - at) & 1));
  const size = dataRoom(version);
  bits.push(...new Array(Math.min(4, size * 8 - bits.length)).fill(0));
  while (bits.length % 8) bits.push(0);
  const data = Array.from({ length: bits.length / 8 }, (_, at) => parseInt(bits.slice(8 * at, 8 * at + 8).join(""), 2));
  for (let pad = 0xec; data.length < size; pad ^= 0xfd) data.push(pad);
  const [count, short] = [BLOCKS[version - 1], Math.floor(size / BLOCKS[version - 1])];
  const blocks = [];
  for (let at = 0, from = 0; at < count; at += 1) {
    const length = short + (at < count - size % count ? 0 : 1);
    blocks.push(data.slice(from, from + length));
    from += length;
  }
  const checks = blocks.map((block) => checksOf(block, CHECKS[version - 1]));
  const woven = (lists) => Array.from({ length: Math.max(...lists.map((one) => one.length)) }, (_, at) => lists.map((one) => one[at])).flat().filter((one) => one !== undefined);
  return [...woven(blocks), ...woven(checks)];
}

// What is in every code of a version: [modules, which of them hold no data].
function frame(version) {
  const size = 17 + 4 * version;
  const [grid, fixed] = [0, 1].map(() => Array.from({ length: size }, () => new Uint8Array(size)));
  const put = (x, y, isDark) => { if (x >= 0 && y >= 0 && x < size && y < size) { grid[y][x] = isDark ? 1 : 0; fixed[y][x] = 1; } };
  const ring = (x, y, radius, isDark) => { for (let dy = -radius; dy <= radius; dy += 1) for (let dx = -radius; dx <= radius; dx += 1) put(x + dx, y + dy, isDark(Math.max(Math.abs(dx), Math.abs(dy)))); };
  for (let at = 0; at < size; at += 1) { put(6, at, at % 2 === 0); put(at, 6, at % 2 === 0); }
  for (const [x, y] of [[3, 3], [size - 4, 3], [3, size - 4]]) ring(x, y, 4, (far) => far !== 2 && far !== 4);
  const marks = version < 2 ? 0 : Math.floor(version / 7) + 2;
  const step = Math.floor((version * 8 + marks * 3 + 5) / (marks * 4 - 4)) * 2;
  const places = [6, ...Array.from({ length: Math.max(0, marks - 1) }, (_, at) => size - 7 - at * step).reverse()];
  if (marks) {
    for (const x of places) for (const y of places) if (!((x === 6 && y === 6) || (x === 6 && y === size - 7) || (x === size - 7 && y === 6))) ring(x, y, 2, (far) => far !== 1);
  }
  if (version >= 7) {
    const bits = version << 12 | remainder(version, 0x1f25, 12);
    for (let at = 0; at < 18; at += 1) { const [x, y] = [size - 11 + at % 3, Math.floor(at / 3)]; put(x, y, bits >>> at & 1); put(y, x, bits >>> at & 1); }
  }
  format(put, size, 0);
  return { grid, fixed, size, put };
}

function remainder(value, polynomial, degree) {
  let rest = value;
  for (let at = 0; at < degree; at += 1) rest = (rest << 1) ^ ((rest >>> (degree - 1)) * polynomial);
  return rest;
}

// Which error correction (M is 0) and which mask.
function format(put, size, mask) {
  const bits = (mask << 10 | remainder(mask, 0x537, 10)) ^ 0x5412;
  const bit = (at) => bits >>> at & 1;
  for (let at = 0; at < 6; at += 1) put(8, at, bit(at));
  put(8, 7, bit(6));
  put(8, 8, bit(7));
  put(7, 8, bit(8));
  for (let at = 9; at < 15; at += 1) put(14 - at, 8, bit(at));
  for (let at = 0; at < 8; at += 1) put(size - 1 - at, 8, bit(at));
  for (let at = 8; at < 15; at += 1) put(8, size - 15 + at, bit(at));
  put(8, size - 8, true);
}

function fill({ grid, fixed, size }, bytes) {
  let at = 0;
  for (let right = size - 1; right >= 1; right -= 2) {
    if (right === 6) right = 5;
    for (let step = 0; step < size; step += 1) {
      for (const x of [right, right - 1]) {
        const y = (right + 1) & 2 ? step : size - 1 - step;
        if (fixed[y][x] || at >= bytes.length * 8) continue;
        grid[y][x] = bytes[at >>> 3] >>> (7 - (at & 7)) & 1;
        at += 1;
      }
    }
  }
}

// How hard it is to read: long lines, blocks, what looks like a corner, too dark or too light.
function penalty(grid) {
  const size = grid.length;
  const columns = Array.from({ length: size }, (_, x) => grid.map((row) => row[x]));
  let sum = 0;
  for (const text of [...grid, ...columns].map((line) => [...line].join(""))) {
    for (const [run] of text.matchAll(/0{5,}|1{5,}/g)) sum += run.length - 2;
    sum += 40 * (text.split(/10111010000/).length + text.split(/00001011101/).length - 2);
  }
  for (let y = 1; y < size; y += 1) for (let x = 1; x < size; x += 1) if (grid[y][x] === grid[y - 1][x] && grid[y][x] === grid[y][x - 1] && grid[y][x] === grid[y - 1][x - 1]) sum += 3;
  const dark = grid.reduce((count, row) => count + row.reduce((one, other) => one + other, 0), 0);
  return sum + 10 * Math.floor(Math.abs(20 * dark / size / size - 10));
}

// Rows of modules, 1 for dark.
export function encode(text) {
  const bytes = new TextEncoder().encode(text);
  const version = CHECKS.findIndex((_, at) => dataRoom(at + 1) >= bytes.length + (at < 9 ? 2 : 3)) + 1;
  if (!version) throw new Error(`A QR code of ${bytes.length} bytes is more than is drawn here.`);
  const plain = frame(version);
  fill(plain, codewords(bytes, version));
  const { fixed, size } = plain;
  const masked = MASKS.map((mask, number) => {
    const grid = plain.grid.map((row, y) => row.map((module, x) => (fixed[y][x] || mask(x, y) ? module : module ^ 1)));
    format((x, y, isDark) => { grid[y][x] = isDark ? 1 : 0; }, size, number);
    return grid;
  });
  return masked.reduce((best, grid) => (penalty(grid) < penalty(best) ? grid : best));
}

export function drawCode(text) {
  const grid = encode(text);
  const size = grid.length + 2 * QUIET;
  const dark = grid.flatMap((row, y) => [...row].map((module, x) => (module ? `M${x + QUIET} ${y + QUIET}h1v1h-1z` : "")));
  return svg("svg", { class: "code", viewBox: `0 0 ${size} ${size}`, role: "img", "aria-label": "QR code of the key" }, svg("rect", { width: size, height: size, fill: "#fff" }), svg("path", { d: dark.join(""), fill: "#000" }));
}
