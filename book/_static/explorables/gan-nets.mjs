// A critic and a generator of two layers each, in the plane, with their gradients by hand (chapter 7).
// Needs no page. A batch is a Float64Array of points, one after the other; a network is
// {sizes, weights, biases}, a matrix of a layer lying row by row, a row for each output.

import { randomNumbers } from "./random.mjs";

export { randomNumbers };

const SLOPE = 0.2; // of the leaky ReLU, for what is negative

export function makeNetwork(sizes, { normal }) {
  const weights = [];
  const biases = [];
  for (let k = 1; k < sizes.length; k++) {
    const scale = Math.sqrt(2 / sizes[k - 1]);
    weights.push(Float64Array.from({ length: sizes[k] * sizes[k - 1] }, () => scale * normal()));
    biases.push(Float64Array.from({ length: sizes[k] }, () => 0.1 * normal()));
  }
  return { sizes, weights, biases };
}

export function zerosLike({ weights, biases }) {
  return { weights: weights.map((w) => new Float64Array(w.length)), biases: biases.map((b) => new Float64Array(b.length)) };
}

// The values of each layer for one input; the last is the output. `slopes` are the activation's.
export function forward({ sizes, weights, biases }, input) {
  const values = [input];
  const slopes = [];
  for (let k = 0; k < weights.length; k++) {
    const [from, to, last] = [values[k], new Float64Array(sizes[k + 1]), k === weights.length - 1];
    const slope = new Float64Array(sizes[k + 1]).fill(1);
    for (let i = 0; i < to.length; i++) {
      let sum = biases[k][i];
      for (let j = 0; j < from.length; j++) sum += weights[k][i * from.length + j] * from[j];
      if (!last && sum < 0) slope[i] = SLOPE;
      to[i] = sum * slope[i];
    }
    values.push(to);
    slopes.push(slope);
  }
  return { values, slopes };
}

// Adds to `gradient` that of Σ signal · output, and returns the one for the input.
export function backward({ sizes, weights }, { values, slopes }, signal, gradient = null) {
  let above = signal;
  for (let k = weights.length - 1; k >= 0; k--) {
    const below = new Float64Array(sizes[k]);
    for (let i = 0; i < above.length; i++) {
      const part = above[i] * slopes[k][i];
      if (!part) continue;
      if (gradient) gradient.biases[k][i] += part;
      for (let j = 0; j < below.length; j++) {
        if (gradient) gradient.weights[k][i * below.length + j] += part * values[k][j];
        below[j] += part * weights[k][i * below.length + j];
      }
    }
    above = below;
  }
  return above;
}

// The penalty (‖∇D‖ − 1)² at a point; adds its gradient, times `weight`, to `gradient`. The norm's
// own gradient is that of the derivative of D along u = ∇D / ‖∇D‖, through which only slopes and
// weights act: the input u goes up the layers without biases, with the slopes of the point.
export function penalty(network, point, weight, gradient) {
  const pass = forward(network, point);
  const steep = backward(network, pass, [1]);
  const norm = Math.hypot(...steep);
  const along = [steep.map((part) => part / (norm + 1e-12))];
  network.weights.forEach((matrix, k) => {
    const [from, to] = [along[k], new Float64Array(network.sizes[k + 1])];
    for (let i = 0; i < to.length; i++) for (let j = 0; j < from.length; j++) to[i] += pass.slopes[k][i] * matrix[i * from.length + j] * from[j];
    along.push(to);
  });
  network.unused ??= zerosLike(network).biases;
  backward(network, { values: along, slopes: pass.slopes }, [2 * weight * (norm - 1)], { ...gradient, biases: network.unused });
  return { norm, value: (norm - 1) ** 2 };
}

// Adam, downhill, in place; the state is kept with the network.
export function descend(network, gradient, rate, [first, second] = [0.5, 0.9]) {
  network.adam ??= { steps: 0, mean: zerosLike(network), square: zerosLike(network) };
  const { mean, square } = network.adam;
  const steps = ++network.adam.steps;
  for (const kind of ["weights", "biases"])
    network[kind].forEach((parameters, k) => {
      for (let at = 0; at < parameters.length; at++) {
        const g = gradient[kind][k][at];
        const m = (mean[kind][k][at] = first * mean[kind][k][at] + (1 - first) * g);
        const s = (square[kind][k][at] = second * square[kind][k][at] + (1 - second) * g * g);
        parameters[at] -= (rate * (m / (1 - first ** steps))) / (Math.sqrt(s / (1 - second ** steps)) + 1e-8);
      }
    });
}

// What a critic descends on and how steep that is, for its value at a real and at a fake point.
const LOSSES = {
  "wgan-gp": { real: () => -1, fake: () => 1 },
  hinge: { real: (d) => (d < 1 ? -1 : 0), fake: (d) => (d > -1 ? 1 : 0) },
};
const PENALTY = 1; // λ; the 10 of the paper is for pictures

const PLACES = {
  spots: Array.from({ length: 8 }, (_, k) => [Math.cos((k * Math.PI) / 4), Math.sin((k * Math.PI) / 4)]),
  grid: Array.from({ length: 9 }, (_, k) => [(k % 3) - 1, Math.floor(k / 3) - 1]),
};
const SPREAD = 0.05; // of a spot, standard deviation
const BATCH = 32;
const RATES = { critic: 0.006, generator: 0.003 };

// One game: step() is one step of the generator, after some of the critic.
export class Game {
  constructor({ seed = 0, data = "spots", width = 24 } = {}) {
    this.random = randomNumbers(seed);
    this.places = PLACES[data];
    this.critic = makeNetwork([2, width, width, 1], this.random);
    this.generator = makeNetwork([2, width, width, 2], this.random);
    this.steps = 0;
    this.norm = null;
  }

  real() {
    const { uniform, normal } = this.random;
    const [x, y] = this.places[Math.floor(uniform() * this.places.length)];
    return [x + SPREAD * normal(), y + SPREAD * normal()];
  }

  noise() {
    return [this.random.normal(), this.random.normal()];
  }

  fake(noise = this.noise()) {
    return forward(this.generator, noise).values.at(-1);
  }

  value(point) {
    return forward(this.critic, point).values.at(-1)[0];
  }

  trainCritic(loss) {
    const gradient = zerosLike(this.critic);
    let norms = 0;
    for (let k = 0; k < BATCH; k++) {
      const points = { real: this.real(), fake: this.fake() };
      for (const [kind, slope] of Object.entries(LOSSES[loss])) {
        const pass = forward(this.critic, points[kind]);
        backward(this.critic, pass, [slope(pass.values.at(-1)[0]) / BATCH], gradient);
      }
      if (loss !== "wgan-gp") continue;
      const share = this.random.uniform();
      const between = points.real.map((c, axis) => share * c + (1 - share) * points.fake[axis]);
      norms += penalty(this.critic, between, PENALTY / BATCH, gradient).norm;
    }
    descend(this.critic, gradient, RATES.critic);
    this.norm = loss === "wgan-gp" ? norms / BATCH : null;
  }

  step(loss, criticSteps) {
    for (let k = 0; k < criticSteps; k++) this.trainCritic(loss);
    const gradient = zerosLike(this.generator);
    for (let k = 0; k < BATCH; k++) {
      const pass = forward(this.generator, this.noise());
      const uphill = backward(this.critic, forward(this.critic, pass.values.at(-1)), [1]);
      backward(this.generator, pass, uphill.map((part) => -part / BATCH), gradient);
    }
    descend(this.generator, gradient, RATES.generator);
    this.steps += 1;
  }
}

// Of how many spots some of the points lie within four of their standard deviations, and the share of
// points that lie near any.
export function coverage(points, places) {
  const near = places.map(([x, y]) => points.filter(([a, b]) => Math.hypot(a - x, b - y) < 4 * SPREAD).length);
  const few = points.length / places.length / 5; // a fifth of a fair share
  return { reached: near.filter((count) => count >= few).length, share: near.reduce((a, b) => a + b, 0) / points.length };
}
