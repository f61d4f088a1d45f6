// The timeline: a lane for each agent, a bar for each of its claims.

const AXIS = 26;
const LANE_HEAD = 24;
const BAR = 18;
const BAR_STEP = 22;
const LANE_GAP = 8;
/** The shortest stretch that can be looked at, in milliseconds. */
const SPAN_MIN = 20;

class Timeline {
  constructor(board, open) {
    Object.assign(this, { board, open, hidden: new Set(), focus: null });
    this.canvas = el("canvas", { "aria-hidden": "true" });
    this.ground = el("div", { class: "ground", role: "presentation" });
    this.scroller = $("lanes");
    this.scroller.append(this.canvas, this.ground);
    this.context = this.canvas.getContext("2d");
    this.refresh = inFrame(() => this.draw());
    this.everything = lanesOf(board.claims);
    this.whole = spanOf(board.claims, board.madeAt);
    this.span = { ...this.whole };
    this.legend();
    this.controls();
    this.steering();
    this.update();
    new ResizeObserver(this.refresh).observe(this.scroller);
  }

  legend() {
    const counts = new Map();
    for (const claim of this.board.claims) {
      const { name } = FAMILY_OF.get(claim.end);
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    const item = (family) => {
      const toggle = () => this.toggle(family.name, button);
      const label = [el("span", { class: "mark", "aria-hidden": "true" }, family.mark), ` ${family.says} `, el("b", {}, count(counts.get(family.name)))];
      const button = el("button", { type: "button", class: `chip f-${family.name}`, "aria-pressed": "true", onclick: toggle }, ...label);
      return el("li", {}, button);
    };
    $("legend").replaceChildren(...FAMILIES.filter((family) => counts.has(family.name)).map(item));
  }

  toggle(name, button) {
    const isShown = this.hidden.delete(name);
    if (!isShown) this.hidden.add(name);
    button.setAttribute("aria-pressed", String(isShown));
    this.update();
  }

  controls() {
    const later = debounced(() => this.update(), 120);
    $("lane-search").addEventListener("input", later);
    $("lane-order").addEventListener("change", () => this.update());
    $("zoom-in").addEventListener("click", () => this.zoom(0.5));
    $("zoom-out").addEventListener("click", () => this.zoom(2));
    $("zoom-fit").addEventListener("click", () => this.fit());
    $("pan-left").addEventListener("click", () => this.pan(-0.4));
    $("pan-right").addEventListener("click", () => this.pan(0.4));
  }

  /** Chooses lanes and claims by what is asked for. */
  update() {
    const parts = $("lane-search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const { tasks } = this.board;
    const fits = (claim) => parts.every((part) => claim.agent.toLowerCase().includes(part) || tasks[claim.task].id.toLowerCase().includes(part));
    const isAll = parts.length === 0 && this.hidden.size === 0;
    const shows = (claim) => !this.hidden.has(FAMILY_OF.get(claim.end).name) && fits(claim);
    const claims = isAll ? this.board.claims : this.board.claims.filter(shows);
    this.lanes = ordered(isAll ? this.everything : lanesOf(claims), $("lane-order").value);
    let top = AXIS;
    for (const lane of this.lanes) {
      lane.top = top;
      lane.height = LANE_HEAD + lane.rows.length * BAR_STEP + LANE_GAP;
      top += lane.height;
    }
    this.height = top;
    this.focus = null;
    this.hideTip();
    $("lanes-found").textContent = claims.length === 0 ? "No claims to be shown." : `${counted(claims.length, "claim", "claims")} of ${counted(this.lanes.length, "agent", "agents")}`;
    this.refresh();
  }

  fit() {
    this.span = { ...this.whole };
    this.refresh();
  }

  /** Shows so many times what is shown now, with the time at this part of the width where it is. */
  zoom(factor, part = 0.5) {
    const length = this.span.to - this.span.from;
    const most = (this.whole.to - this.whole.from) * 1.5;
    const next = Math.min(Math.max(length * factor, SPAN_MIN), Math.max(most, SPAN_MIN));
    const at = this.span.from + length * part;
    this.span = { from: at - next * part, to: at + next * (1 - part) };
    this.keepInSight();
  }

  pan(part) {
    const step = (this.span.to - this.span.from) * part;
    this.span = { from: this.span.from + step, to: this.span.to + step };
    this.keepInSight();
  }

  /** Something of the whole stays in the middle. */
  keepInSight() {
    const middle = (this.span.from + this.span.to) / 2;
    const step = Math.min(Math.max(middle, this.whole.from), this.whole.to) - middle;
    this.span = { from: this.span.from + step, to: this.span.to + step };
    this.hideTip();
    this.refresh();
  }

  x(ms) {
    return ((ms - this.span.from) / (this.span.to - this.span.from)) * this.width;
  }

  draw(scrollTop = this.scroller.scrollTop, height = this.scroller.clientHeight, width = this.scroller.clientWidth) {
    this.width = width;
    if (this.width === 0 || height === 0) return;
    this.ground.style.height = `${Math.max(this.height - height, 0)}px`;
    const scale = window.devicePixelRatio || 1;
    const size = [Math.round(this.width * scale), Math.round(height * scale)];
    if (this.canvas.width !== size[0] || this.canvas.height !== size[1]) [this.canvas.width, this.canvas.height] = size;
    this.canvas.style.width = `${this.width}px`;
    this.canvas.style.height = `${height}px`;
    this.colors = colorsOf(this.scroller, this.context, scale);
    const { context, colors } = this;
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.fillStyle = colors.ground;
    context.fillRect(0, 0, this.width, height);
    context.textBaseline = "middle";
    const ticks = this.ticks();
    this.grid(ticks, height);
    for (const lane of this.lanes) {
      if (lane.top + lane.height >= scrollTop && lane.top <= scrollTop + height) this.lane(lane, lane.top - scrollTop, height);
    }
    this.axis(ticks, height);
  }

  ticks() {
    return ticksBetween(this.span.from, this.span.to, Math.max(Math.floor(this.width / 110), 2), offsetAt(this.span.from));
  }

  grid({ ticks }, height) {
    const { context } = this;
    context.fillStyle = this.colors.line;
    for (const tick of ticks) context.fillRect(Math.round(this.x(tick)), AXIS, 1, height);
  }

  axis({ step, ticks }, height) {
    const { context, colors } = this;
    context.fillStyle = colors.panel;
    context.fillRect(0, 0, this.width, AXIS);
    context.fillStyle = colors.line;
    context.fillRect(0, AXIS - 1, this.width, 1);
    context.font = colors.small;
    context.fillStyle = colors.text;
    for (const tick of ticks) context.fillText(tickSays(tick, step), this.x(tick) + 3, AXIS / 2);
    const now = this.x(this.board.madeAt);
    if (now >= 0 && now <= this.width) {
      context.fillStyle = colors.text;
      for (let y = AXIS; y < height; y += 6) context.fillRect(now, y, 1, 3);
    }
  }

  lane(lane, top, height) {
    const { context, colors } = this;
    context.fillStyle = colors.line;
    context.fillRect(0, top + lane.height - LANE_GAP / 2, this.width, 1);
    lane.rows.forEach((row, at) => {
      const y = top + LANE_HEAD + at * BAR_STEP;
      if (y + BAR >= 0 && y <= height) this.row(row, y);
    });
    context.font = colors.bold;
    context.fillStyle = colors.text;
    lane.shown ??= laneSays(lane);
    const name = fitted(context, lane.shown.name, this.width * 0.6);
    context.fillText(name, 6, top + LANE_HEAD / 2 + 1);
    const width = context.measureText(name).width;
    context.font = colors.small;
    context.fillStyle = colors.quiet;
    context.fillText(fitted(context, lane.shown.counts, this.width - width - 24), 16 + width, top + LANE_HEAD / 2 + 1);
  }

  /** What ended badly is drawn last, so that nothing lies over it; bars too narrow to be told apart are drawn once. */
  row(row, y) {
    const late = [];
    const drawn = new Map();
    for (let at = firstEndingAfter(row, this.span.from - 1); at < row.length && row[at].from <= this.span.to; at += 1) {
      const claim = row[at];
      const family = FAMILY_OF.get(claim.end);
      const [from, to] = [this.x(claim.from), this.x(claim.to)];
      if (to - from < 1.5 && from - (drawn.get(family) ?? -9) < 1.5) continue;
      drawn.set(family, to);
      const bar = { claim, family, x: Math.max(from, -4), width: Math.min(to, this.width + 4) - Math.max(from, -4) };
      if (family.name === "failed" || family.name === "recovered") late.push(bar);
      else this.bar(bar, y);
    }
    let marked = -99;
    for (const bar of late) {
      this.bar(bar, y);
      if (bar.width < 14 && bar.x - marked >= 10) {
        this.flag(bar, y);
        marked = bar.x;
      }
    }
  }

  bar({ claim, family, x, width }, y) {
    const { context, colors } = this;
    const look = colors.families[family.name];
    const wide = Math.max(width, 2);
    if (wide < 5) {
      context.fillStyle = look.color;
      context.fillRect(x, y, wide, BAR);
    } else {
      context.fillStyle = look.tint;
      context.fillRect(x, y, wide, BAR);
      if (look.pattern) {
        context.fillStyle = look.pattern;
        context.fillRect(x, y, wide, BAR);
      }
      this.edge(claim, look, x, y, wide);
    }
    if (claim === this.focus) {
      context.strokeStyle = colors.text;
      context.lineWidth = 2;
      context.strokeRect(x - 2, y - 1, wide + 4, BAR + 2);
    }
    if (wide >= 14) this.label(claim, family, x, y, wide);
  }

  edge(claim, look, x, y, width) {
    const { context } = this;
    context.strokeStyle = look.color;
    context.lineWidth = 1.5;
    context.setLineDash(look.dash);
    context.beginPath();
    context.moveTo(x + width, y + 0.75);
    context.lineTo(x, y + 0.75);
    context.lineTo(x, y + BAR - 0.75);
    context.lineTo(x + width, y + BAR - 0.75);
    if (!claim.isHeld) context.closePath();
    context.stroke();
    context.setLineDash([]);
  }

  label(claim, family, x, y, width) {
    const { context, colors } = this;
    const from = Math.max(x, 0) + 4;
    const room = x + width - from - 3;
    context.font = colors.small;
    const text = room > 34 ? `${family.mark} ${oneLine(this.board.tasks[claim.task].id, 130)}` : family.mark;
    const shown = fitted(context, text, room);
    if (look(colors, family).pattern && shown) {
      context.fillStyle = colors.ground;
      context.fillRect(from - 2, y + 3, context.measureText(shown).width + 4, BAR - 6);
    }
    context.fillStyle = colors.text;
    context.fillText(shown, from, y + BAR / 2 + 1);
  }

  /** The mark of a bar that is too narrow for one. */
  flag({ family, x, width }, y) {
    const { context, colors } = this;
    context.font = colors.small;
    const [middle, wide] = [x + Math.max(width, 2) / 2, context.measureText(family.mark).width];
    context.fillStyle = colors.ground;
    context.fillRect(middle - wide / 2 - 1, y + 3, wide + 2, BAR - 6);
    context.fillStyle = colors.text;
    context.fillText(family.mark, middle - wide / 2, y + BAR / 2 + 1);
  }

  steering() {
    const { scroller } = this;
    scroller.addEventListener("scroll", () => { this.hideTip(); this.refresh(); }, { passive: true });
    scroller.addEventListener("wheel", (event) => this.wheeled(event), { passive: false });
    scroller.addEventListener("keydown", (event) => this.pressed(event));
    scroller.addEventListener("blur", () => this.hideTip());
    const drag = new Drag(this);
    scroller.addEventListener("pointerdown", (event) => drag.begin(event));
    scroller.addEventListener("pointermove", (event) => drag.move(event));
    for (const name of ["pointerup", "pointercancel"]) scroller.addEventListener(name, (event) => drag.end(event));
    scroller.addEventListener("pointerleave", () => this.hideTip());
    scroller.addEventListener("dblclick", (event) => this.zoom(0.4, this.part(event.clientX)));
  }

  /** Which part of the width this is. */
  part(clientX) {
    return (clientX - this.scroller.getBoundingClientRect().left) / this.width;
  }

  wheeled(event) {
    if (event.ctrlKey || event.metaKey) this.zoom(Math.exp(event.deltaY / 300), this.part(event.clientX));
    else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) this.pan((event.deltaX || event.deltaY) / this.width);
    else return;
    event.preventDefault();
  }

  /** The claim at this place of the screen, within a few pixels. */
  at(clientX, clientY) {
    const box = this.scroller.getBoundingClientRect();
    const [x, y] = [clientX - box.left, clientY - box.top + this.scroller.scrollTop];
    if (clientY - box.top < AXIS) return null;
    const lane = this.lanes.find((lane) => y >= lane.top && y < lane.top + lane.height);
    const row = lane?.rows[Math.floor((y - lane.top - LANE_HEAD) / BAR_STEP)];
    if (!row) return null;
    const time = this.span.from + (x / this.width) * (this.span.to - this.span.from);
    const reach = (4 / this.width) * (this.span.to - this.span.from);
    const first = firstEndingAfter(row, time - reach);
    const near = row.slice(first, first + 40).filter((claim) => claim.from <= time + reach);
    const far = (claim) => Math.max(claim.from - time, time - claim.to, 0);
    return near.sort((a, b) => far(a) - far(b))[0] ?? null;
  }

  showTip(claim, x, y) {
    const tip = $("tip");
    tip.replaceChildren(...claimSays(claim, this.board));
    tip.hidden = false;
    const { offsetWidth, offsetHeight } = tip;
    tip.style.left = `${Math.max(Math.min(x + 14, window.innerWidth - offsetWidth - 8), 4)}px`;
    const below = y + 18 + offsetHeight < window.innerHeight;
    tip.style.top = `${below ? y + 18 : Math.max(y - offsetHeight - 12, 4)}px`;
  }

  hideTip() {
    $("tip").hidden = true;
  }

  pressed(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Home: [0, -Infinity], End: [0, Infinity] };
    if (event.shiftKey && event.key.startsWith("Arrow")) this.pan(event.key === "ArrowLeft" ? -0.2 : 0.2);
    else if (event.key in moves) this.move(...moves[event.key]);
    else if (event.key === "+" || event.key === "=") this.zoom(0.5, this.focusPart());
    else if (event.key === "-" || event.key === "_") this.zoom(2, this.focusPart());
    else if (event.key === "0") this.fit();
    else if (event.key === "Enter" && this.focus) this.open(this.board.tasks[this.focus.task]);
    else return;
    event.preventDefault();
  }

  focusPart() {
    return this.focus ? Math.min(Math.max(this.x(this.focus.from) / this.width, 0), 1) : 0.5;
  }

  /** Goes to another claim: of the lane, or of the next lane, the nearest in time. */
  move(lanes, claims) {
    if (this.lanes.length === 0) return;
    const here = this.focus ? this.lanes.findIndex((lane) => lane.name === this.focus.agent) : -1;
    const at = Math.min(Math.max(here + (here < 0 ? 1 : lanes), 0), this.lanes.length - 1);
    const lane = this.lanes[at];
    if (here < 0) this.focusOn(lane.claims[0], lane);
    else if (lanes !== 0) this.focusOn(nearest(lane.claims, this.focus.from), lane);
    else this.focusOn(lane.claims[Math.min(Math.max(lane.claims.indexOf(this.focus) + claims, 0), lane.claims.length - 1)], lane);
  }

  focusOn(claim, lane) {
    this.focus = claim;
    const length = this.span.to - this.span.from;
    if (claim.from < this.span.from || claim.from > this.span.to) this.span = { from: claim.from - length / 3, to: claim.from + (length * 2) / 3 };
    const row = lane.rows.findIndex((row) => row[firstEndingAfter(row, claim.from - 1)] === claim || row.includes(claim));
    const y = lane.top + LANE_HEAD + row * BAR_STEP;
    const { scrollTop, clientHeight } = this.scroller;
    if (y - AXIS < scrollTop) this.scroller.scrollTop = y - AXIS - LANE_HEAD;
    else if (y + BAR_STEP * 2 > scrollTop + clientHeight) this.scroller.scrollTop = y + BAR_STEP * 2 - clientHeight;
    this.draw();
    const box = this.scroller.getBoundingClientRect();
    $("lane-said").textContent = claimSays(claim, this.board).map((part) => part.textContent).join(", ");
    requestAnimationFrame(() => this.showTip(claim, box.left + Math.max(this.x(claim.from), 0), box.top + y - this.scroller.scrollTop));
  }

  /** Draws as much as fits a page, for paper. */
  print() {
    this.scroller.scrollTop = 0;
    this.draw(0, Math.min(this.height, 1200), 1000);
  }
}

/** Pointers on the timeline: one drags, two zoom, a still one points at a claim or opens its task. */
class Drag {
  constructor(timeline) {
    Object.assign(this, { timeline, pointers: new Map(), moved: 0 });
  }

  begin(event) {
    if (event.button !== 0) return;
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (this.pointers.size === 1) this.moved = 0;
  }

  move(event) {
    const { timeline, pointers } = this;
    const last = pointers.get(event.pointerId);
    if (!last) return this.hover(event);
    const [dx, dy] = [event.clientX - last.x, event.clientY - last.y];
    this.moved += Math.abs(dx) + Math.abs(dy);
    if (pointers.size === 2) this.pinch(event, last);
    else if (this.moved > 4) {
      timeline.scroller.setPointerCapture(event.pointerId);
      timeline.pan(-dx / timeline.width);
      if (event.pointerType === "mouse") timeline.scroller.scrollTop -= dy;
    }
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  }

  pinch(event, last) {
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)[1];
    const before = Math.max(Math.abs(last.x - other.x), 10);
    const now = Math.max(Math.abs(event.clientX - other.x), 10);
    this.timeline.zoom(before / now, this.timeline.part((event.clientX + other.x) / 2));
  }

  hover(event) {
    const claim = event.pointerType === "touch" ? null : this.timeline.at(event.clientX, event.clientY);
    this.timeline.scroller.style.cursor = claim ? "pointer" : "";
    if (claim) this.timeline.showTip(claim, event.clientX, event.clientY);
    else if (document.activeElement !== this.timeline.scroller || event.pointerType !== "touch") this.timeline.hideTip();
  }

  end(event) {
    const { timeline } = this;
    const wasOne = this.pointers.size === 1;
    if (!this.pointers.delete(event.pointerId) || event.type === "pointercancel" || !wasOne || this.moved > 4) return;
    const claim = timeline.at(event.clientX, event.clientY);
    if (!claim) return;
    timeline.focus = claim;
    timeline.refresh();
    timeline.hideTip();
    timeline.open(timeline.board.tasks[claim.task]);
  }
}

function look(colors, family) {
  return colors.families[family.name];
}

function ordered(lanes, order) {
  const trouble = (lane) => lane.claims.filter((claim) => ["failed", "recovered"].includes(FAMILY_OF.get(claim.end).name)).length;
  const keys = { most: (lane) => -lane.claims.length, trouble: (lane) => -trouble(lane), first: (lane) => lane.claims[0].from };
  if (order === "name") return [...lanes].sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
  const keyed = lanes.map((lane) => ({ lane, key: keys[order](lane) }));
  return keyed.sort((a, b) => a.key - b.key).map(({ lane }) => lane);
}

function nearest(claims, time) {
  let [low, high] = [0, claims.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (claims[middle].from < time) low = middle + 1;
    else high = middle;
  }
  const before = claims[low - 1];
  return before && time - before.from < claims[low].from - time ? before : claims[low];
}

function laneSays(lane) {
  const counts = new Map();
  for (const claim of lane.claims) {
    const family = FAMILY_OF.get(claim.end);
    counts.set(family, (counts.get(family) ?? 0) + 1);
  }
  const parts = FAMILIES.filter((family) => counts.has(family)).map((family) => `${family.mark} ${count(counts.get(family))}`);
  return { name: oneLine(lane.name, 80), counts: `${counted(lane.claims.length, "claim", "claims")}:  ${parts.join("   ")}` };
}

/** What a claim was, in lines. */
function claimSays(claim, board) {
  const task = board.tasks[claim.task];
  const family = FAMILY_OF.get(claim.end);
  const lines = [
    el("b", {}, said(task.id), task.type ? [" ", said(task.type, "word")] : []),
    el("span", {}, `${family.mark} ${END_SAYS[claim.end]}`),
    el("span", {}, "by ", said(claim.agent), claim.token === null ? "" : `, token ${claim.token}`),
    el("span", {}, claim.isBegunBefore ? "begun before the history that is kept" : localTime(claim.from), ` – ${claim.isHeld ? "now" : localTime(claim.to)} ${zoneName()}`),
  ];
  if (!claim.isBegunBefore) lines.push(el("span", {}, `${claim.isHeld ? "held for" : "took"} ${duration(claim.to - claim.from)}${claim.ready === null ? "" : `, ready ${duration(claim.from - claim.ready)} before`}`));
  if (claim.session) lines.push(el("span", { class: "quiet" }, "session ", said(claim.session)));
  return lines;
}

/** The text, cut so that it is no wider. */
function fitted(context, text, room) {
  if (room < 6) return "";
  if (context.measureText(text).width <= room) return text;
  let [low, high] = [0, text.length];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (context.measureText(`${text.slice(0, middle)}…`).width <= room) low = middle;
    else high = middle - 1;
  }
  return low > 0 ? `${text.slice(0, low)}…` : "";
}

function tickSays(tick, step) {
  const date = new Date(tick);
  if (step >= DAY) return formats().date.format(date);
  const clockTime = step >= MINUTE ? formats().minute.format(date) : formats().second.format(date);
  if (step < SECOND) return `${clockTime}.${String(date.getMilliseconds()).padStart(3, "0")}`;
  const isMidnight = (tick + offsetAt(tick)) % DAY === 0;
  return isMidnight ? formats().date.format(date) : clockTime;
}
