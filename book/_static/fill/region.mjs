// Which parts of a picture a network sees, and how its fill gets back into the picture.
//
// A network takes squares of one size. A hole is cut out together with its surroundings, brought to
// that size, filled, brought back and put into the hole alone: known pixels are never written.
// Holes far from each other are cut out one by one, so that none loses sharpness to the others.
// tools/fill_reference.py has the same in Python.
//
// Pixels are RGBA, four bytes each, row by row; a mask has a byte a pixel, 1 = missing.

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

// Square planes of side `from`, interleaved `channels` at a time, at the side `to`.
function resample(values, channels, from, to) {
  if (from === to) return Float64Array.from(values);
  const across = taps(from, to);
  const rows = new Float64Array(from * to * channels);
  for (let y = 0; y < from; y++)
    for (let x = 0; x < to; x++) {
      const [first, weights] = across[x];
      weights.forEach((weight, k) => {
        for (let c = 0; c < channels; c++) rows[(y * to + x) * channels + c] += weight * values[(y * from + first + k) * channels + c];
      });
    }
  const result = new Float64Array(to * to * channels);
  const length = to * channels;
  for (let y = 0; y < to; y++) {
    const [first, weights] = across[y];
    weights.forEach((weight, k) => {
      const source = (first + k) * length;
      for (let x = 0; x < length; x++) result[y * length + x] += weight * rows[source + x];
    });
  }
  return result;
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
  const planes = new Float32Array(side * side * 4); // R, G, B of known pixels, and whether known
  for (let v = 0, to = 0; v < side; v++) {
    const row = mirrored(y + v, height) * width;
    for (let u = 0; u < side; u++, to += 4) {
      const at = row + mirrored(x + u, width);
      if (mask[at]) continue;
      for (let c = 0; c < 3; c++) planes[to + c] = pixels[4 * at + c];
      planes[to + 3] = 1;
    }
  }
  const small = resample(planes, 4, side, size);
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
function putBack(filled, size, pixels, mask, width, { box, x, y, side }) {
  const large = resample(filled, 3, size, side);
  const [left, top, right, bottom] = box;
  for (let v = top; v < bottom; v++)
    for (let u = left; u < right; u++) {
      const at = v * width + u;
      if (!mask[at]) continue;
      const from = 3 * ((v - y) * side + u - x);
      for (let c = 0; c < 3; c++) pixels[4 * at + c] = Math.floor(large[from + c] + 0.5);
      mask[at] = 0;
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
    putBack(await network(cut.image, cut.mask), size, pixels, left, width, square);
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
