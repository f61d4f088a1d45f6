// Elements. What agents wrote is only ever given to them as text.

const $ = (id) => document.getElementById(id);

/** An element with these attributes and children; texts among them become text. */
function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** The same, of a picture. */
function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** What somebody wrote, in one line: it keeps its direction to itself. */
function said(text, className = "") {
  return el("bdi", { class: className || null, title: text.length > 40 ? visible(text).slice(0, 2000) : null }, oneLine(text));
}

/** What somebody wrote, as it is. */
function block(text) {
  return el("pre", { dir: "auto" }, visible(text));
}

/** How statuses are marked beside their words. */
const STATUS_MARKS = {
  pending: "○",
  ready: "◎",
  in_progress: "◐",
  in_review: "◪",
  blocked: "‖",
  completed: "✓",
  failed: "✗",
  cancelled: "⊘",
};

/** The word for where a task stands: a pending one that can be claimed is ready. */
function standingOf(task) {
  if (task.archivedAt !== null) return `${task.status}`;
  return task.status === "pending" && task.readiness === "ready" ? "ready" : task.status;
}

function statusChip(word) {
  if (word === null) return el("span", { class: "status" }, "not on the board");
  const mark = el("span", { class: "mark", "aria-hidden": "true" }, STATUS_MARKS[word] ?? "·");
  return el("span", { class: `status s-${word}` }, mark, words(word));
}

/** Times in the reader's zone, or in UTC if that was asked for. */
const clock = { isUtc: false, formats: null };

function formats() {
  if (clock.formats) return clock.formats;
  const zone = clock.isUtc ? { timeZone: "UTC" } : {};
  const date = { year: "numeric", month: "2-digit", day: "2-digit" };
  const time = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
  const make = (options) => new Intl.DateTimeFormat("sv-SE", { ...options, ...zone });
  clock.formats = {
    full: make({ ...date, ...time }),
    date: make(date),
    minute: make({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" }),
    second: make(time),
  };
  return clock.formats;
}

function utc(ms) {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? "beyond all calendars" : `${date.toISOString().replace("T", " ").replace("Z", "")} UTC`;
}

function localTime(ms) {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? utc(ms) : formats().full.format(date);
}

/** How far the reader's zone is from UTC then, in milliseconds. */
function offsetAt(ms) {
  return clock.isUtc ? 0 : -new Date(ms).getTimezoneOffset() * MINUTE;
}

function zoneName() {
  return clock.isUtc ? "UTC" : (Intl.DateTimeFormat().resolvedOptions().timeZone ?? "local time");
}

/** A time in the reader's zone, with UTC where it is pointed at. */
function time(ms) {
  const date = new Date(ms);
  const iso = Number.isNaN(date.getTime()) ? null : date.toISOString();
  return el("time", { datetime: iso, title: utc(ms) }, localTime(ms));
}

/** A link to a task of the board, or the id alone if it isn't known. */
function taskLink(id, board) {
  if (!board.byId.has(id)) return said(id, "id");
  return el("a", { href: `#task/${encodeURIComponent(id)}`, class: "id" }, el("bdi", {}, oneLine(id)));
}

/** Calls `action` at the next frame, once however often it was asked for. */
function inFrame(action) {
  let isAsked = false;
  return () => {
    if (isAsked) return;
    isAsked = true;
    requestAnimationFrame(() => {
      isAsked = false;
      action();
    });
  };
}

/** Fills a list of choices; what is empty means all. */
function choices(select, all, values) {
  select.replaceChildren(el("option", { value: "" }, all));
  for (const value of values) select.append(el("option", { value }, oneLine(value, 60)));
}

/** Texts with how often they come, the most frequent first. */
function frequent(texts, most = 500) {
  const counts = new Map();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]).slice(0, most).map(([text]) => text);
}
