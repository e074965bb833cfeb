// In a block: its names stand beside those of painter.mjs, which comes before it on the page.
{
const data = JSON.parse(document.getElementById("examples").textContent);
const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const choices = [...document.querySelectorAll("select")];
const releases = [];
function show() {
  releases.splice(0).forEach((release) => release());
  const [left, right] = choices.map((choice) => choice.value);
  data.forEach((example, index) => {
    const el = document.getElementById(`example-${index}`);
    const [after, before] = [left, right].map((name) => bytes(example.pictures[name]));
    const description = `pair ${example.pair},`;
    releases.push(mountCompare(el, { before, after, labels: [right, left], description }));
  });
}
choices.forEach((choice) => (choice.onchange = show));
show();
}
