// Which positions four dilated convolutions reach, and in how many ways (chapter 5). The first half is
// the arithmetic, which needs no page; the second draws it.

import { BLUE, INK, ORANGE, choice, clamp, eachFrame, element, frame, heat, movable, position, slider, svg, tell } from "./figure.mjs";

// In how many ways a path of one tap from each layer leads from the middle to each position of a line.
// Without signs: 2R + 1 counts, for −R to R. In the plane the counts of both axes multiply.
export function ways(kernel, dilations) {
  const half = (kernel - 1) / 2;
  let counts = [1];
  for (const dilation of dilations) {
    const next = new Array(counts.length + 2 * half * dilation).fill(0);
    counts.forEach((count, at) => {
      for (let tap = 0; tap < kernel; tap++) next[at + tap * dilation] += count;
    });
    counts = next;
  }
  return counts;
}

// --- the drawing ---------------------------------------------------------------------------------

const KERNELS = { 3: "3", 5: "5", 7: "7" };
const DILATIONS = Array.from({ length: 27 }, (_, k) => k + 1);
const PRESETS = { "2 4 8 16": "2 4 8 16", "1 2 4 8": "1 2 4 8", "1 2 5 9": "1 2 5 9", "4 4 4 4": "4 4 4 4" };
const SKIPPED = [251, 250, 247];
const [PLANE, LINE] = [300, 74];

export function mount(host) {
  const state = { kernel: 3, dilations: [2, 4, 8, 16], at: [0, 0] };
  const parts = frame(host, {
    title: "What four dilations reach",
    caption:
      "The square of positions that one output, in the middle, can see through four dilated layers: dark where few paths lead, bright where many do, " +
      "white where none does. Below, the row of the pointer, with a bar for the number of paths on a logarithmic scale. GMCNN has the dilations 2, 4, 8 and 16, " +
      "and ordinary layers before and after them, which are left out here. One position is four pixels of the picture.",
  });
  parts.note.textContent = "Drag the sliders. Point at a position, or move there with the arrow keys (with Shift by ten).";
  const sliders = state.dilations.map((dilation, k) =>
    slider(`layer ${k + 1}`, DILATIONS, dilation, (value) => {
      state.dilations[k] = value;
      presets.value = state.dilations.join(" ");
      redraw();
    }),
  );
  const presets = choice("Dilations", PRESETS, "2 4 8 16", (name) => {
    name.split(" ").forEach((value, k) => {
      sliders[k].input.value = DILATIONS.indexOf(Number(value));
      sliders[k].input.oninput();
    });
  });
  const kernels = choice("Kernel", KERNELS, "3", (kernel) => {
    state.kernel = Number(kernel);
    redraw();
  });
  parts.controls.append(presets.node, ...sliders.map(({ node }) => node), kernels.node);

  const canvas = element("canvas", { ariaHidden: "true" });
  const over = svg("svg", { class: "explorable-over explorable-hover" });
  const plot = svg("svg", { viewBox: `0 0 ${PLANE} ${LINE}`, role: "img", "aria-label": "paths to the positions of the pointer's row" });
  parts.drawing.append(element("div", { className: "explorable-map" }, canvas, over), plot);

  let counts = ways(state.kernel, state.dilations);
  const moveTo = (x, y) => {
    const radius = (counts.length - 1) / 2;
    state.at = [x, y].map((place) => clamp(place, -radius, radius));
    redraw();
  };
  movable(over, "Positions around the output; arrow keys move the pointer", (dx, dy, { shiftKey }) => {
    const step = shiftKey ? 10 : 1;
    moveTo(state.at[0] + step * dx, state.at[1] + step * dy);
  });
  const follow = (event) => {
    if (!event.isPrimary) return;
    const side = counts.length;
    moveTo(...position(event, over, side, side).map((place) => Math.floor(place) - (side - 1) / 2));
  };
  over.addEventListener("pointermove", follow);
  over.addEventListener("pointerdown", follow);

  const redraw = eachFrame(() => {
    counts = ways(state.kernel, state.dilations);
    const radius = (counts.length - 1) / 2;
    state.at = state.at.map((place) => clamp(place, -radius, radius));
    paint(canvas, counts);
    over.setAttribute("viewBox", `0 0 ${counts.length} ${counts.length}`);
    over.replaceChildren(...marks(counts.length, state.at));
    plot.replaceChildren(...row(counts, state.at));
    describe(parts.readout, counts, state);
  });
  redraw();
}

function paint(canvas, counts) {
  const side = counts.length;
  Object.assign(canvas, { width: side, height: side });
  const context = canvas.getContext("2d");
  const image = context.createImageData(side, side);
  const scale = 2 * Math.log(Math.max(2, ...counts));
  for (let y = 0, to = 0; y < side; y++)
    for (let x = 0; x < side; x++, to += 4) {
      const paths = counts[x] * counts[y];
      image.data.set(paths ? heat(0.12 + (0.88 * Math.log(paths)) / scale) : SKIPPED, to);
      image.data[to + 3] = 255;
    }
  context.putImageData(image, 0, 0);
}

function marks(side, [x, y]) {
  const middle = (side - 1) / 2;
  const size = Math.max(1, side / 40);
  const square = (at, look) => svg("rect", { x: at[0] + middle + 0.5 - size / 2, y: at[1] + middle + 0.5 - size / 2, width: size, height: size, fill: "none", ...look });
  return [
    svg("rect", { x: 0, y: y + middle, width: side, height: 1, fill: BLUE, opacity: 0.25 }),
    square([0, 0], { stroke: "#ffffff", "stroke-width": side / 90 }),
    square([0, 0], { stroke: INK, "stroke-width": side / 200 }),
    square([x, y], { stroke: "#ffffff", "stroke-width": side / 70 }),
    square([x, y], { stroke: ORANGE, "stroke-width": side / 120 }),
  ];
}

function row(counts, [x, y]) {
  const side = counts.length;
  const middle = (side - 1) / 2;
  const wide = PLANE / side;
  const scale = Math.log(1 + Math.max(...counts) ** 2);
  const nodes = counts.map((count, at) => {
    const tall = ((LINE - 20) * Math.log(1 + count * counts[y + middle])) / scale;
    const gap = wide > 3 ? 0.5 : 0;
    return svg("rect", { x: at * wide + gap, y: LINE - 16 - tall, width: Math.max(wide - 2 * gap, 0.4), height: tall, fill: at === x + middle ? ORANGE : BLUE });
  });
  const label = (left, anchor, text) => svg("text", { x: left, y: LINE - 3, "font-size": 10, "text-anchor": anchor, class: "explorable-tick" }, text);
  return [
    ...nodes,
    svg("line", { x1: 0, x2: PLANE, y1: LINE - 15.5, y2: LINE - 15.5, stroke: INK, "stroke-width": 0.8 }),
    label(0, "start", `−${middle}`),
    label(PLANE / 2, "middle", "paths to the positions of this row"),
    label(PLANE, "end", String(middle)),
  ];
}

function describe(readout, counts, { at: [x, y] }) {
  const side = counts.length;
  const middle = (side - 1) / 2;
  const reached = counts.filter((count) => count > 0).length ** 2;
  const share = (100 * reached) / side ** 2;
  const rows = [
    ["Square that is seen", `${side} × ${side} positions`],
    ["Positions reached", `${reached.toLocaleString("en")} of ${(side ** 2).toLocaleString("en")}: ${share.toFixed(share < 99.95 ? 1 : 0)} %`],
    ["Most paths to a position", (Math.max(...counts) ** 2).toLocaleString("en")],
  ];
  const paths = counts[x + middle] * counts[y + middle];
  const sign = (value) => String(value).replace("-", "−");
  const words = paths ? `${paths.toLocaleString("en")} ${paths === 1 ? "path leads" : "paths lead"} there.` : "No path leads there: it is skipped.";
  tell(readout, rows, `Position (${sign(x)}, ${sign(y)}) from the middle. ${words}`);
}
