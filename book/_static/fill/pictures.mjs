// Pictures, from the book or from the reader, as a canvas and its pixels.

export const LONGEST = 2048; // pixels of a side; a larger picture is made smaller

function sheet(width, height) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  return [canvas, canvas.getContext("2d", { willReadFrequently: true })];
}

// A blob as {canvas, width, height, pixels (RGBA), was: [width, height] before it was made smaller, or null}.
// Throws an Error that names the file.
export async function readPicture(blob, name) {
  let bitmap = await createImageBitmap(blob).catch(() => null);
  if (!bitmap) throw new Error(`${name} is no picture that this browser can read. Choose a JPEG, PNG or WebP file.`);
  const was = [bitmap.width, bitmap.height];
  const scale = Math.min(1, LONGEST / Math.max(...was));
  if (scale < 1) {
    const [resizeWidth, resizeHeight] = was.map((side) => Math.max(1, Math.round(side * scale)));
    const smaller = await createImageBitmap(bitmap, { resizeWidth, resizeHeight, resizeQuality: "high" });
    bitmap.close();
    bitmap = smaller;
  }
  const { width, height } = bitmap;
  const [canvas, context] = sheet(width, height);
  context.fillStyle = "#fff"; // under what is transparent
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const pixels = context.getImageData(0, 0, width, height).data;
  return { canvas, width, height, pixels, was: scale < 1 ? was : null };
}

export function toPng(pixels, width, height) {
  const [canvas, context] = sheet(width, height);
  context.putImageData(new ImageData(new Uint8ClampedArray(pixels), width, height), 0, 0);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}
