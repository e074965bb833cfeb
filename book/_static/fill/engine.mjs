// The page's side of worker.mjs: requests that are answered by promises.

export class Engine {
  #worker = null;
  #open = new Map(); // id → {resolve, reject, tell}
  #count = 0;
  #stopped;

  // stopped() hears that everything which the worker held is gone.
  constructor(stopped) {
    this.#stopped = stopped;
  }

  // tell(event) hears what happens on the way.
  ask(message, tell = () => {}) {
    return new Promise((resolve, reject) => {
      const id = ++this.#count;
      this.#open.set(id, { resolve, reject, tell });
      this.#start().postMessage({ id, ...message });
    });
  }

  #start() {
    if (this.#worker) return this.#worker;
    const worker = new Worker(new URL("./worker.mjs", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }) => {
      const request = this.#open.get(data.id);
      if (!request) return;
      if (data.event === "done" || data.event === "failed") this.#open.delete(data.id);
      if (data.event === "done") request.resolve(data);
      else if (data.event === "failed") request.reject(new Error(data.text));
      else request.tell(data);
    };
    worker.onerror = () => this.stop("The part of this page that fills holes could not be started. Reload the page.");
    this.#worker = worker;
    return worker;
  }

  // End the worker; whoever waits hears `why`. The next request starts another.
  stop(why) {
    this.#worker?.terminate();
    this.#worker = null;
    for (const { reject } of this.#open.values()) reject(new Error(why));
    this.#open.clear();
    this.#stopped();
  }
}
