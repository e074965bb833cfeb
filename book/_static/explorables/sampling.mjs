// On which pixels a strided convolution is centred, and what a pixel sees once its units are enlarged
// again (chapter 14). The first half is the arithmetic, which needs no page; the second draws it.

import { BLUE, INK, ORANGE, choice, clamp, eachFrame, frame, movable, position, slider, svg, tell } from "./figure.mjs";

// Units of a convolution over `side` pixels; `first`: the pixel on which unit 0 is centred.
export function grid(side, kernel, stride, library) {
  const reach = (kernel - 1) / 2;
  const units = Math.ceil(side / stride);
  const total = Math.max(0, (units - 1) * stride + kernel - side);
  const before = library === "tensorflow" ? Math.floor(total / 2) : reach;
  const after = library === "tensorflow" ? total - before : reach;
  return { units, before, after, first: reach - before };
}

// Where each of the pixels reads, in units, within the row of units.
export function reads(units, pixels, rule) {
  const place = {
    aligned: (j) => (pixels > 1 ? (j * (units - 1)) / (pixels - 1) : 0),
    half: (j) => ((j + 0.5) * units) / pixels - 0.5,
    tf1: (j) => (j * units) / pixels,
  }[rule];
  return Array.from({ length: pixels }, (_, j) => clamp(place(j), 0, units - 1));
}

// --- the drawing ---------------------------------------------------------------------------------

const SIDES = Array.from({ length: 9 }, (_, k) => k + 8);
const KERNELS = { 3: "3", 5: "5", 7: "7" };
const STRIDES = { 1: "1", 2: "2" };
const LIBRARIES = { pytorch: "PyTorch", tensorflow: "TensorFlow, SAME" };
const RULES = { aligned: "aligned corners", half: "half-pixel centres", tf1: "TensorFlow 1’s default" };
const [WIDE, TALL, MARGIN] = [440, 330, 3.3];
const [ROW, UNITS, LARGE] = [124, 200, 282]; // heights of the picture, its units, the enlarged row
const GREY = "#8a949b";

export function mount(host) {
  const state = { side: 12, kernel: 5, stride: 2, library: "pytorch", rule: "aligned", at: 6 };
  const parts = frame(host, {
    title: "What a pixel sees, there and back",
    caption:
      "From above: the windows of a convolution with their centres; the row of pixels, with the padding hatched; the units, each under the pixel that it is centred on; " +
      "and the row that they are enlarged to. A line leads from each pixel of the enlarged row to the place between the units that it reads. Upright lines see straight; slanted ones look to one side.",
  });
  parts.note.textContent = "Point at a pixel, or choose one with the arrow keys.";
  const set = (name, read = String) => (value) => {
    state[name] = read(value);
    redraw();
  };
  parts.controls.append(
    choice("Library", LIBRARIES, state.library, set("library")).node,
    choice("Enlarged with", RULES, state.rule, set("rule")).node,
    choice("Kernel", KERNELS, "5", set("kernel", Number)).node,
    choice("Stride", STRIDES, "2", set("stride", Number)).node,
    slider("side (px)", SIDES, state.side, set("side", Number)).node,
  );
  parts.controls.lastChild.classList.add("explorable-wide");

  const drawing = svg("svg", { viewBox: `0 0 ${WIDE} ${TALL}`, class: "explorable-hover" });
  parts.drawing.append(drawing);
  movable(drawing, "A row of pixels, its windows, and the enlarged row; arrow keys choose a pixel", (dx, dy) => {
    state.at += dx + dy;
    redraw();
  });
  const follow = (event) => {
    if (!event.isPrimary) return;
    state.at = Math.floor(position(event, drawing, WIDE, TALL)[0] / pitch(state.side) - MARGIN);
    redraw();
  };
  drawing.addEventListener("pointermove", follow);
  drawing.addEventListener("pointerdown", follow);

  const redraw = eachFrame(() => {
    const layer = grid(state.side, state.kernel, state.stride, state.library);
    const places = reads(layer.units, layer.units * state.stride, state.rule);
    state.at = clamp(state.at, 0, places.length - 1);
    drawing.replaceChildren(...picture(state, layer, places));
    describe(parts.readout, state, layer, places);
  });
  redraw();
}

const pitch = (side) => WIDE / (side + 2 * MARGIN);

function picture(state, { units, before, after, first }, places) {
  const { side, kernel, stride, at } = state;
  const step = pitch(side);
  const x = (pixel) => (pixel + MARGIN + 0.5) * step;
  const centre = (unit) => unit * stride + first;
  const seen = places.map(centre);
  const near = [Math.floor(places[at]), Math.ceil(places[at])];
  const line = (x1, y1, x2, y2, stroke, width) => svg("line", { x1, y1, x2, y2, stroke, "stroke-width": width });
  const text = (left, y, words) => svg("text", { x: left, y, "font-size": 11, class: "explorable-middle", fill: INK }, words);
  const cell = (pixel, y, fill, stroke = GREY) => svg("rect", { x: x(pixel) - step / 2, y: y - step / 2, width: step, height: step, fill, stroke });

  const nodes = [];
  for (let pixel = -before; pixel < side + after; pixel++) {
    const padding = pixel < 0 || pixel >= side;
    nodes.push(cell(pixel, ROW, padding ? "none" : "#ffffff"));
    const [left, low] = [x(pixel) - step / 2, ROW + step / 2];
    if (padding) for (const part of [1 / 3, 2 / 3, 1]) nodes.push(line(left, low - step * (1 - part), left + step * part, low - step, GREY, 1));
    else nodes.push(text(x(pixel), ROW, pixel));
  }
  const levels = Math.ceil(kernel / stride);
  for (let unit = 0; unit < units; unit++) {
    const [middle, y] = [x(centre(unit)), ROW - step / 2 - 8 - Math.min(20, 66 / levels) * (unit % levels)];
    const half = (kernel * step) / 2 - 2;
    const colour = near.includes(unit) ? ORANGE : BLUE;
    const width = near.includes(unit) ? 2.5 : 1.2;
    const ends = `M ${middle - half} ${y + 5} v -5 h ${2 * half} v 5`;
    nodes.push(svg("path", { d: ends, fill: "none", stroke: colour, "stroke-width": width }));
    nodes.push(svg("circle", { cx: middle, cy: y, r: near.includes(unit) ? 4 : 3, fill: colour }));
    nodes.push(line(middle, ROW + step / 2, middle, UNITS, GREY, 0.8));
  }
  places.forEach((_, pixel) => {
    if (pixel !== at) nodes.push(line(x(pixel), LARGE - step / 2, x(seen[pixel]), UNITS, BLUE, 1.2));
    nodes.push(cell(pixel, LARGE, "#ffffff"), text(x(pixel), LARGE, pixel));
  });
  nodes.push(
    line(x(at), LARGE - step / 2, x(seen[at]), UNITS, ORANGE, 2.5),
    line(x(seen[at]), UNITS, x(seen[at]), ROW + step / 2, ORANGE, 2.5),
  );
  for (let unit = 0; unit < units; unit++) {
    const size = Math.min(step, 20);
    const edge = near.includes(unit) ? ORANGE : INK;
    nodes.push(svg("rect", { x: x(centre(unit)) - size / 2, y: UNITS - size / 2, width: size, height: size, rx: 4, fill: INK, stroke: edge, "stroke-width": 2 }));
    nodes.push(svg("text", { x: x(centre(unit)), y: UNITS, "font-size": 11, class: "explorable-middle", fill: "#ffffff" }, unit));
  }
  nodes.push(
    cell(at, LARGE, "none", ORANGE),
    cell(at, ROW, "none", ORANGE),
    text(WIDE / 2, TALL - 10, "the enlarged row, and what each of its pixels reads"),
  );
  return nodes;
}

function describe(readout, { stride, at }, { units, before, after, first }, places) {
  const number = (value) => String(Number(value.toFixed(2)));
  const shifts = places.map((place, pixel) => place * stride + first - pixel);
  const largest = Math.max(...shifts.map(Math.abs));
  const times = stride === 1 ? "i" : `${stride}i`;
  const rows = [
    ["Padding before and after", `${before} and ${after}`],
    ["Units", String(units)],
    ["Unit i is centred on pixel", first ? `${times} + ${first}` : times],
    ["Largest shift, pixels", number(largest)],
  ];
  const shift = shifts[at];
  const side = shift < 0 ? "left" : "right";
  const words = Math.abs(shift) < 1e-9 ? "straight" : `${number(Math.abs(shift))} too far to the ${side}`;
  tell(readout, rows, `Pixel ${at} reads the units at ${number(places[at])}, and sees pixel ${number(at + shift)} of the row: ${words}.`);
}
