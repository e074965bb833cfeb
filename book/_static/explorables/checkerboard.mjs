// A constant goes through one upsampling layer, and comes out with the layer's own pattern (chapter
// 10). The first half is the arithmetic, which needs no page; the second draws it.
//
// The input is endless, so that there is no border. The plane has a kernel of k × k weights, and the
// line the first row of it.

import { INK, choice, clamp, css, eachFrame, either, element, frame, inkOn, movable, position, signed, slider, svg, tell } from "./figure.mjs";
import { randomNumbers } from "./random.mjs";

const LARGEST_KERNEL = 6;
const LARGEST_STRIDE = 4;
const SHOWN = 12; // output pixels on a side: whole periods of every stride

// The taps that meet at output pixel n. A transposed convolution lays its kernel down at every
// s-th pixel; after resizing by nearest neighbours a kernel lies at every pixel.
export function tapsAt(n, kernel, stride, resized) {
  const step = resized ? 1 : stride;
  const first = ((n % step) + step) % step;
  const taps = [];
  for (let j = first; j < kernel; j += step) taps.push(j);
  return taps;
}

// What the layer makes of ones on a line, at output pixels 0 to length - 1.
export function lineAnswer(weights, stride, resized, length = SHOWN) {
  return Array.from({ length }, (_, n) =>
    tapsAt(n, weights.length, stride, resized).reduce((sum, j) => sum + weights[j], 0),
  );
}

// And in the plane, with k rows of k weights.
export function planeAnswer(weights, stride, resized, length = SHOWN) {
  const along = weights.map((row) => lineAnswer(row, stride, resized, length));
  return Array.from({ length }, (_, y) =>
    Array.from({ length }, (_, x) => tapsAt(y, weights.length, stride, resized).reduce((sum, i) => sum + along[i][x], 0)),
  );
}

// The share of an answer's energy that is pattern: variance over mean square. 0 where the answer is
// a constant; null where there is none at all.
export function patternEnergy(plane) {
  const values = plane.flat();
  const mean = values.reduce((sum, y) => sum + y, 0) / values.length;
  const square = values.reduce((sum, y) => sum + y * y, 0) / values.length;
  return square === 0 ? null : Math.max(0, 1 - mean ** 2 / square);
}

// Rows of normal numbers, the same for a seed everywhere.
export function drawWeights(seed, size = LARGEST_KERNEL) {
  const { normal } = randomNumbers(seed);
  return Array.from({ length: size }, () => Array.from({ length: size }, normal));
}

// --- the drawing ---------------------------------------------------------------------------------

const CELL = 28;
const WIDTH = SHOWN * CELL;
const LANE = 19;
const INPUT = 18; // where things begin, from above
const LANES = 60;
const SUM_HEIGHT = 78;
const HEIGHT = 492; // the plane gets what the lanes leave: the page below must not move

const LAYERS = { transposed: "transposed", resized: "nearest + convolution" };
const WEIGHTS = { ones: "all one", drawn: "random" };

// How many lanes the copies of the kernel take, and what follows from it.
function places(kernel, stride, resized) {
  const lanes = Math.ceil(kernel / (resized ? 1 : stride));
  const sum = LANES + lanes * LANE + 22;
  const plane = sum + SUM_HEIGHT + 24;
  return { lanes, sum, plane, rows: Math.floor((HEIGHT - plane) / CELL) };
}

// A few digits, with a real minus sign, and none before what rounds to zero.
function short(value, digits = 1) {
  const text = Number.isInteger(value) ? String(value) : value.toFixed(digits);
  return text.replace("-", Number(text) ? "−" : "");
}

// All products of a count across and a count down, each once.
function products(counts) {
  return [...new Set(counts.flatMap((a) => counts.map((b) => a * b)))].sort((a, b) => a - b);
}

export function mount(host) {
  // The first draw is a common case: three quarters of its answer are pattern, with most kernels.
  const state = { layer: "transposed", weights: "ones", kernel: 3, stride: 2, seed: 1238, at: [4, 3] };
  const parts = frame(host, {
    title: "A constant through one layer",
    caption:
      "Every input pixel is 1. The layer lays down copies of its kernel, and at each output pixel the numbers that meet " +
      "are summed. Blue is positive, orange negative. The plane has a kernel of <em>k</em> × <em>k</em> weights; the line shows its first row.",
  });
  const change = (name) => (value) => {
    state[name] = value;
    redraw();
  };
  const numbers = (from, to) => Array.from({ length: to - from + 1 }, (_, k) => from + k);
  const redrawn = element("button", {
    type: "button",
    textContent: "draw again",
    onclick: () => {
      state.seed += 1;
      state.weights = weightsChoice.value = "drawn";
      redraw();
    },
  });
  const weightsChoice = choice("Weights", WEIGHTS, state.weights, change("weights"));
  parts.controls.append(
    choice("Layer", LAYERS, state.layer, change("layer")).node,
    slider("kernel k", numbers(1, LARGEST_KERNEL), state.kernel, change("kernel")).node,
    slider("stride s", numbers(1, LARGEST_STRIDE), state.stride, change("stride")).node,
    weightsChoice.node,
  );
  weightsChoice.row.append(redrawn);
  parts.note.textContent = "Point at an output pixel, or move there with the arrow keys, to see what meets there.";

  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "explorable-hover" });
  picture.style.maxWidth = "420px";
  parts.drawing.append(picture);
  movable(picture, "Output of the layer; arrow keys move from pixel to pixel", (dx, dy) => {
    state.at = [clamp(state.at[0] + dx, 0, SHOWN - 1), state.at[1] + dy];
    redraw();
  });
  const here = () => places(state.kernel, state.stride, state.layer === "resized");
  const follow = (event) => {
    const [x, y] = position(event, picture, WIDTH, HEIGHT);
    const { plane } = here();
    state.at[0] = clamp(Math.floor(x / CELL), 0, SHOWN - 1);
    if (y >= plane) state.at[1] = Math.floor((y - plane) / CELL);
    redraw();
  };
  picture.addEventListener("pointermove", follow);
  picture.addEventListener("pointerdown", follow);

  const redraw = eachFrame(() => {
    const drawn = drawWeights(state.seed);
    const ones = state.weights === "ones";
    const weights = drawn.slice(0, state.kernel).map((row) => row.slice(0, state.kernel).map((w) => (ones ? 1 : w)));
    const taps = weights[0];
    const resized = state.layer === "resized";
    const line = lineAnswer(taps, state.stride, resized);
    const sums = planeAnswer(weights, state.stride, resized);
    const place = here();
    state.at[1] = clamp(state.at[1], 0, place.rows - 1);
    picture.replaceChildren(
      ...inputRow(state.stride, resized, state.at[0]),
      ...lanes(taps, state.stride, resized, state.at[0], place.lanes),
      ...sumRow(line, state.at[0], place.sum),
      ...planeSums(sums, ones, state.at, place),
    );
    describe(parts.readout, taps, line, sums, state, resized);
  });
  redraw();
}

function heading(text, y) {
  return svg("text", { x: 0, y: y - 5, class: "explorable-heading" }, text);
}

function cell(x, y, width, height, colour) {
  return svg("rect", { x: x + 0.75, y: y + 0.75, width: width - 1.5, height: height - 1.5, rx: 2, fill: css(colour) });
}

// A number in the middle of something of this colour.
function label(x, y, text, colour, size = 11) {
  return svg("text", { x, y, "font-size": size, fill: inkOn(colour), class: "explorable-middle" }, text);
}

function ring(x, y, width, height) {
  return svg("rect", { x, y, width, height, rx: 3, fill: "none", stroke: INK, "stroke-width": 2 });
}

// The input: one square for each pixel, above the first place that its copy of the kernel reaches;
// or, resized, as wide as the pixels that repeat it.
function inputRow(stride, resized, at) {
  const repeated = stride > 1 ? `input, each pixel repeated ${stride} times` : "input";
  const nodes = [heading(resized ? repeated : "input, one pixel in each stride", INPUT)];
  for (let n = 0; n < SHOWN; n += stride) {
    const colour = signed(0.25);
    nodes.push(cell(n * CELL, INPUT, resized ? stride * CELL : CELL, 20, colour));
    for (let k = 0; k < (resized ? stride : 1); k++) nodes.push(label((n + k + 0.5) * CELL, INPUT + 10, "1", colour));
  }
  if (resized) nodes.push(ring(at * CELL, INPUT, CELL, 20));
  return nodes;
}

// The copies of the kernel, in as many lanes as they need not to cover each other.
function lanes(taps, stride, resized, at, count) {
  const step = resized ? 1 : stride;
  const kernel = taps.length;
  const largest = Math.max(...taps.map(Math.abs));
  const nodes = [heading("copies of the kernel", LANES)];
  const first = Math.ceil((1 - kernel) / step);
  for (let copy = first; copy * step < SHOWN; copy++) {
    const lane = ((copy % count) + count) % count;
    for (let j = 0; j < kernel; j++) {
      const n = copy * step + j;
      if (n < 0 || n >= SHOWN) continue;
      const colour = signed((0.75 * taps[j]) / largest);
      const y = LANES + lane * LANE;
      nodes.push(cell(n * CELL, y, CELL, LANE, colour), label((n + 0.5) * CELL, y + LANE / 2, short(taps[j]), colour, 10));
      if (n === at) nodes.push(ring(n * CELL, y, CELL, LANE));
    }
  }
  return nodes;
}

// The sums, as bars.
function sumRow(line, at, top) {
  const high = Math.max(...line, 0);
  const low = Math.min(...line, 0);
  const unit = (SUM_HEIGHT - 14 * ((high > 0) + (low < 0))) / (high - low || 1);
  const zero = top + (high > 0 ? 14 : 0) + high * unit;
  const nodes = [
    heading("sum, on a line", top),
    svg("rect", { x: at * CELL, y: top, width: CELL, height: SUM_HEIGHT + 24, class: "explorable-band" }),
  ];
  line.forEach((value, n) => {
    const tall = Math.abs(value) * unit;
    const y = value < 0 ? zero : zero - tall;
    nodes.push(svg("rect", { x: n * CELL + 2, y, width: CELL - 4, height: tall, fill: css(signed(Math.sign(value))) }));
    const baseline = value < 0 ? y + tall + 11 : y - 4;
    nodes.push(svg("text", { x: (n + 0.5) * CELL, y: baseline, "font-size": 10.5, fill: INK, "text-anchor": "middle" }, short(value)));
  });
  nodes.push(svg("line", { x1: 0, x2: WIDTH, y1: zero, y2: zero, stroke: INK, "stroke-width": 1 }));
  return nodes;
}

function planeSums(sums, counted, [atX, atY], { plane: top, rows }) {
  const largest = Math.max(...sums.flat().map(Math.abs), counted ? 4 : 0);
  const nodes = [heading("sum, in the plane", top)];
  sums.slice(0, rows).forEach((row, y) =>
    row.forEach((value, x) => {
      const colour = signed(value / (largest || 1));
      nodes.push(svg("rect", { x: x * CELL, y: top + y * CELL, width: CELL, height: CELL, fill: css(colour), "shape-rendering": "crispEdges" }));
      if (counted) nodes.push(label((x + 0.5) * CELL, top + (y + 0.5) * CELL, String(value), colour));
    }),
  );
  nodes.push(ring(atX * CELL, top + atY * CELL, CELL, CELL));
  return nodes;
}

function describe(readout, taps, line, sums, { stride, at }, resized) {
  const kernel = taps.length;
  const phases = resized ? 1 : stride;
  const counts = Array.from({ length: phases }, (_, n) => tapsAt(n, kernel, stride, resized).length);
  const energy = patternEnergy(sums);
  const here = tapsAt(at[0], kernel, stride, resized);
  const sum = here.length ? `${here.map((j) => `w[${j}]`).join(" + ")} = ${short(line[at[0]], 2)}` : "nothing";
  const rows = [
    ["Terms on a line", new Set(counts).size > 1 ? `${[...counts, ...counts].join(" ")} …` : `${counts[0]} everywhere`],
    ["Terms in the plane", either(products(counts).map(String))],
    ["Energy in the pattern", energy === null ? "no answer" : `${Math.round(100 * energy)} %`],
  ];
  const there = `and pixel (${at[0]}, ${at[1]}) of the plane ${short(sums[at[1]][at[0]], 2)}`;
  tell(readout, rows, `Pixel ${at[0]} of the line gets ${sum}, ${there}.`);
  const strength = element("div", { className: "explorable-meter" }, element("div"));
  strength.setAttribute("aria-hidden", "true");
  strength.firstChild.style.width = `${Math.round(100 * (energy ?? 0))}%`;
  readout.querySelectorAll("dd")[2].append(strength);
}
