// What all explorables share: the look of the book's figures (labkit.book.plotting), controls, and words.

export const CARD = "#fbfaf7";
export const INK = "#26323a";
export const BLUE = "#0072b2"; // labkit's palette, Okabe and Ito's
export const ORANGE = "#d55e00";
export const GREEN = "#009e73";
export const FAINT = "#dedcd5";

// cividis, every eighth of its 256 colours.
const HEAT = (
  "00224e 00285b 002e6a 053371 1a386f 273e6e 32436d 3b496c 434e6c 4b546c 535a6d " +
  "5a5f6e 61656f 686a71 6f7073 767676 7d7c78 848279 8c8878 938e78 9b9476 a39a74 " +
  "aba072 b4a76f bcae6c c4b468 cdbb63 d5c25e dec958 e7d150 f0d846 f9e03a fee838"
).split(" ");

function channels(hex) {
  return [0, 2, 4].map((at) => parseInt(hex.replace("#", "").slice(at, at + 2), 16));
}

function between(from, to, share) {
  return channels(from).map((c, k) => Math.round(c + (channels(to)[k] - c) * share));
}

// The colour of a value of 0 to 1 on the book's heat maps, [r, g, b].
export function heat(value) {
  const at = Math.min(1, Math.max(0, value)) * (HEAT.length - 1);
  const below = Math.min(Math.floor(at), HEAT.length - 2);
  return between(HEAT[below], HEAT[below + 1], at - below);
}

// A value of -1 to 1: orange, the card's white, blue.
export function signed(value) {
  return between(CARD, value < 0 ? ORANGE : BLUE, Math.min(1, Math.abs(value)));
}

export function css([r, g, b]) {
  return `rgb(${r} ${g} ${b})`;
}

// Black or white, whichever stands out more: at least 4.5 to 1 by the luminance of WCAG 2.
export function inkOn(colour) {
  const [r, g, b] = colour.map((c) => (c <= 10 ? c / 3294.6 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000000" : "#ffffff";
}

export function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties))
    if (name in node) node[name] = value;
    else node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// The frame of an explorable in place of its fallback words.
// Returns {drawing, controls, readout, note}: where each of them goes. The readout is read aloud.
export function frame(host, { title, caption }) {
  const drawing = element("div", { className: "explorable-drawing" });
  const controls = element("div", { className: "explorable-controls" });
  const readout = element("div", { className: "explorable-readout", role: "status" });
  const note = element("p", { className: "explorable-note" });
  const side = element("div", { className: "explorable-side" }, controls, readout);
  host.replaceChildren(
    element(
      "figure",
      {},
      element("div", { className: "explorable-title", textContent: title }),
      element("div", { className: "explorable-body" }, drawing, side),
      note,
      element("figcaption", {}, element("p", { innerHTML: caption })),
    ),
  );
  return { drawing, controls, readout, note };
}

let names = 0;

// `options` maps values to labels; `chosen` holds those that are chosen at first.
function options(type, label, options, chosen, onChange) {
  const name = `explorable-choice-${names++}`;
  const inputs = Object.keys(options).map((option) =>
    element("input", { type, name, value: option, checked: chosen.includes(option), onchange: ({ target }) => onChange(option, target.checked) }),
  );
  const labels = inputs.map((input) => element("label", {}, input, element("span", { textContent: options[input.value] })));
  const row = element("div", { className: "explorable-options" }, ...labels);
  const node = element("fieldset", { className: "explorable-choice" }, element("legend", { textContent: label }), row);
  return { node, row, inputs };
}

// Switches: {node}; onChange(option, on).
export function switches(label, names, on, onChange) {
  return options("checkbox", label, names, on, onChange);
}

// One of several: {node, row, set value}; other things may join the options in `row`.
export function choice(label, names, value, onChange) {
  const { node, row, inputs } = options("radio", label, names, [value], onChange);
  return {
    node,
    row,
    set value(option) {
      for (const input of inputs) input.checked = input.value === option;
    },
  };
}

// A slider over a list of values: {node, input}.
export function slider(label, values, value, onInput) {
  const shown = element("span", { className: "explorable-value" });
  shown.setAttribute("aria-hidden", "true"); // the slider itself says it
  const input = element("input", { type: "range", min: 0, max: values.length - 1, step: 1 });
  const say = () => {
    shown.textContent = values[input.value];
    input.setAttribute("aria-valuetext", values[input.value]);
  };
  input.value = values.indexOf(value);
  say();
  input.oninput = () => {
    say();
    onInput(values[input.value]);
  };
  const words = element("span", { className: "explorable-label" }, element("span", { textContent: label }), shown);
  return { node: element("label", { className: "explorable-slider" }, words, input), input };
}

// Where a pointer is in a drawing whose own units are `width` × `height`.
export function position(event, node, width, height) {
  const box = node.getBoundingClientRect();
  return [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height];
}

export function clamp(value, low, high) {
  return Math.min(high, Math.max(low, value));
}

export function button(label, act) {
  return element("button", { type: "button", textContent: label, onclick: act });
}

export async function readJson(file) {
  const answer = await fetch(new URL(file, import.meta.url));
  if (!answer.ok) throw new Error(`${file} could not be read`);
  return answer.json();
}

// Dragging with one pointer at a time: onDrag(event, first) from the press to the release, and not
// after a release that nobody heard of.
export function draggable(node, onDrag) {
  let held = null;
  node.addEventListener("pointerdown", (event) => {
    if (event.button || (held !== null && !event.isPrimary)) return;
    held = event.pointerId;
    node.setPointerCapture(held);
    onDrag(event, true);
  });
  node.addEventListener("pointermove", (event) => {
    if (event.pointerId !== held) return;
    if (event.buttons & 1) onDrag(event, false);
    else held = null;
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"])
    node.addEventListener(end, (event) => (held = event.pointerId === held ? null : held));
}

const [TICK, CALM_TICK] = [50, 1000]; // milliseconds

// Buttons for what goes on step by step: {node, stop}. advance(ticks) returns whether there is more to come.
// Nothing moves before it is asked to; readers who ask for reduced motion get one picture a second.
export function player(advance, reset, readout, tick = TICK) {
  let timer = null;
  const stop = () => {
    clearInterval(timer);
    timer = null;
    play.textContent = "play";
    readout.setAttribute("aria-live", "polite");
  };
  const start = () => {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    play.textContent = "pause";
    readout.setAttribute("aria-live", "off"); // it would be read aloud without end
    timer = setInterval(() => advance(calm ? CALM_TICK / tick : 1) || stop(), calm ? CALM_TICK : tick);
  };
  const play = button("play", () => (timer ? stop() : start()));
  const once = button("step", () => (stop(), advance(1)));
  const again = button("reset", () => (stop(), reset()));
  return { node: element("div", { className: "explorable-options explorable-choice" }, play, once, again), stop };
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

// Lets a drawing take the keyboard's focus and be moved in: onMove(dx, dy, event) for arrow keys,
// onKey(event) for the others, which returns whether it was one of its own.
export function movable(node, label, onMove, onKey = () => false) {
  node.setAttribute("tabindex", "0");
  node.setAttribute("role", "application");
  node.setAttribute("aria-label", label);
  node.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const arrow = ARROWS[event.key];
    if (arrow) onMove(...arrow, event);
    else if (!onKey(event)) return;
    event.preventDefault();
  });
}

// Calls `draw` at most once a frame, however often it is asked; the first time at once, since a page
// that is about to be printed does not wait for a frame.
export function eachFrame(draw) {
  let [drawn, waiting] = [false, false];
  return () => {
    if (!drawn) {
      drawn = true;
      draw();
      return;
    }
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      draw();
    });
  };
}

// What a readout says: [[what, number], …], and a sentence under them.
export function tell(readout, rows, sentence) {
  const entries = rows.flatMap(([what, number]) => [element("dt", { textContent: what }), element("dd", { textContent: number })]);
  readout.replaceChildren(element("dl", {}, ...entries), element("p", { textContent: sentence }));
}

// "1, 2 or 4"
export function either(words) {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}
