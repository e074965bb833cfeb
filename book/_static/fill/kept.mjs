// What a JPEG, PNG or WebP file holds beside its pixels, as chunks of the PNG that a result is saved as: colour
// profile, EXIF, resolution, a PNG's text. EXIF says upright, as a browser turns it, and loses its thumbnail,
// which shows what was there before; XMP, which may hold another, is left out. labkit/kept.py does the same.

const COPIED = ["gAMA", "cHRM", "sRGB", "cICP", "tEXt", "zTXt", "iTXt"]; // from PNG to PNG
const LEFT_OUT = ["XML:com.adobe.xmp\0", "Raw profile type "];
const OWN_COLOURS = ["gAMA", "cHRM", "sRGB", "iCCP", "cICP"]; // of the browser's PNG, which yield to the file's
const [TURN, THUMBNAIL, THUMBNAIL_LENGTH] = [0x0112, 0x0201, 0x0202];

const latin = (bytes) => Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
const ascii = (text) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
const viewOf = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

function joined(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

async function through(stream, bytes) {
  return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer());
}

// {chunks: [[kind, bytes], …], raw: whether they say what the file's values mean, deep: more than 8 bits a channel}.
// Of a file that is damaged here, nothing.
export async function kept(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const found = { profile: null, exif: null, density: null, copied: [], deep: false };
  try {
    if (bytes[0] === 0xff && bytes[1] === 0xd8) ofJpeg(bytes, found);
    else if (latin(bytes.subarray(1, 4)) === "PNG") await ofPng(bytes, found);
    else if (latin(bytes.subarray(8, 12)) === "WEBP") ofWebp(bytes, found);
    return await asChunks(found);
  } catch {
    return { chunks: [], raw: false, deep: false };
  }
}

function ofJpeg(bytes, found) {
  const view = viewOf(bytes);
  const profile = [];
  for (let at = 2; view.getUint8(at) === 0xff && view.getUint8(at + 1) !== 0xda; at += 2 + view.getUint16(at + 2)) {
    const body = bytes.subarray(at + 4, at + 2 + view.getUint16(at + 2));
    const begins = (text) => latin(body.subarray(0, text.length)) === text;
    if (begins("Exif\0\0")) found.exif ??= body.subarray(6);
    if (begins("ICC_PROFILE\0")) profile[body[12]] = body.subarray(14);
    if (begins("JFIF\0") && body[7]) {
      const metres = body[7] === 1 ? 0.0254 : 0.01;
      found.density = [8, 10].map((place) => Math.round(viewOf(body).getUint16(place) / metres)).concat(1);
    }
  }
  if (profile.length) found.profile = joined(...profile.filter(Boolean));
}

async function ofPng(bytes, found) {
  found.deep = bytes[24] > 8;
  for (const [kind, body] of chunksOf(bytes)) {
    if (kind === "eXIf") found.exif = body;
    if (kind === "pHYs") found.density = [viewOf(body).getUint32(0), viewOf(body).getUint32(4), body[8]];
    if (kind === "iCCP") found.profile = await through(new DecompressionStream("deflate"), body.subarray(body.indexOf(0) + 2));
    if (COPIED.includes(kind) && !LEFT_OUT.some((text) => latin(body.subarray(0, text.length)) === text)) found.copied.push([kind, body.slice()]);
  }
}

function ofWebp(bytes, found) {
  const view = viewOf(bytes);
  for (let at = 12; at + 8 <= bytes.length; ) {
    const length = view.getUint32(at + 4, true);
    const body = bytes.subarray(at + 8, at + 8 + length);
    const kind = latin(bytes.subarray(at, at + 4));
    if (kind === "ICCP") found.profile = body;
    if (kind === "EXIF") found.exif = latin(body.subarray(0, 6)) === "Exif\0\0" ? body.subarray(6) : body;
    at += 8 + length + (length % 2);
  }
}

async function asChunks({ profile, exif, density, copied, deep }) {
  const chunks = [];
  // The result is RGB: a profile of greys or inks says nothing of it, and the browser converts the values.
  const raw = !profile || latin(profile.subarray(16, 20)) === "RGB ";
  if (profile && raw) chunks.push(["iCCP", joined(ascii("profile\0\0"), await through(new CompressionStream("deflate"), profile))]);
  chunks.push(...copied.filter(([kind]) => raw || !OWN_COLOURS.includes(kind)));
  let turned = 1;
  if (exif) {
    const upright = uprightExif(exif);
    if (upright) {
      chunks.push(["eXIf", upright.exif]);
      turned = upright.turn;
    }
  }
  if (density) {
    const [across, down, unit] = density; // 1 is the metre, 0 a ratio
    const body = new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, unit]);
    [across, down].forEach((value, k) => viewOf(body).setUint32(turned > 4 ? 4 - 4 * k : 4 * k, value));
    chunks.push(["pHYs", body]);
  }
  return { chunks, raw, deep };
}

// {exif, turn: the orientation that it had}, or null where it is damaged.
function uprightExif(given) {
  const exif = given.slice();
  const view = viewOf(exif);
  const little = exif[0] === 0x49;
  const entries = (at) => Array.from({ length: view.getUint16(at, little) }, (_, k) => at + 2 + 12 * k);
  const after = (at) => at + 2 + 12 * view.getUint16(at, little);
  try {
    let turn = 1;
    const first = view.getUint32(4, little);
    for (const entry of entries(first))
      if (view.getUint16(entry, little) === TURN) {
        turn = view.getUint16(entry + 8, little);
        view.setUint16(entry + 8, 1, little);
      }
    const second = view.getUint32(after(first), little);
    if (second) {
      const value = Object.fromEntries(entries(second).map((entry) => [view.getUint16(entry, little), view.getUint32(entry + 8, little)]));
      if (value[THUMBNAIL]) exif.fill(0, value[THUMBNAIL], value[THUMBNAIL] + value[THUMBNAIL_LENGTH]);
      view.setUint32(after(first), 0, little);
    }
    return { exif, turn };
  } catch {
    return null;
  }
}

function* chunksOf(png) {
  const view = viewOf(png);
  for (let at = 8; at + 12 <= png.length; at += 12 + view.getUint32(at))
    yield [latin(png.subarray(at + 4, at + 8)), png.subarray(at + 8, at + 8 + view.getUint32(at)), at];
}

// A PNG file with further chunks behind its header.
export async function withChunks(blob, chunks) {
  if (!chunks.length) return blob;
  const png = new Uint8Array(await blob.arrayBuffer());
  const parts = [];
  for (const [kind, body, at] of chunksOf(png)) {
    if (!OWN_COLOURS.includes(kind)) parts.push(png.subarray(at, at + 12 + body.length));
    if (kind === "IHDR") parts.push(...chunks.map(([name, content]) => chunk(name, content)));
  }
  return new Blob([png.subarray(0, 8), ...parts], { type: "image/png" });
}

function chunk(kind, body) {
  const whole = joined(new Uint8Array(4), ascii(kind), body, new Uint8Array(4));
  viewOf(whole).setUint32(0, body.length);
  viewOf(whole).setUint32(8 + body.length, crc(whole.subarray(4, 8 + body.length)));
  return whole;
}

// The check sum of a PNG's chunk (ISO 3309), bit by bit.
function crc(bytes) {
  let sum = ~0;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return ~sum >>> 0;
}
