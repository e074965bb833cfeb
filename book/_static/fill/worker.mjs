// What takes time, away from the page: fetching the runtime and a network, and filling.
//
// In:  {id, task: "prepare" or "warm", runtime, model}, or {id, task: "fill", width, height, pixels, mask,
//      and runtime and model, or neither for diffusion; gates, one for each column of a network that has them}
// Out: {id, event: "loaded", bytes}, {id, event: "filled", done, of} on the way;
//      then {id, event: "done", …} or {id, event: "failed", text}

import { diffuse } from "./diffusion.mjs";
import { fillBySquares, holePsnr } from "./region.mjs";
import { sha256 } from "./sha256.mjs";

let runtime = null; // a promise of the runtime's module
const networks = new Map(); // file → a promise of its session
let lastRun = Promise.resolve();
const damaged = new Set(); // files not to be taken from the browser's cache again

// What a browser says that cannot run a network, in one sentence. WebAssembly may throw a bare number.
function hindered(error) {
  const said = String(error?.message ?? error).split("\n")[0];
  const why = /memory|alloc/i.test(said) ? "has too little memory for the network" : `could not run the network (${said})`;
  return new Error(`This browser ${why}. Diffusion works without it.`);
}

// The bytes of a file whose size and hash are known.
async function fetchChecked({ file, name, bytes, sha256: expected }, loaded) {
  const response = await fetch(file, damaged.has(file) ? { cache: "reload" } : {}).catch(() => null);
  if (!response?.ok) throw new Error(`${name} could not be fetched${response ? ` (HTTP ${response.status})` : ""}. Is the connection up? Press Fill to try again.`);
  const parts = [];
  let had = 0;
  try {
    for (const reader = response.body.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      had += value.length;
      loaded(value.length);
    }
  } catch {
    throw new Error(`${name} stopped after ${had} of ${bytes} bytes. Press Fill to try again.`);
  }
  const all = new Uint8Array(await new Blob(parts).arrayBuffer());
  if (had !== bytes || (await sha256(all)) !== expected) {
    damaged.add(file);
    const why = had === bytes ? "its hash is not the one that this page expects" : `it has ${had} bytes instead of ${bytes}`;
    throw new Error(`${name} arrived damaged: ${why}. It was not used. Press Fill to fetch it again.`);
  }
  return all;
}

async function startRuntime({ script, binary }, loaded) {
  const wasmBinary = await fetchChecked(binary, loaded);
  const ort = await import(script).catch(() => {
    throw new Error("The runtime's script could not be fetched. Is the connection up? Press Fill to try again.");
  });
  // One thread: more need headers that a plain file server does not send.
  Object.assign(ort.env.wasm, { wasmBinary, numThreads: 1 });
  return ort;
}

async function startNetwork(message, loaded) {
  const [ort, network] = await Promise.all([
    (runtime ??= startRuntime(message.runtime, loaded).catch((error) => {
      runtime = null;
      throw error;
    })),
    fetchChecked(message.model, loaded),
  ]);
  const session = await ort.InferenceSession.create(network, { executionProviders: ["wasm"] }).catch((error) => {
    throw hindered(error);
  });
  return { ort, session };
}

function prepared(message) {
  const { file } = message.model;
  if (!networks.has(file)) {
    const loaded = (bytes) => postMessage({ id: message.id, event: "loaded", bytes });
    const network = startNetwork(message, loaded).catch((error) => {
      networks.delete(file);
      throw error;
    });
    networks.set(file, network);
  }
  return networks.get(file);
}

// The browser compiles code better once it has seen it run: the second run takes a fraction of the first.
async function warm(message) {
  const { size } = message.model;
  await run(await prepared(message), new Uint8Array(size * size * 3), new Uint8Array(size * size), size);
}

// One after the other: a session does not take a second picture while it works on the first.
function run({ ort, session }, image, mask, size, gates = [1, 1, 1]) {
  const feeds = {
    image: new ort.Tensor("uint8", image, [1, size, size, 3]),
    mask: new ort.Tensor("uint8", mask, [1, size, size]),
  };
  if (session.inputNames.includes("gates")) feeds.gates = new ort.Tensor("float32", Float32Array.from(gates), [gates.length]);
  const answer = lastRun.then(async () => {
    const { filled } = await session.run(feeds).catch((error) => {
      throw hindered(error);
    });
    return filled.data;
  });
  lastRun = answer.catch(() => {});
  return answer;
}

async function fill(message) {
  const { width, height, mask } = message;
  const pixels = message.pixels.slice();
  const network = message.model && (await prepared(message)); // not counted as filling
  const began = performance.now();
  if (network) {
    const { size } = message.model;
    const tell = (done, of) => of > 1 && postMessage({ id: message.id, event: "filled", done, of });
    const fillSquare = (image, holes) => run(network, image, holes, size, message.gates);
    await fillBySquares(fillSquare, size, pixels, mask, width, height, tell);
  } else diffuse(pixels, mask, width, height);
  const seconds = (performance.now() - began) / 1000;
  return { pixels, seconds, psnr: holePsnr(message.pixels, pixels, mask) };
}

async function prepare(message) {
  await prepared(message);
}

const TASKS = { prepare, warm, fill };

onmessage = async ({ data: message }) => {
  const { id } = message;
  try {
    const answer = await TASKS[message.task](message);
    postMessage({ id, event: "done", ...answer }, answer ? [answer.pixels.buffer] : []);
  } catch (error) {
    postMessage({ id, event: "failed", text: error.message });
  }
};
