// Pictures, from the book or from the reader, as a canvas and their pixels.

import { kept, withChunks } from "./kept.mjs";

const LONGEST = 2048; // pixels of a side that is shown and painted on
const MOST = matchMedia("(pointer: coarse)").matches ? 16e6 : 50e6; // pixels that are filled; a phone has less memory

function sheet(width, height) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  return [canvas, canvas.getContext("2d", { willReadFrequently: true, alpha: false })]; // all is opaque
}

const fitted = (width, height, scale) => [width, height].map((side) => Math.max(1, Math.round(side * Math.min(1, scale))));

function drawn(source, width, height) {
  const [canvas, context] = sheet(width, height);
  context.fillStyle = "#fff"; // under what is transparent
  context.fillRect(0, 0, width, height);
  context.drawImage(source, 0, 0);
  return [canvas, context];
}

async function smaller(source, [resizeWidth, resizeHeight]) {
  return createImageBitmap(source, { resizeWidth, resizeHeight, resizeQuality: "high" });
}

// A blob as {canvas: as it is shown; full: {width, height, pixels (RGBA), chunks: what a PNG of it keeps};
// was: [width, height] of the file; deep: it has more than 8 bits a channel}. Throws an Error that names the file.
export async function readPicture(blob, name) {
  const { chunks, deep, raw } = await kept(blob);
  // With the colour profile beside them, values stay as the file has them.
  const options = raw ? { colorSpaceConversion: "none" } : {};
  let bitmap = await createImageBitmap(blob, options).catch(() => null);
  if (!bitmap) throw new Error(`${name} is no picture that this browser can read. Choose a JPEG, PNG or WebP file.`);
  const was = [bitmap.width, bitmap.height];
  const [width, height] = fitted(...was, Math.sqrt(MOST / (was[0] * was[1])));
  if (width < was[0]) {
    const whole = bitmap;
    bitmap = await smaller(whole, [width, height]);
    whole.close();
  }
  const [all, context] = drawn(bitmap, width, height);
  bitmap.close();
  const full = { width, height, pixels: context.getImageData(0, 0, width, height).data, chunks };
  return { canvas: await shown(all), full, was, deep };
}

// A picture on a canvas, no larger than one paints on.
async function shown(canvas) {
  const size = fitted(canvas.width, canvas.height, LONGEST / Math.max(canvas.width, canvas.height));
  if (size[0] === canvas.width && size[1] === canvas.height) return canvas;
  return drawn(await smaller(canvas, size), ...size)[0];
}

function onSheet({ width, height, pixels }) {
  const [canvas, context] = sheet(width, height);
  context.putImageData(new ImageData(new Uint8ClampedArray(pixels.buffer, pixels.byteOffset, pixels.length), width, height), 0, 0);
  return canvas;
}

// A PNG of what is on a canvas.
export function encoded(canvas) {
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

// A PNG of pixels, with what the file kept beside them.
export async function toPng(full) {
  return withChunks(await encoded(onSheet(full)), full.chunks ?? []);
}

// A PNG to look at.
export async function toShownPng(full) {
  return encoded(await shown(onSheet(full)));
}

// What one should know of a picture of one's own before one paints.
export function about({ canvas, full, was, deep }) {
  const [large, filled] = [was.join(" × "), `${full.width} × ${full.height}`];
  const said = [];
  if (filled !== large) said.push(`Your picture has ${large} pixels. It is filled and saved at ${filled}.`);
  else if (full.width > canvas.width) said.push(`Your picture is shown smaller. It is filled and saved at its ${large} pixels.`);
  if (deep) said.push("It has 16 bits a channel, of which this page keeps 8; labkit inpaint keeps them all.");
  return said.map((sentence) => `${sentence} `).join("");
}
