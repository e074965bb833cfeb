// A hole that the reader paints, its area and its depth (chapter 2). The first half is arithmetic,
// and needs no page; the second draws it. A mask is a square, row by row, with 1 = missing.

import { BLUE, ORANGE, choice, clamp, draggable, eachFrame, element, frame, heat, movable, position, slider, svg, tell } from "./figure.mjs";

export const SIDE = 128;

// Distance of each missing pixel to the nearest known one, 0 where known; nothing is known beyond
// the border. First down the columns, then along the rows.
export function distances(mask) {
  const column = new Float64Array(mask.length).fill(Infinity);
  for (let x = 0; x < SIDE; x++)
    for (const rows of [(k) => k, (k) => SIDE - 1 - k])
      for (let k = 0, away = Infinity; k < SIDE; k++) {
        const at = rows(k) * SIDE + x;
        away = mask[at] ? away + 1 : 0;
        column[at] = Math.min(column[at], away);
      }
  return Float64Array.from(mask, (missing, at) => {
    if (!missing) return 0;
    const [row, x] = [at - (at % SIDE), at % SIDE];
    let nearest = Infinity;
    for (let other = 0; other < SIDE; other++) nearest = Math.min(nearest, (other - x) ** 2 + column[row + other] ** 2);
    return Math.sqrt(nearest);
  });
}

// What the mask is said to be: {ratio, mean, largest}, the last two in pixels.
export function measure(mask, away) {
  const missing = mask.reduce((sum, value) => sum + value, 0);
  const mean = away.reduce((sum, value) => sum + value, 0) / Math.max(missing, 1);
  return { ratio: missing / mask.length, mean, largest: Math.max(...away) };
}

// Pixels whose centre lies within half the size of the segment get the value, in place.
export function brush(mask, [ax, ay], [bx, by], size, value) {
  const [dx, dy] = [bx - ax, by - ay];
  const squared = dx * dx + dy * dy;
  for (let at = 0; at < mask.length; at++) {
    const [x, y] = [(at % SIDE) + 0.5 - ax, Math.floor(at / SIDE) + 0.5 - ay];
    const along = squared ? clamp((x * dx + y * dy) / squared, 0, 1) : 0;
    if ((x - along * dx) ** 2 + (y - along * dy) ** 2 <= (size / 2) ** 2) mask[at] = value;
  }
}

const squares = (width, spacing) => (x, y) => Number([x, y].every((place) => Math.abs((place % spacing) + 0.5 - spacing / 2) < width / 2));

// What the reader begins with: all but the last miss a quarter of the picture.
export function begin(kind) {
  const inside = { square: squares(SIDE / 2, SIDE), squares: squares(8, 16) }[kind];
  const mask = Uint8Array.from({ length: SIDE * SIDE }, (_, at) => (inside ? inside(at % SIDE, Math.floor(at / SIDE)) : 0));
  if (kind !== "scribble") return mask;
  const points = Array.from({ length: 13 }, (_, k) => [12 + 104 * (Math.floor(k / 2) % 2), 8 + 20 * Math.floor((k + 1) / 2)]);
  points.slice(1).forEach((point, k) => brush(mask, points[k], point, 5, 1));
  return mask;
}

// --- the drawing ---------------------------------------------------------------------------------

const STARTS = { square: "square", squares: "64 squares", scribble: "scribble", empty: "nothing" };
const TOOLS = { paint: "paint", erase: "erase" };
const SIZES = [3, 5, 9, 17, 25, 33, 45, 65, 91];
const DEEPEST = 32; // pixels, the end of the colour scale
const KNOWN = [226, 224, 218];
const [AREA, DEPTH] = [0.1, 2.0]; // what the chapter asks for: less missing, and deeper than its scribble

export function mount(host) {
  const state = { mask: begin("scribble"), size: 17, value: 1, at: [64, 64] };
  const parts = frame(host, {
    title: "How deep is your hole?",
    caption:
      "A mask of 128 × 128 pixels. Known pixels are grey. The colour of a missing pixel is its distance to the nearest known one, dark at 1 pixel and bright from 32 on, as in the figure above.",
  });
  parts.note.textContent = "Paint with the mouse or a finger; or move the brush with the arrow keys (with Shift by 16 pixels) and press Space.";
  const starts = choice("Begin with", STARTS, "scribble", (kind) => {
    state.mask = begin(kind);
    redraw();
  });
  parts.controls.append(
    starts.node,
    choice("Brush", TOOLS, "paint", (tool) => {
      state.value = Number(tool === "paint");
      redraw();
    }).node,
    slider("width of the brush (px)", SIZES, state.size, (size) => {
      state.size = size;
      redraw();
    }).node,
  );
  parts.controls.lastChild.classList.add("explorable-wide");

  const canvas = element("canvas", { width: SIDE, height: SIDE, ariaHidden: "true" });
  const over = svg("svg", { viewBox: `0 0 ${SIDE} ${SIDE}`, class: "explorable-over explorable-drag" });
  parts.drawing.append(element("div", { className: "explorable-map" }, canvas, over));
  const paintTo = (place, from) => {
    state.at = place;
    brush(state.mask, from, place, state.size, state.value);
    starts.value = null;
    redraw();
  };
  draggable(over, (event, first) => {
    const place = position(event, over, SIDE, SIDE);
    paintTo(place, first ? place : state.at);
  });
  const move = (dx, dy, { shiftKey }) => {
    const step = shiftKey ? 16 : 4;
    state.at = [state.at[0] + step * dx, state.at[1] + step * dy].map((place) => clamp(place, 0, SIDE));
    redraw();
  };
  movable(over, "The mask; arrow keys move the brush, Space paints", move, ({ key }) => key === " " && (paintTo(state.at, state.at), true));

  const redraw = eachFrame(() => {
    const away = distances(state.mask);
    paint(canvas, state.mask, away);
    const [cx, cy] = state.at;
    const ring = { cx, cy, r: state.size / 2, fill: "none" };
    over.replaceChildren(svg("circle", { ...ring, stroke: "#ffffff", "stroke-width": 1.6 }), svg("circle", { ...ring, stroke: state.value ? ORANGE : BLUE, "stroke-width": 0.8 }));
    describe(parts.readout, measure(state.mask, away), away, state);
  });
  redraw();
}

function paint(canvas, mask, away) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(SIDE, SIDE);
  mask.forEach((missing, at) => image.data.set([...(missing ? heat((away[at] - 1) / (DEEPEST - 1)) : KNOWN), 255], 4 * at));
  context.putImageData(image, 0, 0);
}

function describe(readout, { ratio, mean, largest }, away, { at: [x, y], mask }) {
  const pixels = (value) => (largest ? (Number.isFinite(value) ? `${value.toFixed(1)} px` : "no pixel is known") : "–");
  const rows = [
    ["Missing", `${(100 * ratio).toFixed(1)} %`],
    ["Mean distance", pixels(mean)],
    ["Largest distance", pixels(largest)],
  ];
  const place = [x, y].map((value) => clamp(Math.floor(value), 0, SIDE - 1));
  const here = place[1] * SIDE + place[0];
  const words = mask[here] ? `is missing, at ${pixels(away[here])}` : "is known";
  const found = ratio > 0 && ratio <= AREA && mean > DEPTH ? " At most a tenth is missing, and deeper than the scribble: that is what the question asks for." : "";
  tell(readout, rows, `Pixel (${place.join(", ")}) ${words}.${found}`);
}
