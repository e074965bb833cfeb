// Which patches four rules match, between a fill and its target (chapter 8). The first half is the
// arithmetic, which needs no page; the second draws it.
//
// A matrix of N × N numbers lies row by row: rows are patches v of the fill, columns patches s of
// the target. Both lie on a grid of `side` × `side` positions in the hole.

import { BLUE, FAINT, INK, ORANGE, choice, clamp, css, eachFrame, frame, heat, movable, position, readJson, svg, tell } from "./figure.mjs";

const BANDWIDTH = 0.5;
const EPSILON = 1e-5;

// The committed example: {side, count, cosine, fill, target}.
export async function load() {
  return decode(await readJson("forehead.json"));
}

export function decode({ side, scale, cosines, fill, target }) {
  return { side, count: side * side, scale, cosine: unpack(cosines, scale), fill, target };
}

export function unpack(cosines, scale) {
  const bytes = Uint8Array.from(atob(cosines), (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Float64Array.from({ length: bytes.length / 2 }, (_, k) => view.getInt16(2 * k, true) / scale);
}

// R̄S: how each v divides one unit of attention among all s. A softmax over its cosines, whose
// temperature falls as v comes closer to its nearest s.
export function shares(cosine, count, bandwidth = BANDWIDTH, epsilon = EPSILON) {
  const share = new Float64Array(cosine.length);
  for (let v = 0; v < count; v++) {
    const row = cosine.subarray(v * count, (v + 1) * count);
    const largest = row.reduce((a, b) => Math.max(a, b));
    const scale = 0.5 / (bandwidth * (0.5 * (1 - largest) + epsilon));
    let sum = 0;
    row.forEach((c, s) => (sum += share[v * count + s] = Math.exp((c - largest) * scale)));
    for (let s = 0; s < count; s++) share[v * count + s] /= sum;
  }
  return share;
}

// For each patch that asks, the number of the patch that answers: the largest of its row, if the
// fill asks, or of its column.
export function matches(matrix, count, fillAsks) {
  return Int32Array.from({ length: count }, (_, asker) => {
    let best = 0;
    for (let other = 1; other < count; other++)
      if (entry(matrix, count, fillAsks, asker, other) > entry(matrix, count, fillAsks, asker, best)) best = other;
    return best;
  });
}

function entry(matrix, count, fillAsks, asker, other) {
  return fillAsks ? matrix[asker * count + other] : matrix[other * count + asker];
}

// The four rules by who asks and how nearness is measured: their names and losses.
const RULES = {
  fill: { distance: "nearest neighbour", share: "relative neighbour" },
  target: { distance: "completeness", share: "ID-MRF" },
};

// What follows from a rule: {name, answers, strengths, loss}; the strength of a match is 1 where
// distances count, and the share of attention where shares do.
export function judge({ count, cosine }, share, who, near) {
  const fillAsks = who === "fill";
  const relative = near === "share";
  const matrix = relative ? share : cosine;
  const answers = matches(matrix, count, fillAsks);
  const values = Float64Array.from(answers, (other, asker) => entry(matrix, count, fillAsks, asker, other));
  const mean = values.reduce((a, b) => a + b) / count;
  return {
    name: RULES[who][near],
    answers,
    strengths: relative ? values : values.map(() => 1),
    loss: relative ? -Math.log(mean) : (1 - mean) / 2,
  };
}

// --- the drawing ---------------------------------------------------------------------------------

const PANEL = 280;
const GAP = 24;
const HEAD = 22;
const FOOT = 24;
const WIDTH = 2 * PANEL + GAP;
const HEIGHT = HEAD + PANEL + FOOT;
const WHO = { fill: "each fill patch", target: "each target patch" };
const NEAR = { distance: "small distance d", share: "large share R̄S" };
const FEATURES = { drawn: "drawn weights (VGG19)", trained: "trained weights (GMCNN)" };
const SIDES = ["fill", "target"];
const NAMES = { fill: "Fill", target: "Target" };

export function mount(host, data) {
  const { side, count } = data;
  let share = shares(data.cosine, count);
  const state = { who: "fill", near: "distance", on: "fill", at: 0 };
  const parts = frame(host, {
    title: "Who is matched with whom?",
    caption:
      "Left, Telea’s fill; right, the target, each as 14 × 14 patches of features. Lines join the patch under the pointer " +
      "with its match, and with all that share this match. A ring’s area is the number of matches that a patch has; " +
      "where shares count, rings and lines are as strong as the shares. Colours compare the patch under the pointer " +
      "with each patch of the other side. The features are those of the chapter’s network, or of a trained one: the encoder of the packaged " +
      "generator <code>celeba</code>, column 3 × 3. Nobody trained it to tell objects apart, as the paper’s VGG was.",
  });
  parts.drawing.parentNode.classList.add("explorable-stacked");
  parts.note.textContent = "Point at a patch, on either side, or move with the arrow keys: past the edge they cross to the other side.";
  const ask = (who) => {
    Object.assign(state, { who, on: who }); // a patch that asks always has a match to be seen
    redraw();
  };
  const measure = (near) => {
    state.near = near;
    redraw();
  };
  const cosines = { drawn: data.cosine };
  const take = async (features) => {
    state.features = features;
    try {
      cosines[features] ??= unpack((await readJson("forehead-trained.json")).cosines, data.scale);
    } catch (error) {
      parts.note.textContent = `${error.message}; the features are still the first.`;
      return;
    }
    if (state.features !== features) return; // another choice came meanwhile
    data = { ...data, cosine: cosines[features] };
    share = shares(data.cosine, count);
    redraw();
  };
  parts.controls.append(
    choice("Who asks", WHO, state.who, ask).node,
    choice("Near means", NEAR, state.near, measure).node,
    choice("Features of a network with", FEATURES, "drawn", take).node,
  );

  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "explorable-drag" });
  parts.drawing.append(picture);
  movable(picture, "Patches of the fill, left, and of the target, right; arrow keys move from patch to patch", (dx, dy) => {
    let column = (state.at % side) + dx + side * SIDES.indexOf(state.on);
    const row = clamp(Math.floor(state.at / side) + dy, 0, side - 1);
    column = clamp(column, 0, 2 * side - 1);
    Object.assign(state, { on: SIDES[Math.floor(column / side)], at: row * side + (column % side) });
    redraw();
  });
  const follow = (event) => {
    const [x, y] = position(event, picture, WIDTH, HEIGHT);
    const on = x < PANEL + GAP / 2 ? 0 : 1;
    const column = clamp(Math.floor(((x - on * (PANEL + GAP)) / PANEL) * side), 0, side - 1);
    const row = clamp(Math.floor(((y - HEAD) / PANEL) * side), 0, side - 1);
    Object.assign(state, { on: SIDES[on], at: row * side + column });
    redraw();
  };
  picture.addEventListener("pointermove", follow);
  picture.addEventListener("pointerdown", follow);

  // Begin where the trouble is: at the middlemost of the patches that share the commonest match.
  const first = judge(data, share, "fill", "distance").answers;
  const popular = commonest(first, count);
  const away = (at) => Math.hypot((at % side) - side / 2, Math.floor(at / side) - side / 2);
  state.at = Array.from(first.keys()).filter((v) => first[v] === popular).reduce((a, b) => (away(b) < away(a) ? b : a));

  const live = svg("g"); // over the pictures, which stay
  picture.append(...panels(data), live);
  const redraw = eachFrame(() => {
    const rule = judge(data, share, state.who, state.near);
    const matrix = state.near === "share" ? share : data.cosine;
    live.replaceChildren(...comparison(data, matrix, state), ...received(data, rule, state.who), ...lines(data, rule, state));
    describe(parts.readout, data, rule, matrix, state);
  });
  redraw();
}

function tally(answers, strengths, count) {
  const total = new Float64Array(count);
  answers.forEach((answer, asker) => (total[answer] += strengths[asker]));
  return total;
}

function commonest(answers, count) {
  const votes = tally(answers, answers.map(() => 1), count);
  return votes.indexOf(Math.max(...votes));
}

// The middle of a patch.
function place(on, at, side) {
  const cell = PANEL / side;
  return [(on === "target" ? PANEL + GAP : 0) + ((at % side) + 0.5) * cell, HEAD + (Math.floor(at / side) + 0.5) * cell];
}

function panels({ fill, target }) {
  const label = (x, text) => svg("text", { x, y: 14, class: "explorable-heading" }, text);
  const image = (x, href) => svg("image", { x, y: HEAD, width: PANEL, height: PANEL, href, preserveAspectRatio: "none" });
  return [label(0, "fill, patches v"), label(PANEL + GAP, "target, patches s"), image(0, fill), image(PANEL + GAP, target)];
}

// How the patch under the pointer compares with each patch of the other side.
function comparison({ side, count }, matrix, { on, at, near }) {
  const other = on === "fill" ? "target" : "fill";
  const values = Array.from({ length: count }, (_, k) => entry(matrix, count, on === "fill", at, k));
  const largest = Math.max(...values);
  const cell = PANEL / side;
  const nodes = values.map((value, k) => {
    const [x, y] = place(other, k, side);
    const colour = css(heat(Math.max(value, 0) / largest));
    return svg("rect", { x: x - cell / 2 + 1, y: y - cell / 2 + 1, width: cell - 2, height: cell - 2, fill: colour, opacity: 0.72 });
  });
  const left = other === "target" ? PANEL + GAP : 0;
  const y = HEAD + PANEL + 8;
  for (let k = 0; k < 24; k++) nodes.push(svg("rect", { x: left + k * 4, y, width: 4.3, height: 9, fill: css(heat((k + 0.5) / 24)) }));
  nodes.push(svg("text", { x: left + 104, y: y + 9, class: "explorable-heading" }, `${near === "share" ? "share" : "cosine"}, up to ${largest.toFixed(largest < 0.1 ? 3 : 2)}`));
  return nodes;
}

// Rings: area for the number of matches, or for the shares that come with them.
function received({ side, count }, rule, who) {
  const on = who === "fill" ? "target" : "fill";
  return Array.from(tally(rule.answers, rule.strengths, count), (total, k) => {
    const [cx, cy] = place(on, k, side);
    return svg("circle", { cx, cy, r: 2.6 * Math.sqrt(total), fill: "none", stroke: ORANGE, "stroke-width": 2 });
  });
}

// [asker, answer, strength] of the matches to be drawn.
function shown(rule, { who, on, at }) {
  const answer = on === who ? rule.answers[at] : at;
  return Array.from(rule.answers.keys())
    .filter((asker) => rule.answers[asker] === answer)
    .map((asker) => [asker, answer, rule.strengths[asker]]);
}

function lines({ side }, rule, state) {
  const other = state.who === "fill" ? "target" : "fill";
  const nodes = [];
  for (const [asker, answer, strength] of shown(rule, state)) {
    const own = state.on !== state.who || asker === state.at;
    const [from, to] = [place(state.who, asker, side), place(other, answer, side)];
    const ends = { x1: from[0], y1: from[1], x2: to[0], y2: to[1] };
    const look = { "stroke-width": 0.5 + 2.2 * Math.sqrt(strength), opacity: own ? 1 : 0.45 };
    nodes.push(svg("line", { ...ends, stroke: FAINT, ...look, "stroke-width": look["stroke-width"] + 1.2, opacity: look.opacity * 0.6 }));
    nodes.push(svg("line", { ...ends, stroke: BLUE, ...look }));
    nodes.push(svg("circle", { cx: from[0], cy: from[1], r: 2.6, fill: BLUE, stroke: FAINT, "stroke-width": 0.8 }));
    nodes.push(svg("circle", { cx: to[0], cy: to[1], r: 3.2, fill: ORANGE, stroke: FAINT, "stroke-width": 0.8 }));
  }
  const [x, y] = place(state.on, state.at, side);
  const half = PANEL / side / 2;
  for (const [stroke, width] of [["#ffffff", 5], [INK, 2.5]])
    nodes.push(svg("rect", { x: x - half, y: y - half, width: 2 * half, height: 2 * half, rx: 2, fill: "none", stroke, "stroke-width": width }));
  return nodes;
}

function describe(readout, { side, count }, rule, matrix, state) {
  const { who, near, on, at } = state;
  const [asked, asking] = who === "fill" ? ["target", "fill"] : ["fill", "target"];
  const votes = tally(rule.answers, rule.answers.map(() => 1), count);
  const here = shown(rule, state);
  const name = `${NAMES[on]} patch in row ${Math.floor(at / side) + 1}, column ${(at % side) + 1}`;
  let words;
  if (on === who) {
    const value = entry(matrix, count, who === "fill", at, rule.answers[at]);
    const measure = near === "distance" ? `cosine ${value.toFixed(2)}` : `share ${value.toFixed(3)}`;
    words = `Its match has ${measure}. Patches of the ${asking} with this match: ${here.length}.`;
  } else {
    const total = here.reduce((sum, [, , strength]) => sum + strength, 0);
    const sum = near === "share" && here.length ? `, with shares that sum to ${total.toFixed(3)}` : "";
    words = `Patches of the ${asking} that have it as their match: ${here.length}${sum}.`;
  }
  const soft = rule.name === "ID-MRF" ? ` = log N / K, with K = ${(count * Math.exp(-rule.loss)).toFixed(1)}` : "";
  const rows = [
    ["Rule", rule.name],
    [`${NAMES[asked]} patches matched`, `${votes.filter((n) => n > 0).length} of ${count}`],
    ["The most popular one", `${Math.max(...votes)} times`],
    ["Loss", rule.loss.toFixed(2) + soft],
  ];
  tell(readout, rows, `${name}. ${words}`);
}
