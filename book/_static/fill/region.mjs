// Which parts of a picture a network sees, and how its fill gets back into the picture.
//
// A network takes squares of one size. A hole is cut out together with its surroundings, brought to
// that size, filled, brought back and put into the hole alone: known pixels are never written.
// Holes far from each other are cut out one by one, so that none loses sharpness to the others.
// tools/fill_reference.py has the same in Python.
//
// Pixels are RGBA, four bytes each, row by row; a mask has a byte a pixel, 1 = missing.

import { solve } from "./diffusion.mjs";

const CONTEXT = 3; // side of a cut-out over the longer side of its hole

// Bounding boxes [left, top, right, bottom) of the connected parts of the hole.
function components(mask, width, height) {
  const seen = new Uint8Array(mask.length);
  const boxes = [];
  const waiting = [];
  const visit = (x, y) => {
    const at = y * width + x;
    if (!mask[at] || seen[at]) return;
    seen[at] = 1;
    waiting.push(at);
  };
  for (let start = 0; start < mask.length; start++) {
    if (!mask[start] || seen[start]) continue;
    let [left, top, right, bottom] = [width, height, 0, 0];
    visit(start % width, Math.floor(start / width));
    while (waiting.length) {
      const at = waiting.pop();
      const [x, y] = [at % width, Math.floor(at / width)];
      [left, top] = [Math.min(left, x), Math.min(top, y)];
      [right, bottom] = [Math.max(right, x + 1), Math.max(bottom, y + 1)];
      for (let v = Math.max(y - 1, 0); v <= Math.min(y + 1, height - 1); v++)
        for (let u = Math.max(x - 1, 0); u <= Math.min(x + 1, width - 1); u++) visit(u, v);
    }
    boxes.push([left, top, right, bottom]);
  }
  return boxes;
}

function sideFor([left, top, right, bottom], width, height, size) {
  const longest = Math.max(width, height);
  return Math.min(Math.max(CONTEXT * Math.max(right - left, bottom - top), size), longest);
}

// Where a cut-out of `side` begins, so that `from` to `to` lies in its middle if the picture allows.
function begin(from, to, side, length) {
  if (side >= length) return -Math.floor((side - length) / 2);
  return Math.min(Math.max(Math.floor((from + to - side) / 2), 0), length - side);
}

// The squares that are cut out: {box, x, y, side}. Parts of the hole share one where that costs none of
// them sharpness.
export function plan(mask, width, height, size) {
  const side = (box) => sideFor(box, width, height, size);
  let boxes = components(mask, width, height);
  for (let before = Infinity; boxes.length < before; ) {
    before = boxes.length;
    const merged = [];
    for (const box of boxes) {
      const joined = (other) => [
        Math.min(box[0], other[0]),
        Math.min(box[1], other[1]),
        Math.max(box[2], other[2]),
        Math.max(box[3], other[3]),
      ];
      const near = merged.findIndex((other) => side(joined(other)) <= Math.max(side(box), side(other)));
      if (near < 0) merged.push(box);
      else merged[near] = joined(merged[near]);
    }
    boxes = merged;
  }
  return boxes.map((box) => ({
    box,
    side: side(box),
    x: begin(box[0], box[2], side(box), width),
    y: begin(box[1], box[3], side(box), height),
  }));
}

// What each of `to` pixels in a row takes from `from` pixels: the mean over its area when there are
// fewer of them, linear interpolation when there are more. [[first, weights], …]
function taps(from, to) {
  const scale = from / to;
  return Array.from({ length: to }, (_, pixel) => {
    if (scale > 1) {
      const [low, high] = [pixel * scale, (pixel + 1) * scale];
      const first = Math.floor(low);
      const last = Math.min(Math.ceil(high), from);
      const weights = Array.from({ length: last - first }, (_, k) => Math.min(high, first + k + 1) - Math.max(low, first + k));
      return [first, weights.map((weight) => weight / scale)];
    }
    const place = Math.min(Math.max((pixel + 0.5) * scale - 0.5, 0), from - 1);
    const first = Math.min(Math.floor(place), Math.max(from - 2, 0));
    const part = place - first;
    return part ? [first, [1 - part, part]] : [first, [1]];
  });
}

// Square planes of side `from`, interleaved `channels` at a time, at the side `to`; line(y) gives a row of them, so
// that a large square is never held whole.
function reduce(line, channels, from, to) {
  const across = taps(from, to);
  const takers = Array.from({ length: from }, () => []); // of each line: [row that takes it, weight]
  across.forEach(([first, weights], row) => weights.forEach((weight, k) => takers[first + k].push([row, weight])));
  const length = to * channels;
  const result = new Float64Array(to * length);
  const reduced = new Float64Array(length);
  for (let y = 0; y < from; y++) {
    const values = line(y);
    reduced.fill(0);
    for (let x = 0; x < to; x++) {
      const [first, weights] = across[x];
      for (let k = 0; k < weights.length; k++)
        for (let c = 0; c < channels; c++) reduced[x * channels + c] += weights[k] * values[(first + k) * channels + c];
    }
    for (const [row, weight] of takers[y]) for (let x = 0; x < length; x++) result[row * length + x] += weight * reduced[x];
  }
  return result;
}

// RGB bytes of side `from` as if they had the side `to`: a function (x, y, channel) → value.
function enlarged(values, from, to) {
  const places = taps(from, to);
  return (x, y, c) => {
    const [[left, across], [top, down]] = [places[x], places[y]];
    let value = 0;
    for (let k = 0; k < down.length; k++)
      for (let l = 0; l < across.length; l++) value += down[k] * across[l] * values[3 * ((top + k) * from + left + l) + c];
    return value;
  };
}

// A place outside 0 … length − 1, mirrored into it; the border itself is not repeated.
function mirrored(place, length) {
  if (length === 1) return 0;
  const period = 2 * (length - 1);
  const at = ((place % period) + period) % period;
  return at < length ? at : period - at;
}

// What the network is given of one square: {image: RGB bytes, mask: bytes}, both size × size. Only known
// pixels are looked at. Beyond the border the picture is mirrored.
function cutOut(pixels, mask, width, height, { x, y, side }, size) {
  const columns = Array.from({ length: side }, (_, u) => mirrored(x + u, width));
  const line = new Float32Array(side * 4); // R, G, B of known pixels, and whether known
  const small = reduce(
    (v) => {
      const row = mirrored(y + v, height) * width;
      line.fill(0);
      columns.forEach((column, u) => {
        const at = row + column;
        if (mask[at]) return;
        for (let c = 0; c < 3; c++) line[4 * u + c] = pixels[4 * at + c];
        line[4 * u + 3] = 1;
      });
      return line;
    },
    4,
    side,
    size,
  );
  const image = new Uint8Array(size * size * 3);
  const missing = new Uint8Array(size * size);
  for (let at = 0; at < missing.length; at++) {
    const known = small[4 * at + 3];
    missing[at] = known < 0.5 ? 1 : 0;
    if (known > 0) for (let c = 0; c < 3; c++) image[3 * at + c] = Math.floor(small[4 * at + c] / known + 0.5);
  }
  return { image, mask: missing };
}

// Put a filled square back: into missing pixels of its box, which then count as known.
//
// A square that was made smaller comes back without what only the large picture has, and its edge would show. So
// what the known pixels around the hole differ by from the enlarged square goes on into the hole, as smoothly as
// diffusion can (Laplace's equation), and is added.
function putBack(filled, size, pixels, mask, width, height, { box, x, y, side }) {
  const value = enlarged(filled, size, side);
  const [left, top] = [Math.max(box[0] - 1, 0), Math.max(box[1] - 1, 0)];
  const [wide, high] = [Math.min(box[2] + 1, width) - left, Math.min(box[3] + 1, height) - top];
  const inSquare = (place) => Math.min(Math.max(place, 0), side - 1);
  const missing = new Uint8Array(wide * high);
  for (let v = 0; v < high; v++) missing.set(mask.subarray((top + v) * width + left, (top + v) * width + left + wide), v * wide);
  const each = (act) => {
    for (let v = 0, at = 0; v < high; v++)
      for (let u = 0; u < wide; u++, at++) act(at, (top + v) * width + left + u, inSquare(left + u - x), inSquare(top + v - y));
  };
  for (let c = 0; c < 3; c++) {
    const lacking = new Float64Array(wide * high);
    if (side > size) {
      each((at, place, u, v) => {
        if (!missing[at]) lacking[at] = pixels[4 * place + c] - value(u, v, c);
      });
      solve(lacking, missing, wide, high);
    }
    each((at, place, u, v) => {
      if (missing[at] && inside(place)) pixels[4 * place + c] = Math.min(255, Math.max(0, Math.floor(value(u, v, c) + lacking[at] + 0.5)));
    });
  }
  each((at, place) => {
    if (inside(place)) mask[place] = 0;
  });

  // The pixels around the box, where another hole may begin, are only looked at.
  function inside(place) {
    const [u, v] = [place % width, Math.floor(place / width)];
    return u >= box[0] && u < box[2] && v >= box[1] && v < box[3];
  }
}

// Fill the missing pixels, square by square. network(image, mask) → RGB bytes, or a promise of them, size ×
// size; tell(done, of) hears how far it has come.
export async function fillBySquares(network, size, pixels, mask, width, height, tell) {
  const left = mask.slice();
  const squares = plan(left, width, height, size);
  for (const [done, square] of squares.entries()) {
    tell(done, squares.length);
    const cut = cutOut(pixels, left, width, height, square, size);
    putBack(await network(cut.image, cut.mask), size, pixels, left, width, height, square);
  }
}

// Decibels between two pictures inside the hole alone; Infinity where they are equal.
export function holePsnr(truth, filled, mask) {
  let [sum, count] = [0, 0];
  mask.forEach((missing, at) => {
    if (!missing) return;
    for (let c = 0; c < 3; c++) sum += (truth[4 * at + c] - filled[4 * at + c]) ** 2;
    count += 3;
  });
  return 10 * Math.log10((255 ** 2 * count) / sum);
}
