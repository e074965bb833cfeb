// Diffusion at work in a hole: each missing pixel becomes the mean of its four neighbours, again and
// again (chapter 1). The first half is the chapter's `relax`, and needs no page; the second draws it.

import { BLUE, FAINT, INK, ORANGE, choice, eachFrame, element, frame, player, slider, svg, tell } from "./figure.mjs";
import { SIDE, decode, distance, fillPicture, load, paint, squareHole } from "./surface.mjs";

export { decode, distance, load, squareHole };

// One step of Jacobi's iteration, for the three planes of a picture. The hole stays off the border.
export function relax(planes, hole) {
  return planes.map((plane) =>
    Float64Array.from(plane, (value, at) => (hole[at] ? (plane[at - 1] + plane[at + 1] + plane[at - SIDE] + plane[at + SIDE]) / 4 : value)),
  );
}

// What stands in the hole before the first step.
export function begin(planes, hole, kind) {
  return planes.map((plane, c) => {
    const known = plane.filter((_, at) => !hole[at]);
    const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
    const noise = (at) => ((Math.imul(at * 3 + c + 1, 2654435761) >>> 8) % 256) | 0; // the same everywhere
    const guess = { mean: () => mean, black: () => 0, noise };
    return Float64Array.from(plane, (value, at) => (hole[at] ? guess[kind](at) : value));
  });
}

// What one step leaves of the error of a square hole, in the long run.
export function factor(width) {
  return Math.cos(Math.PI / (width + 1));
}

// --- the drawing ---------------------------------------------------------------------------------

const WIDTHS = { 12: "12 px", 24: "24 px", 32: "32 px" };
const STARTS = { mean: "mean colour", black: "black", noise: "noise" };
const PACES = [1, 3, 10, 30];
const ENOUGH = 0.1; // grey levels of mean error, where it ends
const MOST = 6000;
const [WIDE, HIGH, LEFT] = [256, 118, 30];

export function mount(host, planes) {
  const state = { width: 24, start: "mean", pace: 3 };
  const parts = frame(host, {
    title: "Diffusion comes to rest",
    caption:
      "A rendered face with a square hole. In each step every missing pixel becomes the mean of its four neighbours. Below, the mean distance from the " +
      "settled surface in grey levels, on a logarithmic scale: in the end a straight line, whose slope (dashed, drawn beside it) follows from the width of the hole alone.",
  });
  parts.note.textContent = "Press play, or step by step. Noise vanishes within a few steps; a wrong mean takes hundreds.";
  const canvas = element("canvas", { width: SIDE, height: SIDE, role: "img", ariaLabel: "the face with the fill as it is now" });
  const plot = svg("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": "mean error against the number of steps" });
  parts.drawing.append(element("div", { className: "explorable-map" }, canvas), plot);

  let hole, settled, now, errors;
  const reset = () => {
    const at = (SIDE - state.width) / 2;
    hole = squareHole(at, at, state.width);
    settled = fillPicture(planes, hole, "film", MOST, 5);
    now = begin(planes, hole, state.start);
    errors = [distance(now, settled, hole).mean];
    redraw();
  };
  const done = () => errors.at(-1) < ENOUGH || errors.length > MOST;
  const advance = (ticks) => {
    for (let k = 0; k < ticks * state.pace && !done(); k++) {
      now = relax(now, hole);
      errors.push(distance(now, settled, hole).mean);
    }
    redraw();
    return !done();
  };
  const buttons = player(advance, reset, parts.readout);
  const change = (name, value) => {
    buttons.stop();
    state[name] = value;
    reset();
  };
  parts.controls.append(
    buttons.node,
    choice("Width of the hole", WIDTHS, String(state.width), (width) => change("width", Number(width))).node,
    choice("To begin with", STARTS, state.start, (start) => change("start", start)).node,
    slider("steps at a time", PACES, state.pace, (pace) => (state.pace = pace)).node,
  );
  parts.controls.lastChild.classList.add("explorable-wide");
  const redraw = eachFrame(() => {
    paint(canvas, now);
    plot.replaceChildren(...curve(errors, state.width));
    describe(parts.readout, errors, distance(now, settled, hole).largest, state);
  });
  reset();
}

function curve(errors, width) {
  const steps = Math.max(100, errors.length - 1);
  const x = (step) => LEFT + (step / steps) * (WIDE - LEFT - 4);
  const y = (error) => 6 + ((2 - Math.log10(Math.max(error, 0.1))) / 3) * (HIGH - 26); // 100 to 0.1
  const text = (left, top, words, anchor = "end") => svg("text", { x: left, y: top, "font-size": 9, "text-anchor": anchor, class: "explorable-tick" }, words);
  const nodes = [100, 10, 1, 0.1].flatMap((error) => [
    svg("line", { x1: LEFT, x2: WIDE, y1: y(error), y2: y(error), stroke: FAINT, "stroke-width": 0.8 }),
    text(LEFT - 4, y(error) + 3, String(error)),
  ]);
  const every = Math.max(1, Math.floor(errors.length / 300));
  const points = errors.flatMap((error, step) => (step % every && step < errors.length - 1 ? [] : `${x(step).toFixed(1)},${y(error).toFixed(1)}`));
  const last = errors.length - 1;
  const from = Math.max(0, last - 60 - last / 4);
  const slope = (step) => `${x(step)},${y(1.5 * errors[last] * factor(width) ** (step - last))}`;
  nodes.push(
    svg("polyline", { points: `${slope(from)} ${slope(last)}`, fill: "none", stroke: ORANGE, "stroke-width": 1.5, "stroke-dasharray": "4 2" }),
    svg("polyline", { points: points.join(" "), fill: "none", stroke: BLUE, "stroke-width": 1.8 }),
    svg("circle", { cx: x(last), cy: y(errors[last]), r: 3, fill: BLUE, stroke: "#ffffff" }),
    svg("line", { x1: LEFT, x2: WIDE, y1: y(0.1), y2: y(0.1), stroke: INK, "stroke-width": 0.8 }),
    text(WIDE - 2, HIGH - 4, `${steps} steps`),
    text(LEFT, HIGH - 4, "0", "start"),
  );
  return nodes;
}

function describe(readout, errors, largest, { width }) {
  const halves = Math.round(Math.log(0.5) / Math.log(factor(width)));
  const rows = [
    ["Steps", String(errors.length - 1)],
    ["Mean error, grey levels", errors.at(-1).toFixed(1)],
    ["Largest error, grey levels", largest.toFixed(1)],
  ];
  tell(readout, rows, `A hole of ${width} × ${width} pixels. In the long run the error halves in ${halves} steps: cos(π/${width + 1}) = ${factor(width).toFixed(4)} is left by each.`);
}
