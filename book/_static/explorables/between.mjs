// Chapter 11's way through a training: faces with the eyes covered, filled by weights on the straight
// line from those of stage one to those after it, with or without critics. All is between.json's.

import { BLUE, FAINT, INK, ORANGE, choice, eachFrame, frame, readJson, slider, svg, tell } from "./figure.mjs";

const NAMES = { without: "without critics", with: "with critics" };
const LOOK = { without: { stroke: BLUE }, with: { stroke: ORANGE, "stroke-dasharray": "7 3" } };

export function load() {
  return readJson("between.json");
}

const [COLUMNS, ROWS] = [44, 26]; // pixels of a piece of a face
const WIDTH = 440;
const SCALE = WIDTH / COLUMNS;
const SMALL = 4.8; // the truth's
const TOP = ROWS * SCALE + 34; // of what is below the fill
const PLOT = { left: 250, right: 434, top: TOP + 4, bottom: TOP + 128 };
const X = [5.5, 11.5]; // difference of neighbours
const Y = [18, 24]; // mean error

export function mount(host, data) {
  const { shares, faces, ways } = data;
  const state = { face: "0", way: "with", share: 0 };
  const parts = frame(host, {
    title: "From stage one to stage two, and beyond",
    caption:
      "Large, the fill by weights on the straight line from those of stage one (0 %) to those after 1,000 more steps (100 %), with ID-MRF in both cases; below it, the truth. " +
      "The curves are means over 64 faces, in grey levels: the mean error in the hole against the difference of neighbouring pixels, from 0 to 150 % of the way, dashed with critics. At 150 % the line goes on, half its length beyond its end.",
  });
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${PLOT.bottom + 36}`, role: "img" });
  parts.drawing.append(picture);
  const redraw = eachFrame(() => {
    const k = shares.indexOf(state.share);
    picture.setAttribute("aria-label", `face ${Number(state.face) + 1}, filled ${state.share} % of the way ${NAMES[state.way]}; the truth below it, and error against contrast`);
    picture.replaceChildren(...pieces(data, state, k), ...plot(ways, state.way, k));
    describe(parts.readout, data, state, k);
  });
  const change = (name) => (value) => {
    state[name] = value;
    redraw();
  };
  const labels = Object.fromEntries(faces.map((_, k) => [k, String(k + 1)]));
  const share = slider("share of the way (%)", shares, state.share, change("share"));
  share.node.classList.add("explorable-wide");
  parts.controls.append(
    choice("Trained on", NAMES, state.way, change("way")).node,
    share.node,
    choice("Face", labels, state.face, change("face")).node,
  );
  parts.note.textContent = "Faces 1 to 4 are those of the figure above; 5 and 6 were taken unseen.";
  redraw();
}

const PIXELS = { preserveAspectRatio: "none", style: "image-rendering: pixelated" };

function pieces({ shares, faces, ways }, { face, way }, k) {
  const { picture, box } = faces[face];
  const [left, top, right, bottom] = box;
  const [width, height] = [right - left, bottom - top];
  const sheet = svg("image", { y: -k * height, width, height: shares.length * height, href: ways[way].sheets[face], ...PIXELS });
  return [
    svg("image", { width: WIDTH, height: ROWS * SCALE, href: picture, ...PIXELS }),
    svg("svg", { x: left * SCALE, y: top * SCALE, width: width * SCALE, height: height * SCALE, viewBox: `0 0 ${width} ${height}`, overflow: "hidden" }, sheet),
    svg("text", { y: TOP - 10, class: "explorable-heading" }, "the truth"),
    svg("image", { y: TOP, width: COLUMNS * SMALL, height: ROWS * SMALL, href: picture, ...PIXELS }),
  ];
}

function plot(ways, way, k) {
  const { left, right, top, bottom } = PLOT;
  const x = (value) => left + ((value - X[0]) / (X[1] - X[0])) * (right - left);
  const y = (value) => bottom - ((value - Y[0]) / (Y[1] - Y[0])) * (bottom - top);
  const line = (x1, y1, x2, y2) => svg("line", { x1, y1, x2, y2, stroke: FAINT });
  const tick = (at, up, text, anchor) => svg("text", { x: at, y: up, "text-anchor": anchor, class: "explorable-heading" }, text);
  const nodes = [18, 20, 22, 24].flatMap((value) => [line(left, y(value), right, y(value)), tick(left - 6, y(value) + 4, value, "end")]);
  nodes.push(...[6, 8, 10].flatMap((value) => [line(x(value), top, x(value), bottom), tick(x(value), bottom + 15, value, "middle")]));
  nodes.push(tick(left - 24, top - 14, "mean error", "start"), tick(right, bottom + 31, "difference of neighbours", "end"));
  for (const name of Object.keys(NAMES)) {
    const { contrast, error } = ways[name];
    const points = contrast.map((value, at) => `${x(value)},${y(error[at])}`).join(" ");
    nodes.push(svg("polyline", { points, fill: "none", "stroke-width": 2.4, ...LOOK[name] }));
  }
  const { contrast, error } = ways[way];
  nodes.push(svg("circle", { cx: x(contrast[k]), cy: y(error[k]), r: 5.5, fill: LOOK[way].stroke, stroke: INK, "stroke-width": 1.4 }));
  return nodes;
}

function describe(readout, { ways, truth }, { way, share }, k) {
  const { error, contrast } = ways[way];
  const rows = [
    ["Mean error", `${error[k].toFixed(1)} grey levels`],
    ["Difference of neighbours", `${contrast[k].toFixed(1)} grey levels`],
    ["The same of the truth", `${truth.toFixed(1)} grey levels`],
  ];
  const after = `1,000 more steps ${NAMES[way]}`;
  const between = share < 100 ? `${share} % of the way to those after ${after}` : `${share - 100} % beyond those after ${after}`;
  const words = { 0: "The weights of stage one.", 100: `The weights after ${after}.` };
  tell(readout, rows, words[share] ?? `Weights ${between}.`);
}
