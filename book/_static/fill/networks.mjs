// The networks of a page: each is fetched and started once, when it is first wanted.

import { Engine } from "./engine.mjs";

export const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

export class Networks {
  #loading = new Map(); // name → a promise
  #engine;

  constructor(runtime) {
    this.runtime = runtime;
    this.ready = new Set(); // names of networks that are loaded
    this.#engine = new Engine(() => {
      this.ready.clear();
      this.#loading.clear();
    });
  }

  // The same promise for as long as it runs. While it does, `hear` is called: begun(bytes), moved(share), ended(),
  // and at last ready().
  load(model, hear) {
    if (typeof WebAssembly === "undefined")
      return Promise.reject(new Error("This browser has no WebAssembly (or it is switched off), which the network needs. Diffusion works without it."));
    if (!this.#loading.has(model.name)) {
      const started = this.#load(model, hear).catch((error) => {
        this.#loading.delete(model.name);
        throw error;
      });
      this.#loading.set(model.name, started);
    }
    return this.#loading.get(model.name);
  }

  async #load(model, hear) {
    const total = model.bytes + (this.ready.size ? 0 : this.runtime.binary.bytes);
    let had = 0;
    hear.begun(total);
    try {
      await this.#engine.ask({ task: "prepare", ...this.#named(model) }, ({ bytes }) => {
        had += bytes;
        hear.moved(Math.min(had / total, 1));
      });
    } finally {
      hear.ended();
    }
    this.ready.add(model.name);
    hear.ready();
  }

  // As an error calls it.
  #named(model) {
    return { runtime: this.runtime, model: { ...model, name: "The network" } };
  }

  // Run it once, so that the first fill does not wait; a fill will tell what is wrong.
  warm(model) {
    this.#engine.ask({ task: "warm", ...this.#named(model) }).catch(() => {});
  }

  // {pixels, psnr, seconds} of {width, height, pixels, mask}, by diffusion without a model. tell(done, of) hears how
  // far it has come.
  fill(picture, model, tell) {
    return this.#engine.ask({ task: "fill", ...picture, runtime: this.runtime, model }, ({ event, done, of }) => {
      if (event === "filled") tell(done, of);
    });
  }

  // End what runs; whoever waits hears `why`.
  stop(why) {
    this.#engine.stop(why);
  }
}
