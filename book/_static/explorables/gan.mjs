// A small GAN in the plane that can be watched and stepped (chapter 7); the networks are gan-nets.mjs.

import { CARD, INK, ORANGE, choice, eachFrame, element, frame, heat, player, slider, svg, tell } from "./figure.mjs";
import { Game, coverage } from "./gan-nets.mjs";

const LOSSES = { "wgan-gp": "WGAN-GP", hinge: "hinge" };
const DATA = { spots: "eight spots", grid: "nine spots" };
const CRITIC_STEPS = [1, 2, 5, 10];
const SHOWN = 200; // points of each kind
const CELLS = 44; // of the landscape, along a side
const REACH = 1.6; // the plane is shown from −REACH to REACH
const BUDGET = 35; // milliseconds of work for one picture
const SIDE = 300;

export function mount(host) {
  const state = { loss: "wgan-gp", data: "spots", criticSteps: 5, seed: 0 };
  const parts = frame(host, {
    title: "A game in the plane",
    caption:
      "Two networks of two layers with 24 units. The generator turns noise into points (orange); the critic is trained to tell them from points of the data (white); " +
      "its value is the colour of the plane, low where dark, high where bright, and each fake point is drawn uphill. A spot counts as reached " +
      "when at least a fifth of its fair share of fakes lies in it. The penalty’s weight is 1.",
  });
  parts.note.textContent = "Press play. Then start again with one critic step, with the hinge loss, or from other weights, and watch which spots the fakes leave out.";
  const canvas = element("canvas", { width: CELLS, height: CELLS, ariaHidden: "true" });
  const over = svg("svg", { viewBox: `0 0 ${SIDE} ${SIDE}`, class: "explorable-over", role: "img", "aria-label": "real and fake points over the critic's values" });
  const map = element("div", { className: "explorable-map explorable-smooth" }, canvas, over);
  parts.drawing.append(map);

  let game, reals, noises;
  const reset = () => {
    game = new Game(state);
    reals = Array.from({ length: SHOWN }, () => game.real());
    noises = Array.from({ length: SHOWN }, () => game.noise()); // the same ones throughout
    redraw();
  };
  // At least one step; while it plays, as many as keep the page quick.
  const advance = (ticks) => {
    const began = performance.now();
    do game.step(state.loss, state.criticSteps);
    while (playing() && performance.now() - began < BUDGET * ticks);
    redraw();
    return true;
  };
  const buttons = player(advance, reset, parts.readout);
  const playing = () => buttons.node.firstChild.textContent === "pause";
  const change = (name, value, anew) => {
    state[name] = value;
    if (!anew) return redraw();
    buttons.stop();
    reset();
  };
  const other = element("button", { type: "button", textContent: "other weights", onclick: () => change("seed", state.seed + 1, true) });
  buttons.node.append(other);
  parts.controls.append(
    buttons.node,
    choice("Loss", LOSSES, state.loss, (loss) => change("loss", loss, true)).node,
    choice("Data", DATA, state.data, (data) => change("data", data, true)).node,
    slider("critic steps per generator step", CRITIC_STEPS, state.criticSteps, (n) => change("criticSteps", n, false)).node,
  );
  parts.controls.lastChild.classList.add("explorable-wide");

  const redraw = eachFrame(() => {
    const fakes = noises.map((noise) => game.fake(noise));
    landscape(canvas, game);
    over.replaceChildren(...points(reals, fakes));
    describe(parts.readout, game, reals, fakes, state);
  });
  reset();
}

const place = (value) => ((value + REACH) / (2 * REACH)) * SIDE;

function landscape(canvas, game) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(CELLS, CELLS);
  const at = (k) => ((k + 0.5) / CELLS) * 2 * REACH - REACH;
  const values = Float64Array.from({ length: CELLS ** 2 }, (_, k) => game.value([at(k % CELLS), -at(Math.floor(k / CELLS))]));
  const [low, high] = [Math.min(...values), Math.max(...values)];
  values.forEach((value, k) => image.data.set([...heat((value - low) / (high - low || 1)), 255], 4 * k));
  context.putImageData(image, 0, 0);
}

function points(reals, fakes) {
  const dot = ([x, y], look) => svg("circle", { cx: place(x).toFixed(1), cy: place(-y).toFixed(1), ...look });
  return [
    ...reals.map((point) => dot(point, { r: 2.2, fill: CARD, stroke: INK, "stroke-width": 0.6 })),
    ...fakes.map((point) => dot(point, { r: 2.6, fill: ORANGE, stroke: CARD, "stroke-width": 0.6 })),
  ];
}

function describe(readout, game, reals, fakes, { loss, criticSteps }) {
  const mean = (list) => list.reduce((sum, point) => sum + game.value(point), 0) / list.length;
  const { reached, share } = coverage(fakes, game.places);
  const rows = [
    ["Steps of the generator", String(game.steps)],
    ["Spots reached", `${reached} of ${game.places.length}`],
    ["Fakes in some spot", `${Math.round(100 * share)} %`],
    ["Critic: mean of real − of fake", (mean(reals) - mean(fakes)).toFixed(2).replace("-", "−")],
  ];
  if (loss === "wgan-gp") rows.push(["Norm of the critic’s gradient", game.norm === null ? "none yet" : game.norm.toFixed(2)]);
  tell(readout, rows, `${LOSSES[loss]}, ${criticSteps} critic ${criticSteps === 1 ? "step" : "steps"} for each step of the generator.`);
}
