// Two photos side by side that zoom and move together, and lines between the places on which they agree.
const SVG = "http://www.w3.org/2000/svg";
const CLOSEST = 12;

export class Viewer {
  constructor(stage) {
    this.stage = stage;
    this.panes = [...stage.querySelectorAll(".pane")];
    this.images = this.panes.map((pane) => pane.querySelector("img"));
    this.svg = stage.querySelector("svg");
    this.lines = [];
    this.reset();
    this.images.forEach((image) => {
      image.draggable = false;
      image.addEventListener("load", () => this.draw());
    });
    this.panes.forEach((pane) => this.listen(pane));
    new ResizeObserver(() => this.draw()).observe(stage);
  }

  show(place, url, alt) {
    const image = this.images[place];
    image.hidden = url === null;
    image.alt = alt;
    if (url === null) image.removeAttribute("src");
    else image.src = url;
  }

  // Until both can be seen, or cannot be shown at all.
  async ready() {
    await Promise.allSettled(this.images.filter((image) => !image.hidden).map((image) => image.decode()));
    this.draw();
  }

  reset() {
    Object.assign(this, { zoom: 1, x: 0, y: 0 });
    this.draw();
  }

  // x and y are shares of a pane: the same place of both stays where it is
  zoomBy(factor, x = 0.5, y = 0.5) {
    const zoom = Math.min(Math.max(this.zoom * factor, 1), CLOSEST);
    this.moveTo(x - ((x - this.x) * zoom) / this.zoom, y - ((y - this.y) * zoom) / this.zoom, zoom);
  }

  moveTo(x, y, zoom = this.zoom) {
    const within = (value) => Math.min(0, Math.max(1 - zoom, value));
    Object.assign(this, { zoom, x: within(x), y: within(y) });
    this.draw();
  }

  listen(pane) {
    const held = new Map();
    pane.addEventListener("wheel", (event) => {
      event.preventDefault();
      const box = pane.getBoundingClientRect();
      this.zoomBy(Math.exp(-event.deltaY / 400), (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
    }, { passive: false });
    pane.addEventListener("pointerdown", (event) => {
      held.set(event.pointerId, event);
      pane.setPointerCapture(event.pointerId);
    });
    pane.addEventListener("pointermove", (event) => {
      const before = held.get(event.pointerId);
      if (!before) return;
      const box = pane.getBoundingClientRect();
      const other = [...held.values()].find((one) => one.pointerId !== event.pointerId);
      held.set(event.pointerId, event);
      if (!other) return this.moveTo(this.x + (event.clientX - before.clientX) / box.width, this.y + (event.clientY - before.clientY) / box.height);
      const far = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
      const [x, y] = [(event.clientX + other.clientX) / 2, (event.clientY + other.clientY) / 2];
      this.zoomBy(far(event) / Math.max(far(before), 1), (x - box.left) / box.width, (y - box.top) / box.height);
    });
    for (const end of ["pointerup", "pointercancel"]) pane.addEventListener(end, (event) => held.delete(event.pointerId));
  }

  draw() {
    const frame = this.stage.getBoundingClientRect();
    const boxes = this.panes.map((pane, place) => {
      const [image, box] = [this.images[place], pane.getBoundingClientRect()];
      const scale = Math.min(box.width / (image.naturalWidth || 1), box.height / (image.naturalHeight || 1)) * this.zoom;
      const [width, height] = [image.naturalWidth * scale, image.naturalHeight * scale];
      const left = this.x * box.width + (this.zoom * box.width - width) / 2;
      const top = this.y * box.height + (this.zoom * box.height - height) / 2;
      Object.assign(image.style, { width: `${width}px`, height: `${height}px`, transform: `translate(${left}px, ${top}px)` });
      return { box, width, height, left: box.left + left, top: box.top + top };
    });
    this.svg.replaceChildren();
    if (this.images.some((image) => image.hidden)) return;
    for (const [ax, ay, bx, by] of this.lines) {
      const ends = [[ax, ay], [bx, by]].map(([x, y], place) => [boxes[place].left + x * boxes[place].width, boxes[place].top + y * boxes[place].height]);
      const seen = ends.every(([x, y], place) => {
        const { box } = boxes[place];
        return x >= box.left && x <= box.right && y >= box.top && y <= box.bottom;
      });
      if (seen) this.line(ends.map(([x, y]) => [x - frame.left, y - frame.top]));
    }
  }

  line([[x1, y1], [x2, y2]]) {
    const add = (name, values) => {
      const element = document.createElementNS(SVG, name);
      Object.entries(values).forEach(([key, value]) => element.setAttribute(key, value));
      this.svg.append(element);
    };
    add("line", { x1, y1, x2, y2 });
    add("circle", { cx: x1, cy: y1, r: 3 });
    add("circle", { cx: x2, cy: y2, r: 3 });
  }
}
