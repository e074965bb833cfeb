// min over x, max over y of x · y, played by two Adams with noise in their gradients, and the running
// average of the positions (chapter 11). The first half needs no page; the second draws it.

import { BLUE, FAINT, INK, ORANGE, clamp, draggable, eachFrame, frame, movable, player, position, slider, svg, tell } from "./figure.mjs";
import { randomNumbers } from "./random.mjs";

// Adam's step for one number; `memory` is kept by its owner.
export function adam(memory, gradient, { rate, beta1, beta2 }) {
  memory.steps += 1;
  memory.mean = beta1 * memory.mean + (1 - beta1) * gradient;
  memory.square = beta2 * memory.square + (1 - beta2) * gradient * gradient;
  const mean = memory.mean / (1 - beta1 ** memory.steps);
  const size = Math.sqrt(memory.square / (1 - beta2 ** memory.steps));
  return (-rate * mean) / (size + 1e-8);
}

const fresh = () => ({ steps: 0, mean: 0, square: 0 });

// One game from a place on; round() is one step of x and some of y.
export class Game {
  constructor([x, y], seed = 0) {
    Object.assign(this, { x, y, rounds: 0, average: [x, y], of: { x: fresh(), y: fresh() } });
    this.random = randomNumbers(seed);
  }

  round(settings) {
    const { noise, criticSteps, decay } = settings;
    this.x += adam(this.of.x, this.y + noise * this.random.normal(), settings);
    for (let k = 0; k < criticSteps; k++) this.y += adam(this.of.y, -this.x + noise * this.random.normal(), settings);
    this.rounds += 1;
    const keep = Math.min(decay, (1 + this.rounds) / (10 + this.rounds));
    this.average = [this.x, this.y].map((value, axis) => keep * this.average[axis] + (1 - keep) * value);
  }
}

// --- the drawing ---------------------------------------------------------------------------------

const SIDE = 320;
const REACH = 3.3; // the plane is shown from −REACH to REACH
const ROUNDS = 600; // that a game has
const AT_ONCE = 3; // of them for a tick
const KEY = 0.25; // what an arrow key moves the start
const FIRST = { beta1: 0.9, beta2: 0.999, rate: 0.02, noise: 0.3, decay: 0.99, criticSteps: 1 };
const SLIDERS = {
  beta1: ["β₁", [0, 0.5, 0.9, 0.99]],
  beta2: ["β₂", [0.5, 0.9, 0.99, 0.999]],
  rate: ["learning rate", [0.005, 0.01, 0.02, 0.05]],
  noise: ["noise", [0, 0.1, 0.3, 1]],
  decay: ["decay d", [0, 0.9, 0.97, 0.99, 0.997]],
  criticSteps: ["steps of y in a round", [1, 2, 5]],
};

export function mount(host) {
  const settings = { ...FIRST };
  const parts = frame(host, {
    title: "A game of two numbers",
    caption:
      "The player <em>x</em> wants the product <em>xy</em> small, the player <em>y</em> wants it large; both use Adam, and their gradients are noisy. The blue line is where they have been, " +
      "the orange one the running average of that. The cross is the balance, the circle the start.",
  });
  parts.note.textContent = "Press play. Click anywhere to start from there, or move the start with the arrow keys. A slider changes a game that is going on.";
  let start = [1, 1];
  let game, path, averages;
  const reset = () => {
    game = new Game(start);
    [path, averages] = [[start], [start]];
    redraw();
  };
  const advance = (ticks) => {
    for (let k = 0; k < AT_ONCE * ticks && game.rounds < ROUNDS; k++) {
      game.round(settings);
      path.push([game.x, game.y]);
      averages.push(game.average);
    }
    redraw();
    return game.rounds < ROUNDS;
  };
  const buttons = player(advance, reset, parts.readout);
  const sliders = Object.entries(SLIDERS).map(([name, [label, values]]) => slider(label, values, settings[name], (value) => {
    settings[name] = value;
    redraw();
  }).node);
  parts.controls.append(buttons.node, ...sliders);

  const plane = svg("svg", { viewBox: `0 0 ${SIDE} ${SIDE}`, class: "explorable-drag" });
  parts.drawing.append(plane);
  const startAt = (place) => {
    start = place.map((value) => clamp(Math.round(20 * value) / 20, -REACH, REACH));
    reset();
  };
  movable(plane, "The plane of both players; arrow keys move the start, and begin a new game", (dx, dy) => startAt([start[0] + KEY * dx, start[1] - KEY * dy]));
  draggable(plane, (event) => {
    const [u, v] = position(event, plane, SIDE, SIDE);
    startAt([(u / SIDE) * 2 * REACH - REACH, REACH - (v / SIDE) * 2 * REACH]);
  });

  const redraw = eachFrame(() => {
    plane.replaceChildren(...picture(start, path, averages));
    describe(parts.readout, game, settings);
  });
  reset();
}

const place = ([x, y]) => [x, -y].map((value) => ((value + REACH) / (2 * REACH)) * SIDE);

function picture(start, path, averages) {
  const [middle, [cx, cy]] = [place([0, 0])[0], place(start)];
  const line = (points, look) => svg("polyline", { points: points.map((point) => place(point).map((c) => c.toFixed(1)).join()).join(" "), fill: "none", ...look });
  const arm = (dx, dy) => svg("line", { x1: middle - dx, x2: middle + dx, y1: middle - dy, y2: middle + dy, stroke: INK, "stroke-width": 1.6 });
  const axis = (value) => svg("line", { ...value, stroke: FAINT, "stroke-width": 0.8 });
  const dot = ([x, y], fill) => svg("circle", { cx: x, cy: y, r: 3.5, fill, stroke: "#ffffff", "stroke-width": 1 });
  return [
    axis({ x1: 0, x2: SIDE, y1: middle, y2: middle }),
    axis({ x1: middle, x2: middle, y1: 0, y2: SIDE }),
    svg("text", { x: SIDE - 12, y: middle - 6, class: "explorable-heading" }, "x"),
    svg("text", { x: middle + 6, y: 14, class: "explorable-heading" }, "y"),
    line(path, { stroke: BLUE, "stroke-width": 1 }),
    line(averages, { stroke: ORANGE, "stroke-width": 2.2 }),
    arm(7, 0),
    arm(0, 7),
    svg("circle", { cx, cy, r: 6, fill: "none", stroke: INK, "stroke-width": 1.6 }),
    dot(place(path.at(-1)), BLUE),
    dot(place(averages.at(-1)), ORANGE),
  ];
}

function describe(readout, game, { beta1, beta2 }) {
  const rows = [
    ["Rounds", `${game.rounds} of ${ROUNDS}`],
    ["Distance from the balance", Math.hypot(game.x, game.y).toFixed(2)],
    ["Distance of the average", Math.hypot(...game.average).toFixed(2)],
  ];
  const memory = (beta) => (1 / (1 - beta)).toFixed(0);
  tell(readout, rows, `Adam remembers the gradient for about ${memory(beta1)} steps and its square for ${memory(beta2)}.`);
}
