// Confidence spreads into a hole, for a kernel, a scale and a number of iterations (chapter 6). The
// first half is the recursion of labkit.losses.confidence, which needs no page; the second draws it.
//
// A picture is SIDE × SIDE pixels, row by row; a mask has 1 where a pixel is missing.

import { BLUE, INK, ORANGE, FAINT, choice, clamp, css, draggable, eachFrame, element, frame, heat, movable, position, slider, svg, tell } from "./figure.mjs";

const SIDE = 256;
const SIZE = 65; // taps along each side of the kernel
const REACH = (SIZE - 1) / 2;
const RELEASED_SIGMA = 1 / 40;
const RELEASED_ITERATIONS = 7;

// The kernel along one axis: SIZE taps that sum to 1.
export function taps(kernel, scale) {
  const raw = Float64Array.from({ length: SIZE }, (_, k) => {
    const x = k - REACH;
    if (kernel === "gaussian") return Math.exp(-0.5 * (x / scale) ** 2);
    if (kernel === "laplacian") return Math.exp(-Math.abs(x) / scale);
    const cell = (2 * RELEASED_SIGMA + 1) / SIZE; // "released": square roots of probabilities
    const edge = RELEASED_SIGMA + cell / 2;
    const at = (n) => normalIntegral(-edge + (2 * edge * n) / SIZE);
    return Math.sqrt(at(k + 1) - at(k));
  });
  const sum = raw.reduce((total, tap) => total + tap, 0);
  return raw.map((tap) => tap / sum);
}

// The standard normal density from 0 to z, by its power series; for small z only.
function normalIntegral(z) {
  let [term, sum] = [z, z];
  for (let n = 1; n < 12; n++) {
    term *= (-z * z) / (2 * n);
    sum += term / (2 * n + 1);
  }
  return sum / Math.sqrt(2 * Math.PI);
}

// The picture's border is a mirror, and its outermost pixels are not repeated.
function mirror(at) {
  return at < 0 ? -at : at >= SIDE ? 2 * (SIDE - 1) - at : at;
}

// The box around the missing pixels, [left, top, right, bottom] with the last two outside it.
function bounds(mask) {
  let [left, top, right, bottom] = [SIDE, SIDE, 0, 0];
  mask.forEach((missing, at) => {
    if (!missing) return;
    const [x, y] = [at % SIDE, Math.floor(at / SIDE)];
    [left, top] = [Math.min(left, x), Math.min(top, y)];
    [right, bottom] = [Math.max(right, x + 1), Math.max(bottom, y + 1)];
  });
  return [left, top, right, bottom];
}

// Yields the weights M_w after 1, 2, 3, … iterations. Two passes of one axis each; only pixels of
// the hole, and rows that have some, are ever computed, since all others are 1 before and after.
export function* spread(mask, kernel) {
  const [left, top, right, bottom] = bounds(mask);
  let weight = new Float64Array(SIDE * SIDE);
  const row = new Float64Array(SIDE + 2 * REACH);
  const across = new Float64Array(SIDE * SIDE).fill(1);
  while (true) {
    for (let y = top; y < bottom; y++) {
      for (let x = left - REACH; x < right + REACH; x++) {
        const at = y * SIDE + mirror(x);
        row[x + REACH] = 1 - mask[at] + weight[at];
      }
      for (let x = left; x < right; x++) {
        let sum = 0;
        for (let k = 0; k < SIZE; k++) sum += kernel[k] * row[x + k];
        across[y * SIDE + x] = sum;
      }
    }
    const next = new Float64Array(SIDE * SIDE);
    for (let y = top; y < bottom; y++) {
      for (let k = 0; k < SIZE; k++) {
        const [from, to, tap] = [mirror(y + k - REACH) * SIDE, y * SIDE, kernel[k]];
        for (let x = left; x < right; x++) next[to + x] += tap * across[from + x];
      }
      for (let x = left; x < right; x++) next[y * SIDE + x] *= mask[y * SIDE + x];
    }
    weight = next;
    yield weight;
  }
}

// How many missing pixels lie between this one and the nearest known one; 0 at the rim, null on a
// known pixel or where none is known.
export function depth(mask, x, y) {
  if (!mask[y * SIDE + x]) return null;
  for (let d = 1; d < SIDE; d++)
    for (let v = Math.max(0, y - d); v <= Math.min(SIDE - 1, y + d); v++) {
      const inside = Math.abs(v - y) < d; // of the ring's square: only its left and right sides
      for (let u = x - d; u <= x + d; u += inside ? 2 * d : 1)
        if (u >= 0 && u < SIDE && !mask[v * SIDE + u]) return d - 1;
    }
  return null;
}

// --- holes ---------------------------------------------------------------------------------------

export const HOLES = {
  square: { corners: [64, 64, 192, 192] },
  border: { corners: [0, 64, 64, 192] },
  strokes: {
    lines: [
      [[48, 70], [120, 48], [190, 84]],
      [[70, 190], [110, 120], [176, 150], [206, 204]],
    ],
    width: 28,
  },
};

// A hole moved and made larger or smaller, kept within the picture.
export function reshaped(hole, dx, dy, growth) {
  if (hole.lines) {
    const within = (shift, axis) => {
      const places = hole.lines.flat().map((point) => point[axis]);
      return clamp(shift, -Math.min(...places), SIDE - Math.max(...places));
    };
    const [right, down] = [within(dx, 0), within(dy, 1)];
    const lines = hole.lines.map((line) => line.map(([x, y]) => [x + right, y + down]));
    return { lines, width: clamp(hole.width + growth, 4, 96) };
  }
  let [left, top, right, bottom] = hole.corners;
  const step = [clamp(dx, -left, SIDE - right), clamp(dy, -top, SIDE - bottom)];
  [left, right, top, bottom] = [left + step[0], right + step[0], top + step[1], bottom + step[1]];
  const half = growth / 2;
  if (right - left + growth < 4 || bottom - top + growth < 4) return { corners: [left, top, right, bottom] };
  return { corners: [left - half, top - half, right + half, bottom + half].map((c) => clamp(c, 0, SIDE)) };
}

export function maskOf(hole) {
  const mask = new Uint8Array(SIDE * SIDE);
  if (hole.corners) {
    const [left, top, right, bottom] = hole.corners;
    for (let y = top; y < bottom; y++) mask.fill(1, y * SIDE + left, y * SIDE + right);
    return mask;
  }
  const segments = hole.lines.flatMap((line) => line.slice(1).map((end, k) => [line[k], end]));
  for (let y = 0; y < SIDE; y++)
    for (let x = 0; x < SIDE; x++)
      if (segments.some((segment) => distance(x + 0.5, y + 0.5, ...segment) <= hole.width / 2)) mask[y * SIDE + x] = 1;
  return mask;
}

function distance(x, y, [ax, ay], [bx, by]) {
  const [dx, dy] = [bx - ax, by - ay];
  const along = clamp(((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy), 0, 1);
  return Math.hypot(x - ax - along * dx, y - ay - along * dy);
}

// --- the drawing ---------------------------------------------------------------------------------

const KERNELS = { gaussian: "Gaussian", laplacian: "Laplacian", released: "released" };
const HOLE_NAMES = { square: "square", strokes: "strokes", border: "at the border" };
const SCALES = [5, 10, 20, 40, 80, 320];
const ITERATIONS = Array.from({ length: 16 }, (_, k) => k + 1);
const KNOWN = [226, 224, 217];
const STEP = 4; // pixels that an arrow key moves the pointer
const HOLE_STEP = 8; // and the hole
const GROWTH = { "]": 16, "+": 16, "[": -16, "-": -16 }; // of width and height, for a key
const SHADES = Array.from({ length: 256 }, (_, k) => heat(k / 255));
const PLOT = 104; // height of the plot, in the picture's pixels
const SMALLEST_DRAG = 4;

export function mount(host) {
  const state = { kernel: "gaussian", scale: 40, iterations: 7, hole: HOLES.square, at: [128, 128] };
  const parts = frame(host, {
    title: "How confidence fills a hole",
    caption:
      "The map shows the weight <em>M<sub>w</sub></em> of each missing pixel in a picture of 256 pixels; known pixels are " +
      "grey. The dashed square is all that one blur can see from the pointer. Below, the weights along the pointer’s row: " +
      "pale lines are earlier iterations, and the dashed one is the released kernel after seven.",
  });
  parts.note.textContent =
    "Drag on the map to make another hole. By keyboard: arrows move the pointer, with Shift the hole; −\u00a0and\u00a0+ make the hole smaller or larger.";

  // What is known of a hole is kept as long as it is the same: masks, and maps of each iteration.
  let mask, released, steps, rest;
  const setKernel = (name, value) => {
    state[name] = value;
    steps = null;
    redraw();
  };
  const setHole = (hole) => {
    state.hole = hole;
    mask = steps = released = null;
    redraw();
  };
  const compute = () => {
    mask ??= maskOf(state.hole);
    if (!released) {
      const maps = spread(mask, taps("released"));
      for (let i = 0; i < RELEASED_ITERATIONS; i++) released = maps.next().value;
    }
    if (!steps) {
      rest = spread(mask, taps(state.kernel, state.scale));
      steps = [];
    }
    while (steps.length < state.iterations) steps.push(rest.next().value);
  };

  const scale = slider("scale s (px)", SCALES, state.scale, (value) => setKernel("scale", value));
  const holes = choice("Hole", HOLE_NAMES, "square", (name) => setHole(HOLES[name]));
  parts.controls.append(
    holes.node,
    choice("Kernel g", KERNELS, state.kernel, (value) => {
      scale.input.disabled = value === "released"; // which has none
      setKernel("kernel", value);
    }).node,
    scale.node,
    slider("iterations n", ITERATIONS, state.iterations, (value) => {
      state.iterations = value;
      redraw();
    }).node,
  );
  const kernelPlot = svg("svg", { viewBox: `0 0 ${SIZE * 4} 62`, role: "img", "aria-label": "the kernel's taps along one axis" });
  const kernelFigure = element("div", { className: "explorable-wide" }, kernelPlot);
  parts.controls.append(kernelFigure);

  const canvas = element("canvas", { width: SIDE, height: SIDE });
  canvas.setAttribute("aria-hidden", "true");
  const over = svg("svg", { viewBox: `0 0 ${SIDE} ${SIDE}`, class: "explorable-over explorable-drag" });
  const map = element("div", { className: "explorable-map" }, canvas, over);
  const plot = svg("svg", { viewBox: `0 0 ${SIDE} ${PLOT + 22}`, role: "img", "aria-label": "weights along the pointer's row" });
  parts.drawing.append(map, plot);

  movable(
    over,
    "Map of the weights; arrow keys move the pointer, with Shift the hole; minus and plus change its size",
    (dx, dy, event) => {
      if (event.shiftKey) {
        holes.value = null;
        setHole(reshaped(state.hole, HOLE_STEP * dx, HOLE_STEP * dy, 0));
      } else {
        moveTo(state.at[0] + STEP * dx, state.at[1] + STEP * dy);
      }
    },
    ({ key }) => {
      if (!(key in GROWTH)) return false;
      holes.value = null;
      setHole(reshaped(state.hole, 0, 0, GROWTH[key]));
      return true;
    },
  );
  const moveTo = (x, y) => {
    state.at = [clamp(Math.floor(x), 0, SIDE - 1), clamp(Math.floor(y), 0, SIDE - 1)];
    redraw();
  };
  let start = null;
  over.addEventListener("pointermove", (event) => event.isPrimary && moveTo(...position(event, over, SIDE, SIDE)));
  draggable(over, (event, first) => {
    const at = position(event, over, SIDE, SIDE);
    if (first) start = at;
    moveTo(...at);
    const [[left, right], [top, bottom]] = [0, 1].map((axis) =>
      [start[axis], at[axis]].map((c) => clamp(Math.round(c), 0, SIDE)).sort((a, b) => a - b),
    );
    if (right - left < SMALLEST_DRAG || bottom - top < SMALLEST_DRAG) return;
    holes.value = null;
    setHole({ corners: [left, top, right, bottom] });
  });

  let painted = null;
  const redraw = eachFrame(() => {
    compute();
    const weight = steps[state.iterations - 1];
    if (weight !== painted) paint(canvas, mask, weight);
    painted = weight;
    over.replaceChildren(...overlay(mask, state.at));
    plot.replaceChildren(...profile(mask, steps.slice(0, state.iterations), released, state.at));
    kernelPlot.replaceChildren(...tapPlot(taps(state.kernel, state.scale)));
    describe(parts.readout, mask, weight, state.at);
  });
  redraw();
}

function paint(canvas, mask, weight) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(SIDE, SIDE);
  mask.forEach((missing, at) => {
    image.data.set(missing ? SHADES[Math.round(255 * weight[at])] : KNOWN, 4 * at);
    image.data[4 * at + 3] = 255;
  });
  context.putImageData(image, 0, 0);
}

function overlay(mask, [x, y]) {
  const window = { x: x - REACH, y: y - REACH, width: SIZE, height: SIZE };
  const ink = mask[y * SIDE + x] ? "#ffffff" : INK;
  return [
    svg("rect", { ...window, fill: "none", stroke: "#ffffff", "stroke-width": 2.4, opacity: 0.7 }),
    svg("rect", { ...window, fill: "none", stroke: INK, "stroke-width": 1.1, "stroke-dasharray": "4 3" }),
    svg("line", { x1: 0, x2: SIDE, y1: y + 0.5, y2: y + 0.5, stroke: ink, "stroke-width": 0.8, opacity: 0.55 }),
    svg("circle", { cx: x + 0.5, cy: y + 0.5, r: 3.4, fill: ORANGE, stroke: "#ffffff", "stroke-width": 1.2 }),
  ];
}

// One polyline for each run of missing pixels in the row.
function curves(mask, weight, y, look) {
  const runs = [];
  for (let x = 0; x < SIDE; x++) {
    if (!mask[y * SIDE + x]) continue;
    if (x === 0 || !mask[y * SIDE + x - 1]) runs.push([]);
    runs.at(-1).push(`${x + 0.5},${(8 + (1 - weight[y * SIDE + x]) * (PLOT - 8)).toFixed(2)}`);
  }
  return runs.map((points) => svg("polyline", { points: points.join(" "), fill: "none", ...look }));
}

function profile(mask, steps, released, [x, y]) {
  // The axis is the colour bar of the map.
  const nodes = Array.from({ length: 32 }, (_, k) => {
    const height = (PLOT - 8) / 32;
    return svg("rect", { x: 0, y: 8 + k * height, width: 6, height: height + 0.3, fill: css(heat(1 - (k + 0.5) / 32)) });
  });
  const labels = [svg("text", { x: SIDE, y: PLOT + 11, "font-size": 9, "text-anchor": "end", class: "explorable-tick" }, "weight along the pointer’s row")];
  for (const value of [0, 0.5, 1]) {
    const at = 8 + (1 - value) * (PLOT - 8);
    nodes.push(svg("line", { x1: 0, x2: SIDE, y1: at, y2: at, stroke: FAINT, "stroke-width": 0.8 }));
    labels.push(svg("text", { x: 9, y: at - 2, "font-size": 8, class: "explorable-tick" }, value === 0.5 ? "½" : String(value)));
  }
  nodes.push(svg("line", { x1: x + 0.5, x2: x + 0.5, y1: 0, y2: PLOT, stroke: ORANGE, "stroke-width": 1 }));
  steps.forEach((weight, i) => {
    const last = i === steps.length - 1;
    nodes.push(...curves(mask, weight, y, { stroke: BLUE, "stroke-width": last ? 2 : 0.9, opacity: last ? 1 : 0.35 }));
  });
  nodes.push(...curves(mask, released, y, { stroke: ORANGE, "stroke-width": 1.5, "stroke-dasharray": "4 2" }));
  const here = mask[y * SIDE + x] ? steps.at(-1)[y * SIDE + x] : null;
  if (here !== null) nodes.push(svg("circle", { cx: x + 0.5, cy: 8 + (1 - here) * (PLOT - 8), r: 3, fill: BLUE, stroke: "#ffffff" }));
  return [...nodes, ...labels];
}

function tapPlot(kernel) {
  const largest = Math.max(...kernel);
  const bars = Array.from(kernel, (tap, k) => {
    const tall = (42 * tap) / largest;
    return svg("rect", { x: 4 * k + 0.5, y: 46 - tall, width: 3, height: tall, fill: BLUE });
  });
  const label = (x, anchor, text) => svg("text", { x, y: 58, "font-size": 10.5, "text-anchor": anchor, class: "explorable-tick" }, text);
  return [
    ...bars,
    svg("line", { x1: 0, x2: 4 * SIZE, y1: 46.5, y2: 46.5, stroke: INK, "stroke-width": 0.8 }),
    label(0, "start", "−32"),
    label(2 * SIZE, "middle", "taps of g along one axis"),
    label(4 * SIZE, "end", "32"),
  ];
}

function describe(readout, mask, weight, [x, y]) {
  const inside = weight.filter((_, at) => mask[at]);
  const mean = inside.reduce((sum, w) => sum + w, 0) / inside.length;
  const deep = depth(mask, x, y);
  const rows = [
    ["Mean weight in the hole", mean.toFixed(3)],
    ["Least weight in the hole", inside.reduce((a, b) => Math.min(a, b)).toFixed(3)],
  ];
  const known = "The pixel under the pointer is known, and has no weight.";
  const where = deep === null ? "No pixel of the picture is known" : `The pixel under the pointer lies ${deep} deep`;
  tell(readout, rows, mask[y * SIDE + x] ? `${where}: weight ${weight[y * SIDE + x].toFixed(3)}.` : known);
}
