// What squeeze-and-excitation and A² do with one small picture that may have a hole (chapter 9), with
// the chapter's weights by hand. The first half is the arithmetic, which needs no page; the second
// draws it.
//
// A picture is {side, red, green, blue: lists of side² numbers from 0 to 1, row by row}.

import { CARD, INK, ORANGE, choice, clamp, draggable, eachFrame, element, frame, heat, movable, position, readJson, slider, svg, switches, tell } from "./figure.mjs";

export async function load() {
  const { side, pixels } = await readJson("attention.json");
  return { side, pixels };
}

export const COLOURS = {
  white: [0.9, 0.9, 0.85],
  orange: [0.75, 0.4, 0.15],
  red: [0.65, 0.15, 0.1],
  maroon: [0.45, 0.2, 0.1],
  dark: [0.15, 0.05, 0.05],
};

// Three lists, of red, green and blue, from bytes that lie pixel by pixel; what is in the hole is 0.
export function planes(bytes, side, hole) {
  return [0, 1, 2].map((c) => Float64Array.from({ length: side * side }, (_, p) => (inHole(p, side, hole) ? 0 : bytes[3 * p + c] / 255)));
}

export function inHole(p, side, { left, top, size }) {
  const [x, y] = [(p % side) - left, Math.floor(p / side) - top];
  return x >= 0 && y >= 0 && x < size && y < size;
}

const mean = (list) => list.reduce((a, b) => a + b, 0) / list.length;

// The fourth channel: how much the mean of the colours changes from pixel to pixel, from 0 to 1.
export function edges(colours, side) {
  const grey = colours[0].map((_, p) => mean(colours.map((plane) => plane[p])));
  const slope = (at, from, to) => (grey[at(to)] - grey[at(from)]) / (to - from);
  return grey.map((_, p) => {
    const [x, y] = [p % side, Math.floor(p / side)];
    const [before, after] = [(k) => Math.max(k - 1, 0), (k) => Math.min(k + 1, side - 1)];
    const across = slope((u) => y * side + u, before(x), after(x));
    const down = slope((v) => v * side + x, before(y), after(y));
    return clamp(4 * Math.hypot(across, down), 0, 1);
  });
}

// Squeeze-and-excitation: a mean a channel, one hidden unit that looks at the edges, a weight a channel.
export function squeezeExcite(channels) {
  const z = channels.map(mean);
  const hidden = Math.max(0, 20 * z[3] - 3);
  const sigmoid = (a) => 1 / (1 + Math.exp(-a));
  return { z, hidden, s: z.map((_, c) => sigmoid(c < 3 ? 2 - hidden : hidden - 2)) };
}

function softmax(values) {
  const largest = Math.max(...values);
  const raised = values.map((value) => Math.exp(value - largest));
  const sum = raised.reduce((a, b) => a + b, 0);
  return raised.map((value) => value / sum);
}

// A² for maps that look for the colours in `sought`: `where` each map gathers, `which` descriptors each
// position takes (both a list for each map), the descriptors, and what each position receives.
export function doubleAttention(colours, sought, sharpness) {
  const positions = Array.from(colours[0].keys());
  const logits = sought.map((a) => positions.map((p) => -sharpness * a.reduce((sum, value, c) => sum + (colours[c][p] - value) ** 2, 0)));
  const where = logits.map(softmax);
  const shares = positions.map((p) => softmax(logits.map((row) => row[p])));
  const which = sought.map((_, k) => shares.map((share) => share[k]));
  const descriptors = where.map((row) => colours.map((plane) => row.reduce((sum, weight, p) => sum + weight * plane[p], 0)));
  const received = colours.map((_, c) => shares.map((share) => share.reduce((sum, weight, k) => sum + weight * descriptors[k][c], 0)));
  return { where, which, descriptors, received };
}

// Column p of the N × N matrix: how position p mixes all positions.
export function column({ where, which }, p) {
  return where[0].map((_, q) => where.reduce((sum, row, k) => sum + row[q] * which[k][p], 0));
}

// How many equal shares are spread out as much as these.
export function effective(shares) {
  return Math.exp(-shares.reduce((sum, share) => sum + (share > 0 ? share * Math.log(share) : 0), 0));
}

// --- the drawing ---------------------------------------------------------------------------------

const BLOCKS = { a2: "A²", se: "squeeze-and-excitation" };
const PICTURES = { cup: "cup", rocket: "rocket" };
const HOLES = [0, 6, 8, 10, 12, 14, 16];
const SHARPNESS = [0, 1, 3, 10, 20, 50, 100, 1000];
const CHANNELS = ["red", "green", "blue", "edges"];
const [WIDE, PANEL, SMALL, GAP, HEAD] = [520, 160, 88, 20, 24];
const ROW = HEAD + PANEL + 34; // where the small maps begin
const TALL = ROW + SMALL + 32;
const DENSE = 2; // pixels of the canvas for one unit

export function mount(host, { side, pixels }) {
  const state = { block: "a2", picture: "cup", sharpness: 20, names: Object.keys(COLOURS), hole: { left: 12, top: 12, size: 0 }, at: 3 * side + 7 };
  const parts = frame(host, {
    title: "What an attention block takes from where",
    caption:
      "The weights are the chapter’s, set by hand. For A², the middle shows how much of each position the marked one receives: one column of the <em>N</em> × <em>N</em> matrix, " +
      "divided by its largest entry. Below, where each map gathers (also divided by its largest), its descriptor as a patch of colour, and the share of it that the marked position takes. " +
      "For squeeze-and-excitation, the middle is how much each position counts in the means <em>z</em>: all alike. Below are the four channels, each multiplied by its weight <em>s</em>.",
  });
  parts.drawing.parentNode.classList.add("explorable-stacked");
  parts.note.textContent =
    "Point at a position in any picture. Give the picture a hole and drag it in the input. By keyboard: arrows move the mark, with Shift the hole.";
  const bytes = Object.fromEntries(Object.entries(pixels).map(([name, text]) => [name, Uint8Array.from(atob(text), (c) => c.charCodeAt(0))]));

  const set = (name) => (value) => {
    state[name] = value;
    enable();
    redraw();
  };
  const maps = switches("Maps of A², each looking for", Object.fromEntries(state.names.map((name) => [name, name])), state.names, (name, on) => {
    const names = Object.keys(COLOURS).filter((each) => (each === name ? on : state.names.includes(each)));
    if (names.length) state.names = names;
    else maps.inputs.find((input) => input.value === name).checked = true; // one map there must be
    redraw();
  });
  const sharpness = slider("sharpness β of A²", SHARPNESS, state.sharpness, set("sharpness"));
  const enable = () => [sharpness.input, ...maps.inputs].forEach((input) => (input.disabled = state.block === "se"));
  const resize = (size) => {
    const middle = (corner) => corner + state.hole.size / 2;
    moveHole(middle(state.hole.left) - size / 2, middle(state.hole.top) - size / 2, size);
  };
  parts.controls.append(
    choice("Block", BLOCKS, state.block, set("block")).node,
    choice("Picture", PICTURES, state.picture, set("picture")).node,
    maps.node,
    sharpness.node,
    slider("side of the hole (px)", HOLES, 0, resize).node,
  );

  const canvas = element("canvas", { width: DENSE * WIDE, height: DENSE * TALL });
  canvas.setAttribute("aria-hidden", "true");
  canvas.style.aspectRatio = `${WIDE} / ${TALL}`;
  const over = svg("svg", { viewBox: `0 0 ${WIDE} ${TALL}`, class: "explorable-over explorable-drag" });
  parts.drawing.append(element("div", { className: "explorable-map" }, canvas, over));

  const moveHole = (left, top, size = state.hole.size) => {
    const within = (corner) => clamp(Math.round(corner), 0, side - size);
    state.hole = { left: within(left), top: within(top), size };
    redraw();
  };
  const moveMark = (x, y) => {
    state.at = clamp(y, 0, side - 1) * side + clamp(x, 0, side - 1);
    redraw();
  };
  movable(over, "The input and the maps of the block; arrow keys move the mark, with Shift the hole", (dx, dy, event) => {
    if (event.shiftKey) moveHole(state.hole.left + dx, state.hole.top + dy);
    else moveMark((state.at % side) + dx, Math.floor(state.at / side) + dy);
  });
  // The position under the pointer, in whichever picture; null between them.
  const under = (event) => {
    const [x, y] = position(event, over, WIDE, TALL);
    for (const [left, top, size] of places(5)) {
      const [u, v] = [x - left, y - top].map((distance) => Math.floor((distance / size) * side));
      if (u >= 0 && v >= 0 && u < side && v < side) return [u, v, left === 0 && top === HEAD];
    }
    return null;
  };
  const follow = (event) => {
    const found = event.isPrimary && under(event);
    if (found) moveMark(found[0], found[1]);
    return found;
  };
  let grip = null; // where in the hole it is held
  over.addEventListener("pointermove", (event) => grip || follow(event));
  draggable(over, (event, first) => {
    const found = follow(event);
    if (first) grip = null;
    if (!found || !found[2]) return;
    const { left, top } = state.hole;
    if (first && inHole(found[1] * side + found[0], side, state.hole)) grip = [found[0] - left, found[1] - top];
    else if (grip) moveHole(found[0] - grip[0], found[1] - grip[1]);
  });
  for (const end of ["pointerup", "pointercancel"]) over.addEventListener(end, () => (grip = null));

  const redraw = eachFrame(() => {
    const colours = planes(bytes[state.picture], side, state.hole);
    const seen = state.block === "a2" ? attended(colours, state) : squeezed(colours, side);
    paint(canvas, side, [colours, ...seen.tiles]);
    over.replaceChildren(...labels(side, state, seen));
    tell(parts.readout, seen.rows, `${where(side, state)}. ${seen.words}`);
  });
  redraw();
}

// The pictures' corners and sides: three large ones, and a row of small ones.
function places(count) {
  const large = [0, 1, 2].map((k) => [k * (PANEL + GAP), HEAD, PANEL]);
  return [...large, ...Array.from({ length: count }, (_, k) => [k * (SMALL + GAP), ROW, SMALL])];
}

const percent = (share) => `${Math.round(100 * share)} %`;
const relative = (map) => map.map((value) => value / Math.max(...map));
const rgb = (colour) => `rgb(${colour.map((c) => Math.round(255 * clamp(c, 0, 1))).join(" ")})`;

// A tile is three planes of colour, or one list of 0 to 1 for the heat map.
function attended(colours, { names, sharpness, at }) {
  const found = doubleAttention(colours, names.map((name) => COLOURS[name]), sharpness);
  const mix = column(found, at);
  const shares = found.which.map((map) => map[at]);
  const most = shares.indexOf(Math.max(...shares));
  return {
    tiles: [relative(mix), found.received, ...found.where.map(relative)],
    heads: ["input", "taken from", "all receive"],
    below: names.map((name, k) => [name, percent(shares[k]), rgb(found.descriptors[k])]),
    rows: [
      ["It takes from, in effect", `${effective(mix).toFixed(0)} of ${mix.length} positions`],
      ["Descriptors that it mixes, in effect", `${effective(shares).toFixed(1)} of ${shares.length}`],
      ["Weights instead of N²", `${(2 * names.length * mix.length).toLocaleString("en")}, not ${(mix.length ** 2).toLocaleString("en")}`],
    ],
    words: `It takes most from the map of ${names[most]}: ${percent(shares[most])}.`,
  };
}

function squeezed(colours, side) {
  const channels = [...colours, edges(colours, side)];
  const { z, hidden, s } = squeezeExcite(channels);
  const scaled = channels.map((plane, c) => plane.map((value) => value * s[c]));
  return {
    tiles: [colours[0].map(() => 0.5), scaled.slice(0, 3), ...scaled],
    heads: ["input", "counts in z", "scaled"],
    below: CHANNELS.map((name, c) => [name, `× ${s[c].toFixed(2)}`, null]),
    rows: [
      ["Means z of red, green, blue and edges", z.map((value) => value.toFixed(2)).join(", ")],
      ["Hidden unit, from the mean of the edges", hidden.toFixed(2)],
      ["Weights of colours and of edges", `${s[0].toFixed(2)} and ${s[3].toFixed(2)}`],
    ],
    words: `It counts 1 / ${side * side} in each mean, like every other, and its channels are multiplied by the same weights.`,
  };
}

function where(side, { at, hole }) {
  const missing = inHole(at, side, hole) ? ", missing" : "";
  return `Row ${Math.floor(at / side) + 1}, column ${(at % side) + 1}${missing}`;
}

function paint(canvas, side, tiles) {
  const context = canvas.getContext("2d");
  context.fillStyle = CARD;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingEnabled = false;
  const small = element("canvas", { width: side, height: side });
  const own = small.getContext("2d");
  places(tiles.length - 3).forEach((place, k) => {
    const image = own.createImageData(side, side);
    const tile = tiles[k];
    for (let p = 0; p < side * side; p++) {
      const colour = tile.length === 3 ? tile.map((plane) => 255 * clamp(plane[p], 0, 1)) : heat(tile[p]);
      image.data.set([...colour, 255], 4 * p);
    }
    own.putImageData(image, 0, 0);
    const [left, top, size] = place.map((length) => DENSE * length);
    context.drawImage(small, left, top, size, size);
  });
}

function labels(side, { at, hole }, { heads, below }) {
  const nodes = [];
  const text = (x, y, words) => svg("text", { x, y, class: "explorable-heading" }, words);
  const box = (x, y, size, stroke, width) => svg("rect", { x, y, width: size, height: size, fill: "none", stroke, "stroke-width": width });
  places(below.length).forEach(([left, top, size], k) => {
    const cell = size / side;
    const [x, y] = [left + (at % side) * cell, top + Math.floor(at / side) * cell];
    if (hole.size) nodes.push(box(left + hole.left * cell, top + hole.top * cell, hole.size * cell, "#ffffff", 1));
    nodes.push(box(x - 1.5, y - 1.5, cell + 3, "#ffffff", 3.5), box(x - 1.5, y - 1.5, cell + 3, ORANGE, 2));
    if (k < 3) nodes.push(text(left, HEAD - 7, heads[k]));
  });
  below.forEach(([name, number, colour], k) => {
    const left = k * (SMALL + GAP);
    nodes.push(text(left, ROW - 7, name), text(left, ROW + SMALL + 17, number));
    if (colour) nodes.push(svg("rect", { x: left + SMALL - 26, y: ROW + SMALL + 5, width: 26, height: 14, fill: colour, stroke: INK, "stroke-width": 0.8 }));
  });
  return nodes;
}
