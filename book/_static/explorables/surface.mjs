// A smooth surface settles in a hole, for a number of sweeps and of levels (chapter 13). The first
// half is the chapter's `fill`, number for number, and needs no page; the second draws it.
//
// A plane is a square of numbers, row by row; a mask has 1 where a pixel is missing. A picture is
// three planes of grey levels.

import { BLUE, FAINT, INK, ORANGE, choice, clamp, draggable, eachFrame, element, frame, movable, position, readJson, slider, svg, tell } from "./figure.mjs";

export const SIDE = 64;
export const LEVELS = 5; // 64, 32, 16, 8 and 4 pixels
const TENSION = (0.15 * 128 ** 2) / SIDE ** 2; // labkit's, for this size
const KIND = { film: [0, 1], plate: [1, TENSION] }; // s and t of s Δ²u − t Δu = 0
const SMALL = 1e-20;

// Rows and columns from and to which a mask has 1, widened, within the picture.
function box(mask, side, margin) {
  let [top, left, bottom, right] = [side, side, 0, 0];
  for (let at = 0; at < mask.length; at++) {
    if (!mask[at]) continue;
    const [y, x] = [Math.floor(at / side), at % side];
    [top, left] = [Math.min(top, y), Math.min(left, x)];
    [bottom, right] = [Math.max(bottom, y + 1), Math.max(right, x + 1)];
  }
  const low = (value) => Math.max(0, value - margin);
  const high = (value) => Math.min(side, value + margin);
  return [low(top), low(left), high(bottom), high(right)];
}

function laplacian(u, side, [top, left, bottom, right], out) {
  for (let y = top; y < bottom; y++) {
    const [row, above, below] = [y * side, Math.max(y - 1, 0) * side, Math.min(y + 1, side - 1) * side];
    for (let x = left; x < right; x++) {
      const around = u[above + x] + u[below + x] + u[row + Math.max(x - 1, 0)] + u[row + Math.min(x + 1, side - 1)];
      out[row + x] = around - 4 * u[row + x];
    }
  }
}

// s Δ²u − t Δu in the hole, 0 elsewhere: (u) => force, for one mask.
function forces(mask, side, [s, t]) {
  const [inner, outer] = [box(mask, side, 0), box(mask, side, 1)];
  const [bend, twice] = [new Float64Array(mask.length), new Float64Array(mask.length)];
  return (u) => {
    laplacian(u, side, outer, bend);
    if (s) laplacian(bend, side, inner, twice);
    return Float64Array.from(mask, (missing, at) => (missing ? s * twice[at] - t * bend[at] : 0));
  };
}

function dot(a, b) {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k] * b[k];
  return sum;
}

// Conjugate gradients: the force goes to zero, known pixels stay.
function relax(u, mask, side, kind, sweeps) {
  const force = forces(mask, side, kind);
  const left = force(u).map((value) => -value);
  const step = left.slice();
  let size = dot(left, left);
  for (let sweep = 0; sweep < sweeps && size > SMALL; sweep++) {
    const answer = force(step);
    const pace = size / Math.max(dot(step, answer), SMALL);
    for (let k = 0; k < u.length; k++) {
      u[k] += pace * step[k];
      left[k] -= pace * answer[k];
    }
    const next = dot(left, left);
    for (let k = 0; k < u.length; k++) step[k] = left[k] + (next / Math.max(size, SMALL)) * step[k];
    size = next;
  }
  return u;
}

// Half the side: means of the known pixels, and where there are none.
function halve(plane, mask, side) {
  const half = side / 2;
  const [values, missing] = [new Float64Array(half * half), new Uint8Array(half * half)];
  for (let y = 0; y < half; y++)
    for (let x = 0; x < half; x++) {
      let [sum, count] = [0, 0];
      for (const at of [0, 1, side, side + 1].map((more) => 2 * y * side + 2 * x + more)) {
        if (mask[at]) continue;
        sum += plane[at];
        count++;
      }
      values[y * half + x] = count ? sum / count : 0;
      missing[y * half + x] = count ? 0 : 1;
    }
  return [values, missing];
}

// Twice the side, bilinearly, pixel centres in place; the border repeats itself.
function enlarge(plane, side) {
  const large = new Float64Array(4 * side * side);
  const near = (at) => {
    const place = Math.max(0, (at + 0.5) / 2 - 0.5);
    const low = Math.floor(place);
    return [low, Math.min(low + 1, side - 1), place - low];
  };
  for (let y = 0; y < 2 * side; y++) {
    const [above, below, down] = near(y);
    for (let x = 0; x < 2 * side; x++) {
      const [left, right, along] = near(x);
      const upper = plane[above * side + left] * (1 - along) + plane[above * side + right] * along;
      const lower = plane[below * side + left] * (1 - along) + plane[below * side + right] * along;
      large[y * 2 * side + x] = upper * (1 - down) + lower * down;
    }
  }
  return large;
}

// One plane, 0 where missing, filled: the chapter's function of the same name.
export function fill(plane, mask, kind, sweeps, levels) {
  const side = Math.sqrt(plane.length);
  let guess;
  if (levels > 1) {
    const [s, t] = kind;
    guess = enlarge(fill(...halve(plane, mask, side), [s, 4 * t], sweeps, levels - 1), side / 2);
  } else {
    const known = mask.reduce((count, missing) => count + 1 - missing, 0);
    guess = new Float64Array(plane.length).fill(plane.reduce((a, b) => a + b, 0) / known);
  }
  return relax(Float64Array.from(plane, (value, at) => (mask[at] ? guess[at] : value)), mask, side, kind, sweeps);
}

export function squareHole(row, column, width) {
  const mask = new Uint8Array(SIDE * SIDE);
  for (let y = row; y < row + width; y++) mask.fill(1, y * SIDE + column, y * SIDE + column + width);
  return mask;
}

export function fillPicture(planes, mask, name, sweeps, levels) {
  const masked = planes.map((plane) => Float64Array.from(plane, (value, at) => (mask[at] ? 0 : value)));
  return masked.map((plane) => fill(plane, mask, KIND[name], sweeps, levels));
}

// Mean and largest difference of two pictures in the hole.
export function distance(one, other, mask) {
  let [sum, largest, count] = [0, 0, 0];
  one.forEach((plane, c) =>
    plane.forEach((value, at) => {
      if (!mask[at]) return;
      const apart = Math.abs(value - other[c][at]);
      [sum, largest, count] = [sum + apart, Math.max(largest, apart), count + 1];
    }),
  );
  return { mean: sum / count, largest };
}

// Sweeps of all levels, in pixels of the full picture: each level has a quarter of the last.
export function work(sweeps, levels) {
  let total = 0;
  for (let level = 0; level < levels; level++) total += sweeps / 4 ** level;
  return total;
}

// --- the drawing ---------------------------------------------------------------------------------

export async function load() {
  return decode(await readJson("face.json"));
}

export function decode(document) {
  const bytes = Uint8Array.from(atob(document.pixels), (c) => c.charCodeAt(0));
  return [0, 1, 2].map((c) => Float64Array.from({ length: SIDE * SIDE }, (_, at) => bytes[3 * at + c]));
}

const SWEEPS = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256];
const SETTLED = 2000; // sweeps; it stops when nothing moves any more
const WIDTHS = { 12: "12 px", 24: "24 px", 32: "32 px" };
const MARGIN = 2; // known pixels that the hole leaves at each border
const PLOT = 26;

export function mount(host, planes) {
  const state = { kind: "film", sweeps: 4, levels: 1, width: 24, row: 20, column: 22 };
  const parts = frame(host, {
    title: "A surface settles",
    caption:
      "Above, a rendered face whose hole is filled by the chapter’s solver. Below, the row through the middle of the hole, mean of the three channels: the fill, " +
      "the settled surface (dashed), and the truth (thin). With more levels the fill starts from a smaller picture in which the hole is smaller too. " +
      "The error is the distance from the settled surface; a sweep over a level of half the side is a quarter of a full sweep.",
  });
  parts.note.textContent = "Click or drag to move the hole. By keyboard: arrow keys move it.";

  const canvas = element("canvas", { width: SIDE, height: SIDE });
  canvas.setAttribute("aria-hidden", "true");
  const over = svg("svg", { viewBox: `0 0 ${SIDE} ${SIDE}`, class: "explorable-over explorable-drag" });
  const plot = svg("svg", { viewBox: `0 0 ${SIDE} ${PLOT}`, role: "img", "aria-label": "grey levels along the row through the middle of the hole" });
  parts.drawing.append(element("div", { className: "explorable-map" }, canvas, over), plot);

  let settled = null;
  const change = (name, value) => {
    state[name] = value;
    if (name !== "sweeps" && name !== "levels") settled = null;
    redraw();
  };
  const moveTo = (row, column) => {
    const last = SIDE - MARGIN - state.width;
    [state.row, state.column] = [clamp(Math.round(row), MARGIN, last), clamp(Math.round(column), MARGIN, last)];
    settled = null;
    redraw();
  };
  parts.controls.append(
    choice("Surface", { film: "film", plate: "plate" }, state.kind, (kind) => change("kind", kind)).node,
    choice("Hole", WIDTHS, String(state.width), (width) => {
      const [row, column] = [state.row + state.width / 2, state.column + state.width / 2];
      state.width = Number(width);
      moveTo(row - state.width / 2, column - state.width / 2);
    }).node,
    slider("sweeps", SWEEPS, state.sweeps, (value) => change("sweeps", value)).node,
    slider("levels", [1, 2, 3, 4, 5], state.levels, (value) => change("levels", value)).node,
  );
  movable(over, "Picture with a hole; arrow keys move the hole", (dx, dy) => moveTo(state.row + 2 * dy, state.column + 2 * dx));
  draggable(over, (event) => {
    const [x, y] = position(event, over, SIDE, SIDE);
    moveTo(y - state.width / 2, x - state.width / 2);
  });

  const redraw = eachFrame(() => {
    const mask = squareHole(state.row, state.column, state.width);
    settled ??= fillPicture(planes, mask, state.kind, SETTLED, LEVELS);
    const filled = fillPicture(planes, mask, state.kind, state.sweeps, state.levels);
    paint(canvas, filled);
    const edge = { x: state.column, y: state.row, width: state.width, height: state.width, fill: "none" };
    over.replaceChildren(
      svg("rect", { ...edge, stroke: "#ffffff", "stroke-width": 0.7, opacity: 0.6 }),
      svg("rect", { ...edge, stroke: ORANGE, "stroke-width": 0.4 }),
    );
    plot.replaceChildren(...profile(planes, filled, settled, state));
    describe(parts.readout, filled, settled, mask, state);
  });
  redraw();
}

export function paint(canvas, planes) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(SIDE, SIDE);
  for (let at = 0; at < SIDE * SIDE; at++) {
    for (let c = 0; c < 3; c++) image.data[4 * at + c] = clamp(Math.round(planes[c][at]), 0, 255);
    image.data[4 * at + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

function profile(planes, filled, settled, { row, column, width }) {
  const start = (row + Math.floor(width / 2)) * SIDE;
  const y = (value) => PLOT - 2 - (clamp(value, 0, 255) / 255) * (PLOT - 4);
  const line = (picture, look) => {
    const points = Array.from({ length: SIDE }, (_, x) => {
      const mean = (picture[0][start + x] + picture[1][start + x] + picture[2][start + x]) / 3;
      return `${x + 0.5},${y(mean).toFixed(2)}`;
    });
    return svg("polyline", { points: points.join(" "), fill: "none", ...look });
  };
  return [
    svg("rect", { x: column, y: 0, width, height: PLOT, class: "explorable-band" }),
    ...[0, 128, 255].map((value) => svg("line", { x1: 0, x2: SIDE, y1: y(value), y2: y(value), stroke: FAINT, "stroke-width": 0.2 })),
    line(planes, { stroke: INK, "stroke-width": 0.25, opacity: 0.6 }),
    line(settled, { stroke: ORANGE, "stroke-width": 0.5, "stroke-dasharray": "1.4 0.8" }),
    line(filled, { stroke: BLUE, "stroke-width": 0.6 }),
  ];
}

function describe(readout, filled, settled, mask, { kind, sweeps, levels, row, column, width }) {
  const { mean, largest } = distance(filled, settled, mask);
  const rows = [
    ["Mean error, grey levels", mean.toFixed(1)],
    ["Largest error, grey levels", largest.toFixed(1)],
    ["Work, full sweeps", work(sweeps, levels).toFixed(1)],
  ];
  const how = `${levels} ${levels === 1 ? "level" : "levels"}, ${sweeps} ${sweeps === 1 ? "sweep" : "sweeps"} on each`;
  tell(readout, rows, `The ${kind} after ${how}; a hole of ${width} pixels from row ${row}, column ${column}.`);
}
