// Names for what widgets draw without any: the handles of sliders and the pictures that they choose.
// The theme's own HTML is mended when the pages are built (tools/finish.py).

const VIEW = 'script[type="application/vnd.jupyter.widget-view+json"]';

/** "sides: 32", for a slider or a menu in its row. */
function setting(row) {
  const label = row.querySelector(".widget-label")?.textContent.trim();
  const handle = row.querySelector(".noUi-handle");
  const menu = row.querySelector("select");
  // A slider's text is the number of the step; what it stands for is printed beside it.
  const value = menu
    ? menu.selectedOptions[0]?.textContent
    : row.querySelector(".widget-readout")?.textContent;
  if (handle && label) {
    handle.setAttribute("aria-label", label);
    handle.setAttribute("aria-valuetext", value);
  }
  return `${label}: ${value}`;
}

function describe(cell) {
  const rows = [...cell.querySelectorAll(".widget-hslider, .widget-dropdown")];
  const settings = rows.map(setting).join(", ");
  for (const picture of cell.querySelectorAll("img.widget-image")) {
    const alt = `The figure above with these settings: ${settings}.`;
    if (picture.alt !== alt) picture.alt = alt;
  }
}

for (const script of document.querySelectorAll(`.cell_output ${VIEW}`)) {
  const cell = script.closest(".cell_output");
  const watched = { childList: true, subtree: true, characterData: true };
  new MutationObserver(() => describe(cell)).observe(cell, watched);
  cell.addEventListener("change", () => describe(cell));
  describe(cell);
}
