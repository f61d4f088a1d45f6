// A list of which only the lines in sight are there, so that a long one is as fast as a short one.

/** The most lines that are printed. */
const PRINTED_MAX = 1500;

class LongList {
  /** `line` makes the element of a line; `choose` is told of a line that was chosen by pointer or by Enter. */
  constructor(scroller, { line, choose, key = () => false }) {
    Object.assign(this, { scroller, line, choose, key, items: [], active: -1, shown: new Map() });
    this.ground = el("div", { class: "ground", role: "presentation" });
    scroller.append(this.ground);
    this.refresh = inFrame(() => this.draw());
    scroller.addEventListener("scroll", this.refresh, { passive: true });
    scroller.addEventListener("keydown", (event) => this.pressed(event));
    scroller.addEventListener("click", (event) => this.clicked(event));
    new ResizeObserver(this.refresh).observe(scroller);
  }

  /** Shows these; the line that was active stays so if `active` says which it is now. */
  show(items, active = -1) {
    this.items = items;
    this.active = active;
    this.clear();
    this.draw();
  }

  clear() {
    for (const element of this.shown.values()) element.remove();
    this.shown.clear();
  }

  height() {
    return parseFloat(getComputedStyle(this.scroller).getPropertyValue("--step")) || 32;
  }

  draw() {
    const height = this.height();
    if (height !== this.drawnHeight) this.clear();
    this.drawnHeight = height;
    this.ground.style.height = `${this.items.length * height}px`;
    const { scrollTop, clientHeight } = this.scroller;
    const first = Math.max(Math.floor(scrollTop / height) - 6, 0);
    const last = Math.min(Math.ceil((scrollTop + clientHeight) / height) + 6, this.items.length);
    this.between(first, last, height);
  }

  between(first, last, height) {
    for (const [at, element] of this.shown) {
      if (at < first || at >= last) {
        element.remove();
        this.shown.delete(at);
      }
    }
    for (let at = first; at < last; at += 1) {
      if (this.shown.has(at)) continue;
      const element = this.line(this.items[at], at);
      element.id = `${this.scroller.id}-${at}`;
      element.dataset.at = at;
      element.style.transform = `translateY(${at * height}px)`;
      this.shown.set(at, element);
      this.ground.append(element);
    }
    this.mark();
  }

  mark() {
    for (const [at, element] of this.shown) {
      element.classList.toggle("active", at === this.active);
      element.setAttribute("aria-selected", String(at === this.active));
    }
    if (this.shown.has(this.active)) this.scroller.setAttribute("aria-activedescendant", `${this.scroller.id}-${this.active}`);
    else this.scroller.removeAttribute("aria-activedescendant");
  }

  /** Makes this line the active one and brings it into sight. */
  go(at) {
    if (this.items.length === 0) return;
    this.active = Math.min(Math.max(at, 0), this.items.length - 1);
    const height = this.height();
    const top = this.active * height;
    const { scrollTop, clientHeight } = this.scroller;
    if (top < scrollTop) this.scroller.scrollTop = top;
    else if (top + height > scrollTop + clientHeight) this.scroller.scrollTop = top + height - clientHeight;
    this.draw();
  }

  pressed(event) {
    if (event.target !== this.scroller || event.altKey || event.ctrlKey || event.metaKey) return;
    const page = Math.max(Math.floor(this.scroller.clientHeight / this.height()) - 1, 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key in steps) this.go(this.active + steps[event.key]);
    else if (event.key === "Enter" && this.items[this.active] !== undefined) this.choose(this.items[this.active]);
    else if (!this.key(event.key, this.items[this.active], this.active)) return;
    event.preventDefault();
  }

  clicked(event) {
    const line = event.target.closest("[data-at]");
    if (!line || event.target.closest("a, button")) return;
    this.active = Number(line.dataset.at);
    this.mark();
    this.choose(this.items[this.active]);
  }

  /** Shows the first lines one below the other, for paper; says how many are left out. */
  print() {
    this.clear();
    this.between(0, Math.min(this.items.length, PRINTED_MAX), 0);
    return Math.max(this.items.length - PRINTED_MAX, 0);
  }
}
