// Paint a hole into a picture, and compare a picture with its fill. No dependencies.
//
// As a widget: `export default { render }`, for anywidget (MaskPainter and CompareSlider in Python).
// On a page of its own: `mountPainter(el, options)` and `mountCompare(el, options)`; the built book's
// page that fills holes is one.
//
// A mask is a Uint8Array of width × height, row by row, 1 = missing. A stroke is
// {tool: "brush" | "eraser" | "rectangle", size, points: [[x, y], …]} in pixels of the image, where
// the centre of the first pixel is (0.5, 0.5).

const HISTORY = 60; // masks kept for undo, at most
const HISTORY_BYTES = 64e6; // and together no larger than this
const HOLE = [213, 94, 0]; // the colour of a hole
const STEP = 4; // pixels that an arrow key moves the cursor
const SMALLEST_VIEW = 256; // CSS pixels: a small picture is shown enlarged
const [COLOUR_SPREAD, COLOUR_SHARE, INVERTED_ABOVE, SHAPE_TOLERANCE] = [64, 0.01, 0.9, 0.01]; // labkit.masks.files'
const HELD = { 0: 1, 2: 2, 5: 32 }; // what `buttons` holds while a button is down; 5 is a pen's eraser

export class MaskCanvas {
  constructor(width, height) {
    this.width = width;
    this.height = height;
    this.mask = new Uint8Array(width * height);
    this.past = [];
    this.future = [];
    this.kept = Math.max(4, Math.min(HISTORY, Math.floor(HISTORY_BYTES / this.mask.length)));
    this.#touchAll();
  }

  // What changed since this was last called, as [left, top, right, bottom), or null.
  takeDirty() {
    const dirty = this.dirty;
    this.dirty = null;
    return dirty;
  }

  #touch(left, top, right, bottom) {
    const [a, b, c, d] = this.dirty ?? [left, top, right, bottom];
    this.dirty = [Math.min(a, left), Math.min(b, top), Math.max(c, right), Math.max(d, bottom)];
  }

  #touchAll() {
    this.dirty = [0, 0, this.width, this.height];
  }

  #replace(mask) {
    this.mask = mask;
    this.#touchAll();
  }

  get ratio() {
    let missing = 0;
    for (const pixel of this.mask) missing += pixel;
    return missing / this.mask.length;
  }

  // Remember the mask as it is, before something changes it.
  begin() {
    this.past.push(this.mask.slice());
    if (this.past.length > this.kept) this.past.shift();
    this.future = [];
  }

  // Back to the mask that `begin` remembered, as long as it is the last thing remembered.
  again() {
    this.#replace(this.past[this.past.length - 1].slice());
  }

  draw({ tool, size, points }) {
    if (tool === "rectangle") {
      const [first, last] = [points[0], points[points.length - 1]];
      const [left, right] = [first[0], last[0]].sort((a, b) => a - b);
      const [top, bottom] = [first[1], last[1]].sort((a, b) => a - b);
      this.#fill(left, top, right, bottom, 1, (x, y) => x >= left && x <= right && y >= top && y <= bottom);
      return;
    }
    const value = tool === "eraser" ? 0 : 1;
    points.forEach((point, index) => this.#segment(points[Math.max(index - 1, 0)], point, size / 2, value));
  }

  // Pixels whose centre lies within `radius` of the segment.
  #segment([ax, ay], [bx, by], radius, value) {
    const [dx, dy] = [bx - ax, by - ay];
    const squared = dx * dx + dy * dy;
    const near = (x, y) => {
      const along = squared ? Math.min(1, Math.max(0, ((x - ax) * dx + (y - ay) * dy) / squared)) : 0;
      const [ex, ey] = [x - ax - along * dx, y - ay - along * dy];
      return ex * ex + ey * ey <= radius * radius;
    };
    const [left, right] = [Math.min(ax, bx) - radius, Math.max(ax, bx) + radius];
    const [top, bottom] = [Math.min(ay, by) - radius, Math.max(ay, by) + radius];
    this.#fill(left, top, right, bottom, value, near);
  }

  #fill(left, top, right, bottom, value, inside) {
    const [x0, y0] = [Math.max(0, Math.floor(left - 0.5)), Math.max(0, Math.floor(top - 0.5))];
    const x1 = Math.min(this.width - 1, Math.ceil(right));
    const y1 = Math.min(this.height - 1, Math.ceil(bottom));
    for (let y = y0; y <= y1; y++)
      for (let x = x0; x <= x1; x++)
        if (inside(x + 0.5, y + 0.5)) this.mask[y * this.width + x] = value;
    if (x0 <= x1 && y0 <= y1) this.#touch(x0, y0, x1 + 1, y1 + 1);
  }

  clear() {
    this.begin();
    this.#replace(new Uint8Array(this.mask.length));
  }

  invert() {
    this.begin();
    this.#replace(this.mask.map((pixel) => 1 - pixel));
  }

  load(mask) {
    this.begin();
    this.#replace(Uint8Array.from(mask));
  }

  undo() {
    return this.#move(this.past, this.future);
  }

  redo() {
    return this.#move(this.future, this.past);
  }

  #move(from, to) {
    if (!from.length) return false;
    to.push(this.mask);
    this.#replace(from.pop());
    return true;
  }
}

export function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties))
    if (name in node && name !== "list") node[name] = value;
    else node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export function button(label, title, act) {
  return element("button", { type: "button", textContent: label, title, onclick: act });
}

// A mask from the pixels of its file (RGBA), by the rules and in the words of labkit.masks.read_mask.
// Throws an Error; returns {mask: Uint8Array, note: what is to be said of it, or ""}.
export function maskOf(pixels, name) {
  const mask = new Uint8Array(pixels.length / 4);
  let [coloured, missing, brightest, lowest] = [0, 0, 0, 255];
  for (let at = 0; at < mask.length; at++) {
    const [red, green, blue] = [pixels[4 * at], pixels[4 * at + 1], pixels[4 * at + 2]];
    const grey = Math.max(red, green, blue);
    if (grey - Math.min(red, green, blue) > COLOUR_SPREAD) coloured++;
    brightest = Math.max(brightest, grey);
    lowest = Math.min(lowest, pixels[4 * at + 3]);
    missing += mask[at] = Number(grey > 127);
  }
  const refuse = (problem, remedy) => {
    throw new Error(`${name}: ${problem}; ${remedy}`);
  };
  if (lowest < 255)
    refuse(`transparent pixels (alpha down to ${lowest})`, "a mask is read by its colours: save it without transparency, black, and white where pixels are missing");
  if (coloured > COLOUR_SHARE * mask.length) refuse("a coloured picture, not a mask", "a mask is black, and white where pixels are missing");
  if (brightest === 1) refuse("values 0 and 1, which are both black", "save missing pixels as 255");
  if (missing === mask.length) refuse("every pixel is missing, nothing is known to fill from", "white means missing; invert the mask");
  const ratio = missing / mask.length;
  let note = "";
  if (ratio > INVERTED_ABOVE) {
    const share = ratio < 0.995 ? (100 * ratio).toFixed(0) : "more than 99";
    note = `${name}: ${share} % of the picture is missing, the mask looks inverted; white must mean missing: invert it if it is the other way round`;
  }
  return { mask, note };
}

// A mask of another size, by nearest pixels.
export function resizeMask(mask, [width, height], [wide, high]) {
  const from = (to, length, target) => Math.floor(((to + 0.5) * length) / target);
  const columns = Array.from({ length: wide }, (_, x) => from(x, width, wide));
  const resized = new Uint8Array(wide * high);
  for (let y = 0, at = 0; y < high; y++) {
    const row = from(y, height, high) * width;
    for (let x = 0; x < wide; x++, at++) resized[at] = mask[row + columns[x]];
  }
  return resized;
}

// What to do about a mask whose aspect ratio is not its picture's; empty where it is.
function misfit([width, height], [wide, tall]) {
  const apart = (ratio) => Math.abs(ratio - 1) > SHAPE_TOLERANCE;
  if (!apart((width * tall) / (height * wide))) return "";
  if (apart((height * tall) / (width * wide))) return "make a mask of the picture's aspect ratio";
  return "one lies on its side: a picture is read as its EXIF orientation turns it, so turn the mask to the picture as it is seen";
}

// The mask in a file for a picture of width × height; one of another size but the same shape is resized.
async function readMask(file, width, height) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const deep = String.fromCharCode(...bytes.subarray(1, 4)) === "PNG" && bytes[24] > 8;
  if (deep) throw new Error(`${file.name}: more than 8 bits a channel; save it as 8-bit RGB`);
  const asStored = { premultiplyAlpha: "none", colorSpaceConversion: "none" };
  const picture = await createImageBitmap(file, asStored).catch(() => null);
  if (!picture) throw new Error(`${file.name} is no picture that this browser can read.`);
  const [wide, high] = [picture.width, picture.height];
  const sheet = new OffscreenCanvas(wide, high).getContext("2d");
  sheet.drawImage(picture, 0, 0);
  const { mask, note } = maskOf(sheet.getImageData(0, 0, wide, high).data, file.name);
  if (wide === width && high === height) return { mask, note };
  const sizes = `the mask is ${wide}×${high} pixels, the image ${width}×${height}`;
  const remedy = misfit([wide, high], [width, height]);
  if (remedy) throw new Error(`${file.name}: ${sizes}; ${remedy}`);
  return { mask: resizeMask(mask, [wide, high], [width, height]), note: note || `${file.name}: ${sizes}; it was resized by nearest pixels` };
}

// The width at which a picture is shown, for the style sheet.
function show(node, width) {
  node.style.setProperty("--labkit-width", `${Math.max(width, SMALLEST_VIEW)}px`);
}

// Two pictures on top of each other and a line between them.
// options: {before, after: image bytes or blobs, labels: [string, string], description}
export function mountCompare(el, { before, after, labels = ["before", "after"], description = "" }) {
  const sources = [before, after].map((bytes) => URL.createObjectURL(new Blob([bytes])));
  const pictures = sources.map((src, index) => element("img", { src, alt: `${description} ${labels[index]}`.trim(), draggable: false }));
  pictures[1].classList.add("labkit-after");
  const slider = element("input", { type: "range", min: 0, max: 100, step: 1, value: 50 });
  slider.setAttribute("aria-label", `${labels[0]} to the right of the line, ${labels[1]} to the left; arrow keys move it`);
  const frame = element("div", { className: "labkit-compare" }, ...pictures, element("div", { className: "labkit-line" }));
  const move = () => frame.style.setProperty("--at", `${slider.value}%`);
  slider.oninput = move;
  const follow = (event) => {
    const box = frame.getBoundingClientRect();
    slider.value = (100 * (event.clientX - box.left)) / box.width;
    move();
  };
  frame.onpointerdown = (event) => {
    if (!event.isPrimary) return; // a second finger
    frame.setPointerCapture(event.pointerId);
    follow(event);
  };
  frame.onpointermove = (event) => event.isPrimary && event.buttons && follow(event);
  pictures[0].onload = () => show(frame, pictures[0].naturalWidth);
  const captions = element("div", { className: "labkit-captions" }, element("span", { textContent: labels[1] }), element("span", { textContent: labels[0] }));
  el.replaceChildren(frame, slider, captions);
  move();
  return () => sources.forEach((source) => URL.revokeObjectURL(source));
}

// options: {image: bytes of a picture, or anything that a canvas can draw; mask: Uint8Array or null,
//           methods: names, or {value, label}; onMask(Uint8Array), called when the reader changed it;
//           onMethod(method), called when the reader chose another; onFill(method) or null; maskFiles: whether masks can be inverted, loaded and saved;
//           note: element shown where nothing fills}
// returns {canvas, result: the element beside it, mask, method, setMask(Uint8Array), holed(), say(text),
//          canFill(boolean), busy(boolean), showResult(bytes, text), destroy()}
export async function mountPainter(el, options) {
  const encoded = options.image instanceof ArrayBuffer || ArrayBuffer.isView(options.image);
  const picture = encoded ? await createImageBitmap(new Blob([options.image])) : options.image;
  const { width, height } = picture;
  const canvas = element("canvas", { width, height, tabIndex: 0 });
  canvas.setAttribute("role", "application");
  canvas.setAttribute(
    "aria-label",
    "Picture to paint a hole in. Drag to paint. Arrow keys move the cursor, space paints, square brackets change the size, control Z undoes, O held shows the original.",
  );
  const context = canvas.getContext("2d");
  const overlay = new OffscreenCanvas(width, height);
  const hole = new MaskCanvas(width, height);
  if (options.mask) hole.mask = Uint8Array.from(options.mask); // nothing to be undone
  let tool = "brush";
  let size = Math.max(2, Math.round(Math.min(width, height) / 10));
  let stroke = null;
  let cursor = null;
  let original = false;
  let release = () => {};

  const status = element("output", { className: "labkit-status" });
  status.setAttribute("aria-live", "polite");
  const ratio = element("span", { className: "labkit-ratio" });
  const result = element("div", { className: "labkit-result" });

  // Put the hole's colour, and nothing elsewhere, into a part of a sheet of the picture's size.
  function drawHole(sheet, left, top, right, bottom) {
    const pixels = new ImageData(right - left, bottom - top);
    for (let y = top, to = 0; y < bottom; y++)
      for (let x = left; x < right; x++, to += 4)
        if (hole.mask[y * width + x]) {
          [pixels.data[to], pixels.data[to + 1], pixels.data[to + 2]] = HOLE;
          pixels.data[to + 3] = 255;
        }
    sheet.putImageData(pixels, left, top);
  }

  // The picture as the painter shows it, hole and all.
  function holed() {
    const sheet = new OffscreenCanvas(width, height);
    paint();
    const drawing = sheet.getContext("2d");
    drawing.drawImage(picture, 0, 0);
    drawing.drawImage(overlay, 0, 0);
    return sheet.convertToBlob({ type: "image/png" });
  }

  function paint() {
    const dirty = hole.takeDirty();
    if (dirty) drawHole(overlay.getContext("2d"), ...dirty);
    context.drawImage(picture, 0, 0);
    if (original) return;
    context.drawImage(overlay, 0, 0);
    if (!cursor) return;
    context.lineWidth = Math.max(1, width / 300);
    for (const [colour, grow] of [["#000", 0], ["#fff", context.lineWidth]]) {
      context.strokeStyle = colour;
      context.beginPath();
      context.arc(cursor[0], cursor[1], Math.max(size / 2 - grow, 0.5), 0, 2 * Math.PI);
      context.stroke();
    }
  }

  function refresh() {
    ratio.textContent = `${(100 * hole.ratio).toFixed(1)} % missing`;
    back.disabled = !hole.past.length;
    forth.disabled = !hole.future.length;
    paint();
  }

  function changed() {
    refresh();
    options.onMask?.(hole.mask);
  }

  function choose(name) {
    tool = name;
    for (const [key, node] of Object.entries(tools)) node.setAttribute("aria-pressed", String(key === name));
  }

  function resize(value) {
    size = Math.min(Math.max(1, Math.round(value)), Math.min(width, height));
    slider.value = size;
    slider.title = `brush of ${size} pixels`;
    paint();
  }

  const tools = {
    brush: button("Brush", "Drag to mark pixels as missing", () => choose("brush")),
    eraser: button("Eraser", "Drag to mark pixels as known; dragging with the right button does so too", () => choose("eraser")),
    rectangle: button("Rectangle", "Drag from corner to corner", () => choose("rectangle")),
  };
  const slider = element("input", { type: "range", min: 1, max: Math.round(Math.min(width, height) / 2), value: size });
  slider.setAttribute("aria-label", "Size of the brush in pixels");
  slider.oninput = () => resize(Number(slider.value));
  const back = button("Undo", "Undo (Ctrl+Z)", () => act(() => hole.undo()));
  const forth = button("Redo", "Redo (Ctrl+Shift+Z)", () => act(() => hole.redo()));
  const file = element("input", { type: "file", accept: "image/*", hidden: true });
  file.onchange = async () => {
    const [chosen] = file.files;
    file.value = "";
    if (!chosen) return;
    try {
      const { mask, note } = await readMask(chosen, width, height);
      act(() => hole.load(mask));
      status.textContent = note || `${chosen.name}: ${ratio.textContent}`;
    } catch (error) {
      status.textContent = error.message;
    }
  };
  const offered = (options.methods ?? []).map((method) => (typeof method === "string" ? { value: method, label: method } : method));
  const methods = element("select", {}, ...offered.map(({ value, label }) => element("option", { value, textContent: label })));
  methods.setAttribute("aria-label", "Method that fills the hole");
  methods.onchange = () => options.onMethod?.(methods.value);
  const fill = button("Fill", "Fill the hole by the chosen method", () => {
    finish();
    status.textContent = "Filling …";
    options.onFill(methods.value);
  });
  fill.classList.add("labkit-fill");
  const filling = element("span", { className: "labkit-group" }, methods, fill);
  filling.hidden = !options.onFill;

  async function save() {
    const sheet = new OffscreenCanvas(width, height);
    const pixels = new ImageData(width, height);
    hole.mask.forEach((missing, index) => pixels.data.set([255 * missing, 255 * missing, 255 * missing, 255], 4 * index));
    sheet.getContext("2d").putImageData(pixels, 0, 0);
    const href = URL.createObjectURL(await sheet.convertToBlob({ type: "image/png" }));
    element("a", { href, download: "mask.png" }).click();
    setTimeout(() => URL.revokeObjectURL(href), 1000);
  }

  // Whatever changes the mask comes after the stroke that is being painted, which ends here.
  function act(change) {
    finish();
    change();
    changed();
  }

  function finish() {
    if (!stroke) return;
    stroke = null;
    changed();
  }

  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) * width) / box.width, ((event.clientY - box.top) * height) / box.height];
  };

  canvas.onpointerdown = (event) => {
    if (!(event.button in HELD) || (stroke && !event.isPrimary)) return; // a second finger
    finish(); // whose end was never heard of
    canvas.setPointerCapture(event.pointerId);
    hole.begin();
    stroke = { tool: event.button ? "eraser" : tool, size, points: [at(event)], pointer: event.pointerId, held: HELD[event.button] };
    hole.draw(stroke);
    cursor = at(event);
    paint();
  };
  canvas.onpointermove = (event) => {
    if (stroke && event.pointerId !== stroke.pointer) return;
    if (stroke && !(event.buttons & stroke.held)) finish(); // released where nobody heard it
    cursor = at(event);
    if (stroke) {
      const points = (event.getCoalescedEvents?.() ?? []).map(at);
      if (!points.length) points.push(cursor);
      if (stroke.tool === "rectangle") {
        hole.again();
        hole.draw({ ...stroke, points: [stroke.points[0], cursor] });
      } else {
        hole.draw({ ...stroke, points: [stroke.points[stroke.points.length - 1], ...points] });
      }
      stroke.points.push(...points);
    }
    paint();
  };
  canvas.onpointerup = canvas.onpointercancel = canvas.onlostpointercapture = (event) => {
    if (event.pointerId === stroke?.pointer) finish();
  };
  canvas.onpointerleave = () => {
    if (stroke) return;
    cursor = null;
    paint();
  };
  canvas.oncontextmenu = (event) => event.preventDefault();
  canvas.onkeydown = (event) => {
    const moves = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
    const command = event.ctrlKey || event.metaKey;
    if (command && event.key.toLowerCase() === "z") (event.shiftKey ? forth : back).click();
    else if (command) return;
    else if (event.key === "[") resize(size / 1.25);
    else if (event.key === "]") resize(size * 1.25 + 1);
    else if (event.key === "o") original = true;
    else if (event.key === "Escape") act(() => hole.clear());
    else if (event.key in moves) {
      const [x, y] = cursor ?? [width / 2, height / 2];
      const [dx, dy] = moves[event.key];
      cursor = [Math.min(width, Math.max(0, x + dx)), Math.min(height, Math.max(0, y + dy))];
    } else if (event.key === " ") {
      cursor ??= [width / 2, height / 2];
      const point = cursor;
      act(() => {
        hole.begin();
        hole.draw({ tool: tool === "eraser" ? "eraser" : "brush", size, points: [point] });
      });
    } else return;
    event.preventDefault();
    event.stopPropagation(); // a notebook has commands of its own on these keys
    paint();
  };
  const hideOriginal = () => {
    original = false;
    paint();
  };
  canvas.onkeyup = (event) => event.key === "o" && hideOriginal();
  canvas.onblur = hideOriginal; // the key may be released elsewhere

  const masks = [
    button("Invert", "Swap missing and known", () => act(() => hole.invert())),
    button("Load", "Load a mask: white is missing", () => file.click()),
    button("Save", "Save the mask as PNG", save),
  ];
  const bar = element(
    "div",
    { className: "labkit-bar" },
    element("span", { className: "labkit-group" }, ...Object.values(tools), slider),
    element(
      "span",
      { className: "labkit-group" },
      back,
      forth,
      button("Clear", "Clear the mask (Esc)", () => act(() => hole.clear())),
      ...(options.maskFiles === false ? [] : masks),
    ),
    filling,
    file,
  );
  bar.setAttribute("role", "toolbar");
  bar.setAttribute("aria-label", "Tools to paint a hole");
  show(canvas, width);
  el.classList.add("labkit-painter");
  const foot = element("div", { className: "labkit-foot" }, ratio, status);
  if (options.note) foot.append(options.note);
  el.replaceChildren(bar, element("div", { className: "labkit-views" }, canvas, result), foot);
  choose("brush");
  resize(size);
  refresh();

  return {
    canvas,
    result,
    holed,
    get mask() {
      return hole.mask;
    },
    get method() {
      return methods.value;
    },
    set method(value) {
      methods.value = value;
    },
    setMask(mask) {
      if (mask.length !== hole.mask.length || mask.every((pixel, index) => pixel === hole.mask[index])) return;
      finish();
      hole.load(mask);
      refresh();
    },
    canFill(able) {
      filling.hidden = !able;
      if (options.note) options.note.hidden = able;
    },
    busy(working) {
      fill.disabled = working;
    },
    say(text) {
      status.textContent = text;
    },
    async showResult(bytes, text) {
      status.textContent = text;
      const before = await holed();
      release();
      release = mountCompare(result, { before, after: bytes, labels: ["hole", "filled"], description: "picture," });
    },
    destroy() {
      release();
      el.replaceChildren();
    },
  };
}

// A mask travels as base64 of its bits, eight pixels a byte, first pixel first: of two DataViews a
// widget's model cannot tell that they differ.
export function pack(mask) {
  const bytes = new Uint8Array(Math.ceil(mask.length / 8));
  mask.forEach((pixel, index) => (bytes[index >> 3] |= pixel << (7 - (index & 7))));
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

export function unpack(packed, length) {
  const text = atob(packed);
  return Uint8Array.from({ length }, (_, index) => (text.charCodeAt(index >> 3) >> (7 - (index & 7))) & 1);
}

// Where filling can be had: the places that Python named, else the page's own link to Colab.
function links(model) {
  const places = Object.entries(model.get("_links"));
  const badge = document.querySelector('a[href*="colab.research.google.com"]');
  if (!places.length && badge) places.push(["Colab", badge.href]);
  const anchors = places.flatMap(([name, href], index) => [index ? " or " : "", element("a", { href, textContent: name })]);
  const text = places.length ? [" Open this page in ", ...anchors, ", or run it in JupyterLab."] : [];
  return element("span", { className: "labkit-note" }, "Filling needs a running kernel.", ...text);
}

const WAIT = 1500; // milliseconds for the kernel to answer
const SILENT = "The kernel does not answer. If it was restarted, run this cell again; if it is busy, the fill follows.";

async function renderPainter(model, el) {
  const note = links(model);
  note.hidden = true;
  const length = model.get("_pixels");
  let answered = false;
  let patience = null;
  const painter = await mountPainter(el, {
    image: model.get("_image"),
    mask: unpack(model.get("_mask"), length),
    methods: model.get("_methods"),
    note,
    onMask(mask) {
      model.set("_mask", pack(mask));
      model.save_changes();
    },
    onFill(method) {
      clearTimeout(patience);
      patience = setTimeout(() => painter.say(SILENT), WAIT);
      model.send({ type: "fill", method });
    },
  });
  const onMask = () => painter.setMask(unpack(model.get("_mask"), length));
  const onMessage = (message, buffers) => {
    clearTimeout(patience);
    if (message.type === "hello") answered = true;
    if (message.type === "result") painter.showResult(buffers[0], message.text);
    if (message.type === "error") painter.say(message.text);
    if (message.type === "hello") painter.canFill(true);
  };
  model.on("change:_mask", onMask);
  model.on("msg:custom", onMessage);
  painter.canFill(false);
  note.hidden = true;
  try {
    model.send({ type: "hello" });
  } catch {
    // a page without a kernel
  }
  const timer = setTimeout(() => (note.hidden = answered), WAIT);
  return () => {
    clearTimeout(timer);
    clearTimeout(patience);
    model.off("change:_mask", onMask);
    model.off("msg:custom", onMessage);
    painter.destroy();
  };
}

async function render({ model, el }) {
  if (model.get("_kind") === "painter") return renderPainter(model, el);
  el.classList.add("labkit-painter");
  return mountCompare(el, {
    before: model.get("_before"),
    after: model.get("_after"),
    labels: model.get("_labels"),
    description: model.get("_description"),
  });
}

export default { render };
