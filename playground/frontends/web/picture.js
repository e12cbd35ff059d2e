// The living picture: shows SVG that the server has drawn, lets one move about in it, and says
// what was clicked or dragged.  What anything looks like the server decides.
const SVG = "http://www.w3.org/2000/svg";
const CLICK_PX = 5;
const STEP = 1.25;
// A lab of two nodes does not fill a screen, and on a phone small letters (10.5) have 11 pixels.
const MOST_SCALE = 1.6;
const PHONE_PX = 600;
const READABLE_SCALE = 1.05;
// What the buttons that zoom take: a strip on the right, of a narrow stage
// one below; on a phone they are below the stage.
const TOOLS_PX = 60;

export default {
  template: '<div class="pg-stage" ref="stage" @keydown="key"></div>',
  props: { svg: String, attributes: Object, ends: Array, layers: Array, editable: Boolean },

  mounted() {
    this.shownLayers = new Set(this.layers || []);
    this.pointers = new Map();
    this.draw(this.svg, this.attributes, this.ends);
    this.resized = new ResizeObserver(() => this.stageChanged());
    this.resized.observe(this.$refs.stage);
  },

  unmounted() {
    this.resized.disconnect();
    this.stopFollowing();
  },

  methods: {
    // -- what the server says ---------------------------------------------------

    draw(svg, attributes, ends) {
      const focused = document.activeElement?.closest?.("[data-part]")?.dataset.part;
      this.arrive();
      this.stopFollowing();
      // Fingers and buttons that were held let go of a picture that is no more.
      this.pointers.clear();
      this.pinch = null;
      this.$refs.stage.innerHTML = svg; // every word of it was escaped where it was drawn
      const root = (this.root = this.$refs.stage.querySelector("svg"));
      const drawn = root.viewBox.baseVal;
      this.whole = { x: drawn.x, y: drawn.y, w: drawn.width, h: drawn.height };
      root.removeAttribute("width");
      root.removeAttribute("height");
      root.setAttribute("role", "group");
      this.cableEnds = ends;
      this.parts = new Map();
      for (const part of root.querySelectorAll("[data-part]")) {
        const name = part.dataset.part;
        if (!this.parts.has(name)) this.parts.set(name, []);
        this.parts.get(name).push(part);
      }
      if (root.dataset.part) this.parts.set(root.dataset.part, [root]);
      this.makeReachable();
      this.listen();
      this.apply(attributes);
      this.showLayers([...this.shownLayers]);
      // Who has not moved about sees all of what it has become.
      if (this.fitted === undefined) this.fitted = "first";
      if (this.fitted) this.fitTo(this.fitted);
      else this.look();
      if (focused) this.first(focused)?.focus?.();
      if (this.searched) this.find(this.searched);
    },

    apply(attributes) {
      for (const [name, values] of Object.entries(attributes || {})) {
        for (const part of this.parts.get(name) || []) {
          for (const [attribute, value] of Object.entries(values)) {
            if (attribute === "text") part.textContent = value;
            else if (attribute === "title") {
              const title = part.querySelector(":scope > title");
              if (title) title.textContent = value;
              if (part.hasAttribute("aria-label")) part.setAttribute("aria-label", value);
            } else part.setAttribute(attribute, value);
          }
        }
      }
    },

    showLayers(names) {
      this.shownLayers = new Set(names);
      for (const layer of this.root.querySelectorAll("[data-layer]")) {
        if (this.shownLayers.has(layer.dataset.layer)) layer.removeAttribute("display");
        else layer.setAttribute("display", "none");
      }
    },

    find(words) {
      this.searched = words;
      const wanted = (words || "").trim().toLowerCase();
      let found = 0;
      let box = null;
      for (const [name, [part]] of this.parts) {
        if (!name.startsWith("node ")) continue;
        const said = part.textContent.toLowerCase();
        const fits = !wanted || said.includes(wanted);
        part.classList.toggle("pg-dim", !fits);
        part.classList.toggle("pg-found", !!wanted && fits);
        if (!wanted || !fits) continue;
        found += 1;
        const at = this.place(part);
        box = box || { left: at.x, right: at.x, top: at.y, bottom: at.y };
        box.left = Math.min(box.left, at.x);
        box.right = Math.max(box.right, at.x);
        box.top = Math.min(box.top, at.y);
        box.bottom = Math.max(box.bottom, at.y);
      }
      if (box && !this.sees(box)) this.lookAtAll(box);
      return found;
    },

    // As near as now, or as far away as all of these places ask for.
    lookAtAll({ left, right, top, bottom }) {
      const by = Math.max((right - left + 300) / this.box.w, (bottom - top + 200) / this.box.h, 1);
      this.box.w *= by;
      this.box.h *= by;
      this.lookAt((left + right - this.box.w) / 2, (top + bottom - this.box.h) / 2);
    },

    fit() {
      this.fitTo("all");
    },

    // Look at all of it, beside the buttons; "first" on a phone at what can be read, from its corner.
    fitTo(how) {
      const { width, height } = this.$refs.stage.getBoundingClientRect();
      if (!width || !height) return;
      const phone = width < PHONE_PX;
      const wide = width - (phone ? 0 : TOOLS_PX);
      const high = height - (phone && window.innerWidth >= PHONE_PX ? TOOLS_PX : 0);
      let scale = Math.min(wide / this.whole.w, high / this.whole.h, MOST_SCALE);
      if (phone && how === "first") scale = Math.max(scale, READABLE_SCALE);
      const { x, y, w, h } = this.whole;
      this.box = {
        x: x + (w * scale > wide + 1 ? 0 : w / 2 - wide / scale / 2),
        y: y + (h * scale > high ? 0 : h / 2 - high / scale / 2),
        w: width / scale,
        h: height / scale,
      };
      this.fitted = how;
      this.look();
    },

    zoom(by) {
      this.zoomAt(by, this.box.x + this.box.w / 2, this.box.y + this.box.h / 2);
    },

    // -- where one looks ---------------------------------------------------------

    look() {
      const { x, y, w, h } = this.box;
      this.root.setAttribute("viewBox", `${x} ${y} ${w} ${h}`);
    },

    sees(box) {
      const { x, y, w, h } = this.box;
      return box.left >= x && box.right <= x + w && box.top >= y && box.bottom <= y + h;
    },

    // Where one has moved about, what is in the middle stays there, as large as it was.
    stageChanged() {
      const { width, height } = this.$refs.stage.getBoundingClientRect();
      if (!width || !height) return;
      if (this.fitted || !this.box) return this.fitTo(this.fitted || "first");
      const h = (this.box.w * height) / width;
      this.box.y += (this.box.h - h) / 2;
      this.box.h = h;
      this.look();
    },

    // A place that is out of sight is moved into the middle.
    reveal(at) {
      if (this.sees({ left: at.x, right: at.x, top: at.y, bottom: at.y })) return;
      this.lookAt(at.x - this.box.w / 2, at.y - this.box.h / 2);
    },

    lookAt(x, y) {
      this.fitted = "";
      this.box.x = x;
      this.box.y = y;
      this.look();
    },

    zoomAt(by, x, y) {
      const least = Math.min(this.whole.w, 60);
      const most = Math.max(this.whole.w, this.whole.h) * 4;
      this.fitted = "";
      const w = Math.min(Math.max(this.box.w / by, least), most);
      const scale = w / this.box.w;
      this.box = {
        x: x - (x - this.box.x) * scale,
        y: y - (y - this.box.y) * scale,
        w,
        h: this.box.h * scale,
      };
      this.look();
    },

    point(event) {
      return new DOMPoint(event.clientX, event.clientY).matrixTransform(
        this.root.getScreenCTM().inverse(),
      );
    },

    // -- what hands do -----------------------------------------------------------

    listen() {
      const root = this.root;
      root.addEventListener("wheel", (event) => {
        event.preventDefault();
        const at = this.point(event);
        this.zoomAt(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)), at.x, at.y);
      }, { passive: false });
      root.addEventListener("pointerdown", (event) => this.down(event));
      root.addEventListener("pointermove", (event) => this.moved(event));
      for (const end of ["pointerup", "pointercancel"])
        root.addEventListener(end, (event) => this.up(event));
    },

    down(event) {
      if (event.button) return;
      this.root.setPointerCapture(event.pointerId);
      const part = this.openable(event.target);
      this.pointers.set(event.pointerId, {
        part, name: part?.dataset.part, x: event.clientX, y: event.clientY, from: this.point(event),
        far: false,
      });
      this.pinch = null;
    },

    moved(event) {
      const pointer = this.pointers.get(event.pointerId);
      if (!pointer) return;
      if (this.pointers.size === 2) return this.pinched(event, pointer);
      const far = Math.hypot(event.clientX - pointer.x, event.clientY - pointer.y);
      if (!pointer.far && far < CLICK_PX) return;
      pointer.far = true;
      const at = this.point(event);
      if (pointer.name?.startsWith("node ") && this.editable) {
        this.shift(pointer.name, at.x - pointer.from.x, at.y - pointer.from.y);
      } else {
        this.lookAt(
          this.box.x - (at.x - pointer.from.x), this.box.y - (at.y - pointer.from.y),
        );
      }
    },

    pinched(event, pointer) {
      pointer.far = true;
      pointer.x = event.clientX;
      pointer.y = event.clientY;
      const [one, other] = [...this.pointers.values()];
      const wide = Math.hypot(one.x - other.x, one.y - other.y);
      const middle = this.point({ clientX: (one.x + other.x) / 2, clientY: (one.y + other.y) / 2 });
      if (this.pinch) {
        this.zoomAt(wide / this.pinch.wide, middle.x, middle.y);
        const now = this.point({
          clientX: (one.x + other.x) / 2, clientY: (one.y + other.y) / 2,
        });
        this.lookAt(this.box.x - (now.x - middle.x), this.box.y - (now.y - middle.y));
      }
      this.pinch = { wide };
    },

    up(event) {
      const pointer = this.pointers.get(event.pointerId);
      this.pointers.delete(event.pointerId);
      this.pinch = null;
      if (!pointer || event.type === "pointercancel") return;
      if (!pointer.far) {
        if (pointer.part) this.open(pointer.part);
        else this.$emit("background", {});
      } else if (pointer.name?.startsWith("node ") && this.editable) {
        const at = this.point(event);
        this.drop(pointer.name, at.x - pointer.from.x, at.y - pointer.from.y);
      }
    },

    openable(target) {
      const part = target.closest?.("[data-part]");
      const kind = part?.dataset.part.split(" ")[0];
      return ["node", "cable", "label", "note"].includes(kind) ? part : null;
    },

    open(part) {
      this.$emit("open", { part: part.dataset.part });
    },

    // -- cards that are dragged ----------------------------------------------------

    first(name) {
      return (this.parts.get(name) || [])[0];
    },

    place(part) {
      const box = (part.querySelector(".pg-body") || part).getBBox();
      return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
    },

    shift(name, right, down) {
      const card = this.first(name);
      if (!card) return;
      card.setAttribute("transform", `translate(${right} ${down})`);
      const node = name.slice(5);
      this.cableEnds.forEach(([a, b], number) => {
        if (a !== node && b !== node) return;
        const ends = [a, b].map((end) => {
          const at = this.place(this.first(`node ${end}`));
          return end === node ? { x: at.x + right, y: at.y + down } : at;
        });
        const line = `M${ends[0].x} ${ends[0].y}L${ends[1].x} ${ends[1].y}`;
        for (const path of this.first(`cable ${number}`)?.querySelectorAll("path") || [])
          path.setAttribute("d", line);
        for (const kind of ["label", "note"]) {
          const part = this.first(`${kind} ${number}`);
          if (!part) continue;
          const box = part.getBBox();
          const x = (ends[0].x + ends[1].x) / 2 - box.x - box.width / 2;
          const y = (ends[0].y + ends[1].y) / 2 - box.y - box.height / 2;
          part.setAttribute("transform", `translate(${x} ${kind === "note" ? y + 22 : y})`);
        }
      });
    },

    drop(name, right, down) {
      const card = this.first(name);
      if (!card) return;
      const at = this.place(card);
      this.$emit("moved", { name: name.slice(5), x: at.x + right, y: at.y + down });
    },

    // -- keys alone ------------------------------------------------------------------

    makeReachable() {
      for (const [name, parts] of this.parts) {
        if (!/^(node|cable) /.test(name)) continue;
        const part = parts[0];
        part.setAttribute("tabindex", "0");
        part.setAttribute("role", "button");
        part.setAttribute("aria-label", part.querySelector("title")?.textContent || name);
      }
    },

    key(event) {
      const part = this.openable(event.target);
      const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
      const way = arrows[event.key];
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      if (part && (event.key === "Enter" || event.key === " ")) this.open(part);
      else if (event.key === "+" || event.key === "=") this.zoom(STEP);
      else if (event.key === "-") this.zoom(1 / STEP);
      else if (event.key === "0") this.fit();
      else if (way && part && event.shiftKey && this.editable && part.dataset.part.startsWith("node "))
        this.drop(part.dataset.part, way[0] * 20, way[1] * 20);
      else if (way && part?.dataset.part.startsWith("node ") && !event.shiftKey)
        this.neighbour(part, way)?.focus();
      else if (way) {
        this.lookAt(
          this.box.x + way[0] * this.box.w * 0.1, this.box.y + way[1] * this.box.h * 0.1,
        );
      } else return;
      event.preventDefault();
    },

    neighbour(part, [right, down]) {
      const from = this.place(part);
      let best = null;
      let nearest = Infinity;
      for (const [name, [other]] of this.parts) {
        if (other === part || !name.startsWith("node ")) continue;
        const at = this.place(other);
        const ahead = (at.x - from.x) * right + (at.y - from.y) * down;
        const aside = Math.abs((at.x - from.x) * down) + Math.abs((at.y - from.y) * right);
        if (ahead > 0 && ahead + 2 * aside < nearest) {
          nearest = ahead + 2 * aside;
          best = other;
        }
      }
      return best;
    },

    // -- a packet on its way ---------------------------------------------------------

    // `steps` are {node}, or {cable, toward} for a line on which it goes to a node; the last may
    // have a `fault`: there it stops.  `said` are words by step.
    follow(steps) {
      this.stopFollowing();
      if (!steps.length) return;
      const layer = (this.packetLayer = this.root.appendChild(document.createElementNS(SVG, "g")));
      // The line that it draws lies below the cards, the packet itself above all.
      const cards = this.root.querySelector('[data-part^="node "]');
      this.traceLayer = this.root.insertBefore(document.createElementNS(SVG, "g"), cards);
      for (const one of [layer, this.traceLayer]) one.setAttribute("class", "pg-follow");
      for (const step of steps) this.trace(step.cable === undefined ? layer : this.traceLayer, step);
      const dot = layer.appendChild(document.createElementNS(SVG, "circle"));
      dot.setAttribute("r", "8");
      dot.setAttribute("class", "pg-packet");
      this.followed = { steps, dot, at: 0, since: performance.now() };
      this.frame = requestAnimationFrame((now) => this.go(now));
    },

    trace(layer, step) {
      if (step.cable !== undefined) {
        const way = this.first(`cable ${step.cable}`)?.querySelector("path");
        if (!way) return;
        const line = layer.appendChild(document.createElementNS(SVG, "path"));
        line.setAttribute("d", way.getAttribute("d"));
        line.setAttribute("class", `pg-trace pg-${step.way || "there"}`);
        line.style.display = "none";
        step.line = line;
        step.path = way;
        const [a] = this.cableEnds[step.cable];
        step.forward = step.toward !== a;
      } else {
        const card = this.first(`node ${step.node}`);
        if (!card) return;
        step.place = this.place(card);
        if (step.fault) {
          const box = card.querySelector(".pg-body").getBBox();
          const mark = layer.appendChild(document.createElementNS(SVG, "g"));
          mark.setAttribute("class", "pg-fault");
          mark.style.display = "none";
          mark.innerHTML = `<rect x="${box.x - 7}" y="${box.y - 7}" width="${box.width + 14}" ` +
            `height="${box.height + 14}" rx="12"/><g transform="translate(${box.x - 7} ${box.y - 7})">` +
            '<circle r="11"/><path d="M-4-4L4 4M4-4L-4 4"/></g>';
          step.mark = mark;
        }
      }
    },

    go(now) {
      const run = this.followed;
      if (!run) return;
      const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
      const step = run.steps[run.at];
      const length = step.path?.getTotalLength() || 0;
      const lasts = calm ? 0 : step.path
        ? Math.min(Math.max(length * 4, 350), 1100) : step.said ? 1300 : 200;
      const share = lasts ? Math.min((now - run.since) / lasts, 1) : 1;
      if (step.path) {
        step.line.style.display = "";
        // Drawn as far as it came.
        const part = length * share;
        step.line.style.strokeDasharray = step.forward
          ? `${part} ${length}` : `0 ${length - part} ${part} 0`;
        const at = step.path.getPointAtLength(step.forward ? part : length - part);
        run.dot.setAttribute("cx", at.x);
        run.dot.setAttribute("cy", at.y);
        this.reveal(at);
      } else if (step.place) {
        this.reveal(step.place);
        run.dot.setAttribute("cx", step.place.x);
        run.dot.setAttribute("cy", step.place.y);
        if (step.mark) step.mark.style.display = "";
        if (step.said && run.said !== step) this.say(step);
      }
      if (share >= 1) {
        if (step.path) step.line.style.strokeDasharray = "none";
        this.$emit("reached", { step: run.at });
        run.at += 1;
        run.since = now;
        if (run.at >= run.steps.length) {
          if (step.fault) run.dot.classList.add("pg-lost");
          this.followed = null;
          return;
        }
      }
      this.frame = requestAnimationFrame((next) => this.go(next));
    },

    // A bubble above the node, of text alone, in lines of some 40 letters.
    say(step) {
      this.followed.said = step;
      this.bubble?.remove();
      const bubble = (this.bubble = document.createElementNS(SVG, "g"));
      bubble.setAttribute("class", step.fault ? "pg-bubble pg-bad" : "pg-bubble");
      const lines = [""];
      for (const word of step.said.split(/\s+/)) {
        const last = lines.length - 1;
        if (lines[last] && lines[last].length + word.length > 40) lines.push(word);
        else lines[last] += (lines[last] ? " " : "") + word;
      }
      const box = this.first(`node ${step.node}`).querySelector(".pg-body").getBBox();
      const rect = bubble.appendChild(document.createElementNS(SVG, "rect"));
      let wide = 0;
      lines.slice(0, 4).forEach((line, number) => {
        const text = bubble.appendChild(document.createElementNS(SVG, "text"));
        text.textContent = line;
        text.setAttribute("x", step.place.x);
        text.setAttribute("y", box.y - 18 - (Math.min(lines.length, 4) - 1 - number) * 17);
        text.setAttribute("text-anchor", "middle");
        wide = Math.max(wide, line.length * 7.4);
      });
      const high = Math.min(lines.length, 4) * 17 + 12;
      const left = step.place.x - wide / 2 - 10;
      for (const [name, value] of Object.entries({
        x: left, y: box.y - 10 - high, width: wide + 20, height: high, rx: 9,
      })) rect.setAttribute(name, value);
      // Into what one sees, where that is wide enough.
      const right = Math.max(this.box.x + 8 - left, 0) ||
        Math.min(this.box.x + this.box.w - 8 - (left + wide + 20), 0);
      // Below the card where there is no room above it.
      const hidden = box.y - 10 - high < this.box.y + 4;
      const down = hidden ? box.height + high + 20 : 0;
      bubble.setAttribute("transform", `translate(${right} ${down})`);
      this.packetLayer.appendChild(bubble);
    },

    // Say of each stop to come that it is reached: its reader waits for what was found there.
    arrive() {
      const { at, steps } = this.followed || { at: 0, steps: [] };
      for (let step = at; step < steps.length; step += 1) this.$emit("reached", { step });
    },

    stopFollowing() {
      cancelAnimationFrame(this.frame);
      this.followed = null;
      this.packetLayer?.remove();
      this.traceLayer?.remove();
      this.packetLayer = null;
      this.bubble = null;
    },
  },
};
