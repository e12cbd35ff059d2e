// A living picture in a notebook, and on any page that has one: sets the attributes that
// playground.display.live_picture has decided on, and decides nothing itself.

export function draw(holder, svg) {
  // Parsed as a drawing, not as a page: no script in it would run, and none is there.
  const parsed = new DOMParser().parseFromString(svg, "image/svg+xml").documentElement;
  const drawing = document.importNode(parsed, true);
  drawing.style.maxWidth = "100%";
  drawing.style.height = "auto";
  holder.replaceChildren(drawing);
  const parts = new Map();
  for (const element of [drawing, ...drawing.querySelectorAll("[data-part]")]) {
    const name = element.getAttribute("data-part");
    parts.set(name, [...(parts.get(name) || []), element]);
  }
  return parts;
}

export function apply(parts, attributes) {
  for (const [name, values] of Object.entries(attributes)) {
    for (const element of parts.get(name) || []) {
      for (const [attribute, value] of Object.entries(values)) {
        if (attribute === "text") {
          element.textContent = value;
        } else if (attribute === "title") {
          const title = element.querySelector(":scope > title");
          if (title) title.textContent = value;
        } else {
          element.setAttribute(attribute, value);
        }
      }
    }
  }
}

const HERE_MS = 5000;

function render({ model, el }) {
  el.style.overflow = "auto";
  let parts = draw(el, model.get("svg"));
  apply(parts, model.get("shown"));
  const hear = (message) => {
    if (message.svg) parts = draw(el, message.svg);
    apply(parts, message.attributes);
  };
  model.on("msg:custom", hear);
  const tell = (word) => model.send({ word });
  tell("new");
  // While nobody sees it nobody has to look at the network.
  const timer = setInterval(() => {
    if (el.isConnected && document.visibilityState === "visible") tell("here");
  }, HERE_MS);
  return () => {
    clearInterval(timer);
    model.off("msg:custom", hear);
    tell("gone");
  };
}

export default { render };
