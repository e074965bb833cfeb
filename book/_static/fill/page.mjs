// The component: choose a picture, paint a hole, fill it, and compare. Everything happens in the
// browser; a picture never leaves the reader's machine.
//
// <div class="fill-page"> may carry
//   data-models    names of networks of manifest.json, as "a b"; by default all of them
//   data-pictures  names of pictures of manifest.json; by default all of them

import { megabytes, Networks } from "./networks.mjs";
import { element, button, MaskCanvas, mountCompare, mountPainter, resizeMask } from "./painter.mjs";
import { about, encoded, readPicture, toPng, toShownPng } from "./pictures.mjs";

const DIFFUSION = { name: "diffusion", label: "Diffusion", size: 0 };
const here = (file) => new URL(file, import.meta.url).href;

// The entries of a list that a block asks for, in its order.
function chosen(entries, names) {
  if (!names) return entries;
  return names.split(/\s+/).filter(Boolean).map((name) => {
    const found = entries.find((entry) => entry.name === name);
    if (!found) throw new Error(`manifest.json has no entry "${name}"`);
    return found;
  });
}

// Throws an Error that says why a hole cannot be filled.
function checkHole(mask) {
  if (!mask.includes(1)) throw new Error("There is no hole yet: paint over a part of the picture first.");
  if (!mask.includes(0)) throw new Error("Everything is missing, so there is nothing to fill from: undo, or erase a part of the hole.");
}

export async function mountFillPage(block) {
  const manifest = await (await fetch(here("manifest.json"), { cache: "no-cache" })).json();
  const models = chosen(manifest.models, block.dataset.models).map((model) => ({ ...model, file: here(model.file) }));
  const pictures = chosen(manifest.pictures, block.dataset.pictures);
  const runtime = {
    script: here(manifest.runtime.script),
    binary: { ...manifest.runtime.binary, name: "The runtime", file: here(manifest.runtime.binary.file) },
  };
  const page = new FillPage(block, { models, pictures, runtime, first: manifest.first });
  await page.choose(pictures[0]);
  return page;
}

class FillPage {
  constructor(block, { models, pictures, runtime, first }) {
    Object.assign(this, { block, models, pictures, first });
    this.busy = false; // with a fill
    this.networks = new Networks(runtime);
    this.fills = new Map(); // method → a PNG to look at, of the hole as it is now
    this.filled = null; // RGBA bytes of the last of them, as large as the picture
    this.#build();
    // A page that is left and found again by "back" may have lost its worker in between.
    addEventListener("pagehide", () => this.networks.stop("The fill was interrupted. Press Fill again."));
  }

  #build() {
    this.thumbnails = this.pictures.map((picture) => {
      const image = element("img", { src: here(picture.thumbnail), alt: "", width: 44, height: 44 });
      const node = element("button", { type: "button", title: picture.label, onclick: () => this.choose(picture) }, image);
      node.setAttribute("aria-label", picture.label);
      return node;
    });
    const file = element("input", { type: "file", accept: "image/*", hidden: true });
    file.onchange = () => {
      const [own] = file.files;
      file.value = "";
      if (own) this.chooseOwn(own);
    };
    const own = button("Your picture …", "Open a picture of yours. It stays on this machine.", () => file.click());
    own.classList.add("fill-own");
    const choices = element("div", { className: "fill-choices" }, ...this.thumbnails, own, file);
    choices.setAttribute("role", "group");
    choices.setAttribute("aria-label", "Pictures");

    this.place = element("div");
    this.bar = element("progress", { max: 1, value: 0 });
    this.bar.setAttribute("aria-label", "Loading");
    this.progress = element("div", { className: "fill-progress", hidden: true }, this.bar);
    this.about = element("p", { className: "fill-about" });

    this.beside = element("select", { onchange: () => this.#compare() });
    this.after = element(
      "div",
      { className: "fill-after", hidden: true },
      element("label", {}, "Compare with ", this.beside),
      button("Download the result", "A PNG as large as your picture; known pixels are unchanged.", () => this.#download("filled")),
      button("Download the mask", "A PNG, white where something is missing, for labkit inpaint.", () => this.#download("mask")),
    );
    const section = element("div", { className: "fill-body labkit-painter" }, choices, this.place, this.progress, this.after, this.about);
    section.setAttribute("role", "group");
    section.setAttribute("aria-label", "Paint a hole, and fill it");
    this.block.replaceChildren(section);
    this.block.classList.add("fill-mounted");
    this.#acceptDrops(section);
  }

  #acceptDrops(section) {
    const over = (event, entered) => {
      event.preventDefault();
      section.classList.toggle("fill-drop", entered);
    };
    section.ondragover = (event) => over(event, true);
    section.ondragleave = (event) => over(event, false);
    section.ondrop = (event) => {
      over(event, false);
      const [own] = event.dataTransfer.files;
      if (own) this.chooseOwn(own);
    };
  }

  async choose(picture) {
    this.wanted = picture;
    try {
      const response = await fetch(here(picture.file)).catch(() => null);
      if (!response?.ok) throw new Error(`The ${picture.label} could not be fetched. Is the connection up?`);
      const read = await readPicture(await response.blob(), picture.label);
      if (this.wanted === picture) await this.#show(read, picture);
    } catch (error) {
      this.#say(error.message);
    }
  }

  async chooseOwn(file) {
    this.wanted = file;
    try {
      this.#say(`Reading ${file.name} …`);
      const read = await readPicture(file, file.name);
      if (this.wanted !== file) return;
      const model = this.models.reduce((a, b) => (b.size > a.size ? b : a), DIFFUSION).name;
      const name = file.name.replace(/\.[^.]*$/, "");
      await this.#show(read, { name, label: file.name, model, strokes: [], credit: "yours; it stays on this machine" });
      this.#say(`${about(read)}Paint over what should go.`);
    } catch (error) {
      this.#say(error.message);
    }
  }

  async #show(read, picture) {
    const { canvas, full } = read;
    const { width, height } = canvas; // as it is shown and painted on
    const hole = new MaskCanvas(width, height);
    for (const stroke of picture.strokes) hole.draw(stroke);
    this.picture = { ...picture, canvas, width, height, full };
    this.painter?.destroy();
    this.thumbnails.forEach((node, k) => node.setAttribute("aria-pressed", String(this.pictures[k] === picture)));
    this.painter = await mountPainter(this.place, {
      image: canvas,
      mask: hole.mask,
      methods: [...this.models, DIFFUSION].map(({ name, label }) => ({ value: name, label })),
      maskFiles: false,
      onMask: () => this.#holeChanged(),
      onMethod: () => this.#describe(),
      onFill: (method) => this.fill(method),
    });
    if ([...this.models, DIFFUSION].some(({ name }) => name === picture.model)) this.painter.method = picture.model;
    this.painter.canvas.addEventListener("pointerdown", () => this.#touched());
    this.painter.canvas.addEventListener("keydown", (event) => event.key === " " && this.#touched());
    this.painted = false; // by the reader
    this.#forget();
    this.#describe();
    await this.#showFirst();
  }

  // The fill that came with the page, before anything is loaded.
  async #showFirst() {
    const { first, picture } = this;
    if (!first || picture.name !== first.picture || !this.models.some(({ name }) => name === first.model)) return;
    const response = await fetch(here(first.file)).catch(() => null);
    if (!response?.ok) return;
    const blob = await response.blob();
    const { full } = await readPicture(blob, "The first fill");
    if (this.picture !== picture || this.painted || this.busy || this.fills.size) return;
    this.#keep(first.model, full.pixels, blob);
    this.#say("This hole was filled when the page was made. Paint your own and press Fill.");
  }

  #model(name) {
    return this.models.find((model) => model.name === name);
  }

  #say(text) {
    if (this.painter) this.painter.say(text);
    else this.about.textContent = text;
  }

  #describe() {
    const model = this.#model(this.painter.method);
    const { label, credit } = this.picture;
    const said = [];
    if (!model) said.push("Diffusion makes each missing pixel the mean of its neighbours. It knows this picture and nothing else, and needs no download.");
    else {
      const sizes = `${megabytes(this.networks.runtime.binary.bytes)} of runtime and ${megabytes(model.bytes)} of network`;
      const trained = model.data ? `, trained on: ${model.data}` : "";
      const terms = model.terms ? ` Terms: ${model.terms}.` : "";
      said.push(`A GMCNN that sees ${model.size} × ${model.size} pixels at a time${trained}.${terms}`);
      if (!this.networks.ready.has(model.name)) said.push(`Your first stroke fetches ${sizes}, once.`);
    }
    said.push(`Picture: ${label} (${credit}). Nothing is sent anywhere.`);
    this.about.textContent = said.join(" ");
  }

  #holeChanged() {
    this.painted = true;
    this.#forget();
    this.#say("");
  }

  // The hole is another one, or the picture: fills of the old one say nothing.
  #forget() {
    this.fills.clear();
    this.filled = null;
    this.after.hidden = true;
    this.stopComparing?.();
    this.stopComparing = null;
    this.painter.result.replaceChildren();
  }

  #touched() {
    const model = this.#model(this.painter.method);
    if (model) this.load(model).catch((error) => this.#say(error.message));
  }

  load(model) {
    return this.networks.load(model, {
      begun: (bytes) => {
        this.bar.value = 0;
        this.progress.hidden = false;
        this.#say(`Fetching ${megabytes(bytes)} …`);
      },
      moved: (share) => (this.bar.value = share),
      ended: () => (this.progress.hidden = true),
      ready: () => {
        if (!this.busy) {
          this.#say("The network is ready.");
          this.networks.warm(model);
        }
        this.#describe();
      },
    });
  }

  async fill(method) {
    const { painter, picture } = this;
    const { width, height, pixels } = picture.full;
    this.busy = true;
    painter.busy(true);
    try {
      checkHole(painter.mask);
      const model = this.#model(method);
      if (model) await this.load(model);
      const painted = painter.mask.slice(); // it may have been painted while the network was fetched
      checkHole(painted);
      painter.say("Filling …");
      const request = { width, height, pixels, mask: this.#fullMask(painted) };
      const answer = await this.networks.fill(request, model, (done, of) => painter.say(`Filling part ${done + 1} of ${of} …`));
      if (this.painter !== painter) return; // another picture was chosen meanwhile
      if (painter.mask.some((missing, at) => missing !== painted[at])) return painter.say("The hole changed while it was filled. Press Fill again.");
      this.#keep(method, answer.pixels, await toShownPng({ width, height, pixels: answer.pixels }));
      const score = Number.isFinite(answer.psnr) ? `${answer.psnr.toFixed(2)} dB` : "exact";
      painter.say(`Filled in ${answer.seconds.toFixed(2)} s; in the hole, against the original, ${score}. (${this.#label(method)})`);
    } catch (error) {
      painter.say(error.message);
    } finally {
      this.busy = false;
      this.painter.busy(false);
    }
  }

  #label(method) {
    return (this.#model(method) ?? DIFFUSION).label;
  }

  // The mask in the pixels of the picture, of which several may be one that is shown.
  #fullMask(mask) {
    const { width, height, full } = this.picture;
    return resizeMask(mask, [width, height], [full.width, full.height]);
  }

  #keep(method, pixels, png) {
    this.fills.delete(method); // so that it comes last
    this.fills.set(method, png);
    this.filled = pixels;
    this.shown = method;
    const others = [...this.fills.keys()].filter((other) => other !== method);
    const options = [["hole", "the hole"], ["original", "the original"], ...others.map((other) => [other, this.#label(other)])];
    const before = this.beside.value;
    this.beside.replaceChildren(...options.map(([value, textContent]) => element("option", { value, textContent })));
    if (options.some(([value]) => value === before)) this.beside.value = before;
    this.after.hidden = false;
    this.#compare();
  }

  async #compare() {
    const { painter, picture, shown } = this;
    const after = this.fills.get(shown);
    const choice = this.beside.value;
    const label = this.beside.selectedOptions[0].textContent;
    let before = this.fills.get(choice);
    if (choice === "hole") before = await painter.holed();
    if (choice === "original") before = await encoded(picture.canvas);
    if (this.painter !== painter || this.fills.get(shown) !== after) return;
    this.stopComparing?.();
    this.stopComparing = mountCompare(painter.result, { before, after, labels: [label, this.#label(shown)], description: `${picture.label},` });
  }

  // Save the result, or the mask that it was made with, as large as the picture.
  async #download(what) {
    const { name, full } = this.picture;
    const { width, height } = full;
    let png;
    if (what === "filled") png = await toPng({ ...full, pixels: this.filled });
    else {
      const [black, white] = [0xff000000, 0xffffffff]; // opaque
      const pixels = Uint32Array.from(this.#fullMask(this.painter.mask), (missing) => (missing ? white : black));
      png = await toPng({ width, height, pixels: new Uint8Array(pixels.buffer) });
    }
    const link = element("a", { href: URL.createObjectURL(png), download: `${name}-${what}.png` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // the browser reads it after the click
  }
}
