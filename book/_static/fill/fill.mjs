// Turns each <div class="fill-page"> of a page into the component that fills holes. On pages without
// one nothing more is loaded than this file.

for (const block of document.querySelectorAll(".fill-page"))
  import("./page.mjs")
    .then(({ mountFillPage }) => mountFillPage(block))
    .catch((error) => console.error("The painter could not be set up:", error));
