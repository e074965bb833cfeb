// Chapter 15's film: frames of a panned portrait with a hole, filled frame by frame or with pixels
// carried along, to be played or stepped through. Pictures and scores are film.json's.

import { INK, ORANGE, choice, eachFrame, element, frame, player, readJson, svg, switches, tell } from "./figure.mjs";

const TICK = 160; // milliseconds a frame
const SCALE = 3;
const NAMES = {
  hole: "the hole",
  telea: "each frame by itself, Telea",
  gmcnn: "each frame by itself, GMCNN",
  carried: "carried along, both ways",
  truth: "the film as it was",
};

export function load() {
  return readJson("film.json");
}

export function mount(host, data) {
  const { side, count, pan, clips } = data;
  const room = { width: side + pan[1] * (count - 1), height: side + pan[0] * (count - 1) };
  const state = { at: 0, clip: "telea", still: true };
  const parts = frame(host, {
    title: "A film with a hole",
    caption:
      `${count} frames, cut out of one photograph by a camera that pans to the right and down. A disc before the lens hides a part of each. ` +
      "Held still, the scene stays in its place and the frame moves over it: whatever changes inside the hole then comes from the fill. " +
      "Flicker is the mean difference to the next frame’s fill, where both are fills.",
  });
  const sheet = svg("image", { height: side, width: side * count, y: 0, preserveAspectRatio: "none", style: "image-rendering: pixelated" });
  const view = svg("svg", { width: side, height: side, viewBox: `0 0 ${side} ${side}`, overflow: "hidden" }, sheet);
  const rim = svg("rect", { fill: "none", stroke: ORANGE, "stroke-width": 0.7, width: side, height: side });
  const picture = svg("svg", { viewBox: `0 0 ${room.width} ${room.height}`, role: "img", width: room.width * SCALE });
  picture.append(svg("rect", { ...room, fill: INK, opacity: 0.08 }), view, rim);
  parts.drawing.append(picture);

  const redraw = eachFrame(() => {
    const { at, clip, still } = state;
    const [x, y] = still ? [pan[1] * at, pan[0] * at] : [(room.width - side) / 2, (room.height - side) / 2];
    sheet.setAttribute("href", clips[clip].sheet);
    sheet.setAttribute("x", -side * at);
    for (const node of [view, rim]) {
      node.setAttribute("x", x);
      node.setAttribute("y", y);
    }
    picture.setAttribute("aria-label", `frame ${at + 1} of ${count}: ${NAMES[clip]}`);
    describe(parts.readout, clips[clip], state, count);
  });
  const method = choice("Shown", NAMES, state.clip, (clip) => {
    state.clip = clip;
    redraw();
  });
  const held = switches("", { still: "hold the scene still" }, ["still"], (_, on) => {
    state.still = on;
    redraw();
  });
  const turn = player(
    () => {
      state.at = (state.at + 1) % count;
      redraw();
      return true;
    },
    () => {
      state.at = 0;
      redraw();
    },
    parts.readout,
    TICK,
  );
  parts.controls.append(turn.node, method.node, held.node);
  parts.note.replaceChildren(element("span", {}, "Play it with each way of filling, and watch the hole."));
  redraw();
}

function describe(readout, { error, flicker }, { at, clip }, count) {
  const rows = [["Frame", `${at + 1} of ${count}`]];
  if (error) rows.push(["Error in the hole", `${error[at].toFixed(1)} grey levels`]);
  if (flicker && at + 1 < count) rows.push(["Flicker to the next", `${flicker[at].toFixed(1)} grey levels`]);
  tell(readout, rows, `${NAMES[clip]}.`);
}
