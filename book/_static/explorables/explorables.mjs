// Finds the explorables of a page, and loads each when it comes near the screen.
//
// In a chapter an explorable is `<div class="explorable" data-explorable="NAME">` with a few words
// in it, which is what a notebook shows. On the built page NAME.mjs puts a figure in their place: it
// exports `mount(host, data)`, and `load()` where it needs data. A page without one loads nothing.

const NEAR = "600px";

// Modules and data come in an idle moment, so that an explorable that was never scrolled to can
// still be drawn at once when the page is printed.
function whenIdle(act) {
  if (window.requestIdleCallback) requestIdleCallback(act, { timeout: 3000 });
  else setTimeout(act, 1000);
}

function prepare(host) {
  host.ready ??= (async () => {
    const module = await import(`./${host.dataset.explorable}.mjs`);
    const data = await module.load?.();
    host.mountNow = () => {
      delete host.mountNow;
      module.mount(host, data);
      host.dataset.mounted = "";
    };
  })();
  return host.ready;
}

async function show(host) {
  try {
    await prepare(host);
    host.mountNow?.();
  } catch (error) {
    const note = document.createElement("p");
    note.textContent = `The figure could not be loaded: ${error.message}`;
    host.append(note);
  }
}

const hosts = [...document.querySelectorAll("[data-explorable]")];
if (hosts.length) {
  const style = document.createElement("link");
  style.rel = "stylesheet";
  style.href = new URL("explorables.css", import.meta.url).href;
  document.head.append(style);

  const observer = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        observer.unobserve(target);
        show(target);
      }
    },
    { rootMargin: NEAR },
  );
  hosts.forEach((host) => observer.observe(host));
  // What fails here is tried, and said, when it comes near.
  whenIdle(() => hosts.forEach((host) => prepare(host).catch(() => delete host.ready)));
  addEventListener("beforeprint", () => hosts.forEach((host) => host.mountNow?.()));
}
