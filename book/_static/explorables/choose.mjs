// Four fills of the same hole without their names: the reader chooses, and then sees what the
// measures would have chosen (chapter 3). Pictures and scores are choose.json's.

import { BLUE, INK, ORANGE, button, choice, eachFrame, element, frame, readJson, svg, tell } from "./figure.mjs";

const LETTERS = ["A", "B", "C", "D"];
const MEASURES = { psnr: ["PSNR", 2, " (dB)"], ssim: ["SSIM", 4, ""] };
const NAMES = { face: "a rendered face", coffee: "a cup of coffee", chelsea: "a cat", astronaut: "an astronaut" };

export async function load() {
  return (await readJson("choose.json")).rounds;
}

// Which fills a measure puts first: the best and all that are equal to it as far as is printed.
export function preferred(fills, measure) {
  const digits = MEASURES[measure][1];
  const best = Math.max(...fills.map((fill) => fill[measure])).toFixed(digits);
  return fills.flatMap((fill, k) => (fill[measure].toFixed(digits) === best ? [k] : []));
}

// --- the drawing ---------------------------------------------------------------------------------

const [PANEL, GAP, HEAD] = [256, 16, 26];
const WIDTH = 2 * PANEL + GAP;
const HEIGHT = 2 * (PANEL + HEAD) + GAP;

export function mount(host, rounds) {
  const state = { round: 0, chosen: null, agreed: { psnr: 0, ssim: 0 }, answered: new Set() };
  const parts = frame(host, {
    title: "Which fill do you prefer?",
    caption:
      "The same hole (thin frame), filled by Telea’s method, by the biharmonic equation and by two of the packaged networks, in an order drawn by lot. " +
      "Choose the picture that looks best before you see names and scores. Both measures compare the whole picture with the original. " +
      "LPIPS needs weights that are not packaged, and is left out here.",
  });
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
  parts.drawing.append(picture);
  const options = () => Object.fromEntries(LETTERS.map((letter) => [letter, letter]));
  const letters = choice("The best looking is", options(), null, (letter) => {
    if (!state.answered.has(state.round))
      for (const measure of Object.keys(MEASURES)) state.agreed[measure] += preferred(rounds[state.round].fills, measure).includes(LETTERS.indexOf(letter));
    state.answered.add(state.round);
    state.chosen = letter;
    redraw();
  });
  const next = button("next picture", () => {
    state.round = (state.round + 1) % rounds.length;
    state.chosen = letters.value = null;
    redraw();
  });
  letters.row.append(next);
  const table = element("div", { className: "explorable-wide" });
  parts.controls.append(letters.node, table);

  const redraw = eachFrame(() => {
    const round = rounds[state.round];
    const chosen = LETTERS.indexOf(state.chosen);
    picture.setAttribute("aria-label", `${NAMES[round.name]}, filled four ways: A and B above, C and D below`);
    picture.replaceChildren(...round.fills.flatMap((fill, k) => panel(round, fill, k, chosen)));
    table.replaceChildren(...(chosen < 0 ? [] : [scores(round.fills, chosen)]));
    describe(parts.readout, round, chosen, state, rounds.length);
    parts.note.textContent = chosen < 0 ? "Names and scores appear once you have chosen." : "Choose another to compare, or go on to the next picture.";
  });
  redraw();
}

function panel({ side, box, picture, truth }, { name, hole }, k, chosen) {
  const [x, y] = [(k % 2) * (PANEL + GAP), Math.floor(k / 2) * (PANEL + HEAD + GAP) + HEAD];
  const scale = PANEL / side;
  const [left, top, right, bottom] = box.map((place) => place * scale);
  const inside = { x: x + left, y: y + top, width: right - left, height: bottom - top };
  const label = chosen < 0 ? LETTERS[k] : `${LETTERS[k]}: ${name}`;
  const nodes = [
    svg("text", { x, y: y - 8, "font-size": 17, "font-weight": k === chosen ? 700 : 400, fill: INK }, label),
    svg("image", { x, y, width: PANEL, height: PANEL, href: picture }),
    svg("image", { ...inside, href: hole, preserveAspectRatio: "none" }),
    svg("rect", { ...inside, fill: "none", stroke: "#ffffff", "stroke-width": 0.8, opacity: 0.7 }),
  ];
  if (k === chosen) nodes.push(svg("rect", { x: x + 2, y: y + 2, width: PANEL - 4, height: PANEL - 4, fill: "none", stroke: ORANGE, "stroke-width": 4 }));
  if (k === chosen) nodes.push(...original(x, y, { left, top, right, bottom }, truth));
  return nodes;
}

// The original's hole, small, in the corner of the picture that was chosen.
function original(x, y, { left, top, right, bottom }, truth) {
  const size = 0.8;
  const [width, height] = [(right - left) * size, (bottom - top) * size];
  const at = { x: x + PANEL - width - 8, y: y + PANEL - height - 8, width, height };
  return [
    svg("image", { ...at, href: truth, preserveAspectRatio: "none" }),
    svg("rect", { ...at, fill: "none", stroke: BLUE, "stroke-width": 2.5 }),
    svg("text", { x: at.x + width, y: at.y - 6, "font-size": 15, "text-anchor": "end", class: "explorable-tick" }, "the original"),
  ];
}

function scores(fills, chosen) {
  const cell = (tag, text, strong) => element(tag, {}, strong ? element("strong", { textContent: text }) : text);
  const head = element("tr", {}, cell("th", ""), cell("th", "fill"), ...Object.values(MEASURES).map(([name, , unit]) => cell("th", name + unit)));
  const rows = fills.map((fill, k) => {
    const values = Object.entries(MEASURES).map(([measure, [, digits]]) => cell("td", fill[measure].toFixed(digits), preferred(fills, measure).includes(k)));
    return element("tr", {}, cell("td", k === chosen ? `${LETTERS[k]}, yours` : LETTERS[k]), cell("td", fill.name), ...values);
  });
  return element("table", { className: "explorable-table" }, element("thead", {}, head), element("tbody", {}, ...rows));
}

function describe(readout, { name, fills }, chosen, { agreed, answered, round }, count) {
  const rows = [["Picture", `${round + 1} of ${count}: ${NAMES[name]}`]];
  let words = "Four fills of one hole.";
  if (chosen >= 0) {
    const said = Object.entries(MEASURES).map(([measure, [title]]) => `${title} chooses ${preferred(fills, measure).map((k) => LETTERS[k]).join(" and ")}`);
    words = `You choose ${LETTERS[chosen]}, ${fills[chosen].name}; ${said.join(", ")}.`;
  }
  if (answered.size) for (const [measure, [title]] of Object.entries(MEASURES)) rows.push([`Agreed with ${title}`, `${agreed[measure]} of ${answered.size}`]);
  tell(readout, rows, words);
}
