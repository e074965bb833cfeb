// The classical fill: each missing pixel becomes the mean of its neighbours (Laplace's equation, Δu = 0,
// with the known pixels as border values), which is where diffusion comes to rest.
//
// Solved by conjugate gradients, from coarse to fine: each scale starts from the solution of the next
// coarser one (cascadic multigrid: Bornemann and Deuflhard 1996, Numerische Mathematik 75).

const TOLERANCE = 0.002; // grey levels by which a pixel may miss the mean of its neighbours, root mean square
const MOST_STEPS = 2000;

// pixels: RGBA; mask: 1 = missing, at least one pixel known. Writes into the missing pixels alone.
export function diffuse(pixels, mask, width, height) {
  for (let c = 0; c < 3; c++) {
    const values = new Float64Array(mask.length);
    mask.forEach((missing, at) => {
      if (!missing) values[at] = pixels[4 * at + c];
    });
    solve(values, mask, width, height);
    mask.forEach((missing, at) => {
      if (missing) pixels[4 * at + c] = Math.min(255, Math.max(0, Math.floor(values[at] + 0.5)));
    });
  }
}

// Fill the missing values of one plane, in place; at least one is known.
export function solve(values, mask, width, height) {
  if (mask.includes(1)) {
    startFromCoarser(values, mask, width, height);
    relax(values, mask, width, height);
  }
}

// A coarse pixel is the mean of the known ones among the four that it covers, or missing with them.
function startFromCoarser(values, mask, width, height) {
  const [w, h] = [Math.ceil(width / 2), Math.ceil(height / 2)];
  const sum = new Float64Array(w * h);
  const count = new Uint8Array(w * h);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const at = y * width + x;
      if (mask[at]) continue;
      const to = (y >> 1) * w + (x >> 1);
      sum[to] += values[at];
      count[to] += 1;
    }
  const coarse = sum.map((total, at) => (count[at] ? total / count[at] : 0));
  solve(coarse, Uint8Array.from(count, (known) => (known ? 0 : 1)), w, h);
  // Linear interpolation: a pixel lies a quarter of a coarse pixel beside the coarse one's centre.
  for (let y = 0; y < height; y++) {
    const near = (y >> 1) * w;
    const far = Math.min(Math.max((y >> 1) + (y & 1 ? 1 : -1), 0), h - 1) * w;
    for (let x = 0; x < width; x++) {
      const at = y * width + x;
      if (!mask[at]) continue;
      const u = x >> 1;
      const beside = Math.min(Math.max(u + (x & 1 ? 1 : -1), 0), w - 1);
      values[at] = (9 * coarse[near + u] + 3 * (coarse[near + beside] + coarse[far + u]) + coarse[far + beside]) / 16;
    }
  }
}

// Conjugate gradients on the missing pixels, from the values that they have.
function relax(values, mask, width, height) {
  const places = [];
  const numbers = new Int32Array(mask.length).fill(-1);
  mask.forEach((missing, at) => {
    if (missing) numbers[at] = places.push(at) - 1;
  });
  const total = places.length;
  const neighbours = new Int32Array(4 * total).fill(-1); // missing ones, by number
  const degrees = new Float64Array(total);
  const residual = new Float64Array(total);
  places.forEach((at, number) => {
    const x = at % width;
    const around = [x > 0 ? at - 1 : -1, x < width - 1 ? at + 1 : -1, at - width, at + width < mask.length ? at + width : -1];
    around.forEach((other, k) => {
      if (other < 0) return;
      degrees[number] += 1;
      neighbours[4 * number + k] = numbers[other];
      residual[number] += values[other] - values[at];
    });
  });
  const solution = Float64Array.from(places, (at) => values[at]);
  const direction = residual.slice();
  const image = new Float64Array(total); // of the direction
  let energy = dot(residual, residual);
  const goal = total * TOLERANCE ** 2;
  for (let step = 0; step < MOST_STEPS && energy > goal; step++) {
    for (let number = 0; number < total; number++) {
      let value = degrees[number] * direction[number];
      for (let k = 4 * number; k < 4 * number + 4; k++) if (neighbours[k] >= 0) value -= direction[neighbours[k]];
      image[number] = value;
    }
    const length = energy / dot(direction, image);
    for (let number = 0; number < total; number++) {
      solution[number] += length * direction[number];
      residual[number] -= length * image[number];
    }
    const next = dot(residual, residual);
    const share = next / energy;
    for (let number = 0; number < total; number++) direction[number] = residual[number] + share * direction[number];
    energy = next;
  }
  places.forEach((at, number) => (values[at] = solution[number]));
}

function dot(a, b) {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k] * b[k];
  return sum;
}
