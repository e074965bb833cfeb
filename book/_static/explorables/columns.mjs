// The columns of a trained network, switched on and off, and the square that each of them sees
// (chapter 4). The network is the page's own, faces-64, whose graph takes a gate for each column.

import { BLUE, FAINT, GREEN, ORANGE, choice, clamp, eachFrame, element, frame, movable, position, slider, svg, switches, tell } from "./figure.mjs";
import { SIDE, decode, distance, load as loadFace, paint } from "./surface.mjs";

export { decode };

const FILL = new URL("../fill/", import.meta.url);
const MODEL = "faces-64";
const COLUMNS = { 7: "7 × 7", 5: "5 × 5", 3: "3 × 3" };

// Side of the square of input that one output of a column's encoder and bottleneck can see: each
// layer adds (kernel − 1) · dilation · the strides before it.
export function receptiveField(kernel) {
  const layers = [[1, 1], [2, 1], [1, 1], [2, 1], [1, 1], [1, 1], ...[2, 4, 8, 16, 1, 1].map((dilation) => [1, dilation])];
  let [field, jump] = [1, 1];
  for (const [stride, dilation] of layers) {
    field += (kernel - 1) * dilation * jump;
    jump *= stride;
  }
  return field;
}

// The share of a picture of side × side that a square around a place of it covers.
export function seen(field, side, [x, y]) {
  const part = (at) => Math.min(side, at + 0.5 + field / 2) - Math.max(0, at + 0.5 - field / 2);
  return (part(x) * part(y)) / side ** 2;
}

// 1 = missing: rectangles [top, left, bottom, right).
const HOLES = { eyes: [22, 14, 36, 50], mouth: [42, 20, 54, 44], half: [4, 32, 60, 60] };
const HOLE_NAMES = { eyes: "eyes", mouth: "mouth", half: "half of the face" };

export function maskOf([top, left, bottom, right]) {
  return Uint8Array.from({ length: SIDE * SIDE }, (_, at) => {
    const [y, x] = [Math.floor(at / SIDE), at % SIDE];
    return y >= top && y < bottom && x >= left && x < right ? 1 : 0;
  });
}

// --- the drawing ---------------------------------------------------------------------------------

export async function load() {
  const [planes, manifest, { Engine }] = await Promise.all([
    loadFace(),
    fetch(new URL("manifest.json", FILL), { cache: "no-cache" }).then((answer) => answer.json()),
    import(new URL("engine.mjs", FILL)),
  ]);
  const here = (file) => new URL(file, FILL).href;
  const found = manifest.models.find(({ name }) => name === MODEL);
  const { script, binary } = manifest.runtime;
  const request = {
    runtime: { script: here(script), binary: { ...binary, name: "The runtime", file: here(binary.file) } },
    model: { ...found, name: "The network", file: here(found.file) },
  };
  return { planes, request, engine: new Engine(() => {}), bytes: binary.bytes + found.bytes };
}

const FIELD = 900; // pixels of the drawing of squares
const SIDES = [64, 128, 256, 512];
const LOOK = { 7: BLUE, 5: ORANGE, 3: GREEN };

export function mount(host, { planes, request, engine, bytes }) {
  const state = { open: new Set(["7", "5", "3"]), hole: "eyes", side: 256, at: [32, 28], fill: null, words: "" };
  const size = `${(bytes / 1e6).toFixed(1)} MB`;
  const parts = frame(host, {
    title: "Switch the columns off",
    caption:
      "Above, the packaged network <code>faces</code> fills the hole in your browser. A column that is off hands on two numbers a channel: its means over the missing and over the known places of this picture. " +
      "Below, the squares that one output of each column’s encoder and bottleneck can see around the pixel (853, 569 and 285 pixels), to scale, " +
      "over a picture of the side that you choose; what lies outside the picture is drawn as its mirror image, as the paper’s padding has it; this network sees zeros there.",
  });
  parts.note.textContent = `The first fill fetches ${size}, once. Click a pixel, or move there with the arrow keys.`;
  const canvas = element("canvas", { width: SIDE, height: SIDE, ariaHidden: "true" });
  const over = svg("svg", { viewBox: `0 0 ${SIDE} ${SIDE}`, class: "explorable-over explorable-hover" });
  const fields = svg("svg", { viewBox: `0 0 ${FIELD} ${FIELD * 0.98}`, role: "img", "aria-label": "the squares that the columns see, around the picture" });
  parts.drawing.append(element("div", { className: "explorable-map" }, canvas, over), fields);

  const press = element("button", { type: "button", textContent: "fill", onclick: () => fill() });
  const columns = switches("Columns that are on", COLUMNS, [...state.open], (kernel, on) => {
    state.open[on ? "add" : "delete"](kernel);
    fill();
  });
  columns.row.append(press);
  parts.controls.append(
    columns.node,
    choice("Hole", HOLE_NAMES, state.hole, (hole) => {
      state.hole = hole;
      whole = state.fill = null;
      if (asked) fill();
      redraw();
    }).node,
    slider("side of the picture (px)", SIDES, state.side, (side) => {
      state.side = side;
      redraw();
    }).node,
  );
  parts.controls.lastChild.classList.add("explorable-wide");

  const pixels = new Uint8ClampedArray(4 * SIDE * SIDE).fill(255);
  planes.forEach((plane, c) => plane.forEach((value, at) => (pixels[4 * at + c] = value)));
  const planesOf = (rgba) => planes.map((_, c) => Float64Array.from({ length: SIDE * SIDE }, (_, at) => rgba[4 * at + c]));
  let asked = 0;
  let whole = null; // the fill by all columns
  const ask = async (gates, mask) => planesOf((await engine.ask({ task: "fill", width: SIDE, height: SIDE, pixels, mask, gates, ...request })).pixels);
  const fill = async () => {
    const ticket = ++asked;
    const mask = maskOf(HOLES[state.hole]);
    const gates = Object.keys(COLUMNS).reverse().map((kernel) => Number(state.open.has(kernel)));
    state.words = whole || state.fill ? "" : `Fetching ${size} …`;
    redraw();
    try {
      const [all, gated] = [whole ?? (await ask([1, 1, 1], mask)), await ask(gates, mask)];
      if (ticket !== asked) return;
      [whole, state.fill, state.words] = [all, gated, ""];
      parts.note.textContent = "Click a pixel, or move there with the arrow keys.";
    } catch (error) {
      if (ticket === asked) state.words = error.message;
    }
    redraw();
  };

  const moveTo = (x, y) => {
    state.at = [x, y].map((place) => clamp(Math.floor(place), 0, SIDE - 1));
    redraw();
  };
  movable(over, "The face; arrow keys move the pointer", (dx, dy) => moveTo(state.at[0] + 2 * dx, state.at[1] + 2 * dy));
  over.addEventListener("pointerdown", (event) => event.isPrimary && moveTo(...position(event, over, SIDE, SIDE)));

  const redraw = eachFrame(() => {
    const mask = maskOf(HOLES[state.hole]);
    paint(canvas, state.fill ?? planes.map((plane) => plane.map((value, at) => (mask[at] ? 127.5 : value))));
    const [top, left, bottom, right] = HOLES[state.hole];
    const [x, y] = state.at;
    over.replaceChildren(
      svg("rect", { x: left, y: top, width: right - left, height: bottom - top, fill: "none", stroke: ORANGE, "stroke-width": 0.4 }),
      svg("circle", { cx: x + 0.5, cy: y + 0.5, r: 1, fill: BLUE, stroke: "#ffffff", "stroke-width": 0.4 }),
    );
    fields.replaceChildren(...squares(canvas, state));
    describe(parts.readout, planes, whole, mask, state);
  });
  redraw();
}

// The pixel of a picture of another side that lies where the pointer is.
const scaled = ({ at, side }) => at.map((place) => Math.floor(((place + 0.5) * side) / SIDE));

function squares(canvas, state) {
  const [x, y] = scaled(state);
  const middle = [FIELD / 2, FIELD * 0.49];
  const picture = { x: middle[0] - x, y: middle[1] - y, width: state.side, height: state.side };
  const nodes = [
    svg("rect", { x: 0, y: 0, width: FIELD, height: FIELD * 0.98, fill: FAINT, opacity: 0.4 }),
    svg("image", { ...picture, href: canvas.toDataURL() }),
  ];
  for (const kernel of [7, 5, 3]) {
    const field = receptiveField(kernel);
    const [left, top] = middle.map((place) => place - field / 2);
    const off = !state.open.has(String(kernel));
    nodes.push(
      svg("rect", { x: left, y: top, width: field, height: field, fill: "none", stroke: LOOK[kernel], "stroke-width": 5, ...(off && { "stroke-dasharray": "8 14" }) }),
      svg("text", { x: left + 12, y: top + field + (kernel === 7 ? -12 : 38), "font-size": 38, fill: LOOK[kernel], class: "explorable-halo" }, `${kernel} × ${kernel}: ${field} px${off ? ", off" : ""}`),
    );
  }
  nodes.push(svg("circle", { cx: middle[0], cy: middle[1], r: 7, fill: BLUE, stroke: "#ffffff", "stroke-width": 3 }));
  return nodes;
}

function describe(readout, planes, whole, mask, state) {
  const place = scaled(state);
  const rows = [7, 5, 3].map((kernel) => {
    const field = receptiveField(kernel);
    return [`${kernel} × ${kernel} sees, of the picture`, `${Math.round(100 * seen(field, state.side, place))} %`];
  });
  if (state.fill) {
    rows.push(["Mean error in the hole, grey levels", distance(state.fill, planes, mask).mean.toFixed(1)]);
    rows.push(["Mean change by what is off", distance(state.fill, whole, mask).mean.toFixed(1)]);
  }
  const on = [7, 5, 3].filter((kernel) => state.open.has(String(kernel)));
  const names = on.length ? `On: ${on.map((kernel) => COLUMNS[kernel]).join(", ")}.` : "All columns are off: of what they see, the decoder gets the means only. It adds one shade to the smooth fill that the network starts from, the same everywhere in the hole but near its rim.";
  tell(readout, rows, state.words || `${names} Pixel (${place.join(", ")}) of a picture of ${state.side} pixels.`);
}
